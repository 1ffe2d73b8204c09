// The bundler alto on a local chain (anvil): `node start.mjs CHAIN_URL [PORT]`. Prints its address
// when it listens.
import { randomBytes } from "node:crypto";
import { Server } from "node:net";
import { privateKeyToAddress } from "viem/accounts";

const ENTRY_POINTS = [
  "0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789",
  "0x0000000071727De22E5E9d8BAf0edAc6f37da032",
  "0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108",
  "0x433709009B8330FDa32311DF1C2AFA402eD8D009",
];
const HUNDRED_ETHER = "0x56bc75e2d63100000";

const [chain, port = "0"] = process.argv.slice(2);
if (!chain) {
  console.error("usage: node start.mjs CHAIN_URL [PORT]");
  process.exit(2);
}

async function ask(method, params) {
  const response = await fetch(chain, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  }).catch(() => {
    console.error(`no chain answers at ${chain}`);
    process.exit(1);
  });
  const { result, error } = await response.json();
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
}

async function fundedKey() {
  const key = `0x${randomBytes(32).toString("hex")}`;
  await ask("anvil_setBalance", [privateKeyToAddress(key), HUNDRED_ETHER]);
  return key;
}

const codes = await Promise.all(ENTRY_POINTS.map((address) => ask("eth_getCode", [address, "latest"])));
const deployed = ENTRY_POINTS.filter((_, index) => codes[index] !== "0x");
if (deployed.length === 0) {
  console.error(`no EntryPoint of v0.6 to v0.9 is deployed at ${chain}`);
  process.exit(1);
}

// alto has no option for the interface and would listen on all of them.
const { listen } = Server.prototype;
Server.prototype.listen = function (options, ...rest) {
  this.once("error", ({ message }) => {
    console.error(`the bundler can't listen: ${message}`);
    process.exit(1);
  });
  this.once("listening", () => console.log(`bundler listening on http://127.0.0.1:${this.address().port}`));
  return listen.call(this, { ...options, host: "127.0.0.1" }, ...rest);
};

const options = {
  entrypoints: deployed.join(","),
  "rpc-url": chain,
  port,
  "executor-private-keys": await fundedKey(),
  "utility-private-key": await fundedKey(),
  "min-executor-balance": "0",
  "utility-wallet-monitor": false,
  // As published it can't decode what anvil's tracer answers for v0.7 and later.
  "safe-mode": false,
  "min-entity-stake": 1,
  "min-entity-unstake-delay": 1,
  "enable-cors": true,
  json: true,
  "log-level": "warn",
};
process.argv = [...process.argv.slice(0, 2), ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])];
await import("./node_modules/@pimlico/alto/esm/cli/alto.js");
