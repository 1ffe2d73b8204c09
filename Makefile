# The verbs of the project. Each is a script or a cargo command that also runs by itself.
.PHONY: help demo optee chain run paymaster page test test-optee fuzz check bench bundler contracts bench-optee ta
.PHONY: ta-measurement

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: ## one sponsored operation on a local chain, step by step (ARGS="--entrypoint 0.6")
	scripts/demo $(ARGS)

optee: ## the demo with a real TEE: OP-TEE in QEMU (ARGS="--entrypoint 0.8", RPMB=1)
	scripts/optee/demo $(ARGS)

chain: ## a local chain for config/dev.toml: anvil at 127.0.0.1:8545 with EntryPoint v0.7
	scripts/dev-chain $(ARGS)

run: ## the node with config/dev.toml, for the chain of `make chain` or one of your own
	scripts/run $(ARGS)

paymaster: ## the paymaster of config/dev.toml on that chain, once the node runs
	scripts/dev-paymaster $(ARGS)

bundler: ## an ERC-4337 bundler for a local chain (ARGS="CHAIN_URL [PORT]"), at http://127.0.0.1:4337
	scripts/bundler $(ARGS)

page: ## the page that a node serves, for the next cargo build to embed
	scripts/page

test: ## every test, with real parts
	scripts/test

test-optee: ## the trusted application inside OP-TEE on QEMU, and that its build can be repeated
	scripts/optee/test

fuzz: ## every fuzz target for ten seconds (ARGS="600 frames")
	scripts/fuzz $(ARGS)

check: ## formatting, lints, licences, documentation
	scripts/check

bench: ## CPU per sponsorship, beside the floor of the cryptography and other paymasters (ARGS="--write docs/performance.md")
	scripts/bench $(ARGS)

bench-optee: ## what OP-TEE costs in QEMU, beside the floor of the cryptography inside the trusted application
	scripts/optee/bench

contracts: ## the contracts and the tools they need
	scripts/node-tools

ta: ## build and sign the trusted application (TA_KEY=path for a key of your own)
	scripts/optee/ta

ta-measurement: ## print the measurement of the trusted application as built
	@scripts/optee/ta --measure
