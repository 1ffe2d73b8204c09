// Two buttons: one registers a passkey and makes its account, the other sends a sponsored operation
// of it. The URLs of relay, KMS, chain and bundler belong to the build:
// `npm start -- '--define:URLS={"rpc":"http://…"}'`. A page that took them from its own address
// would work for whoever sent its user the link.
/* global URLS */
import { toSimpleSmartAccount } from "permissionless/accounts";
import { createPublicClient, http } from "viem";
import { createBundlerClient, entryPoint07Address } from "viem/account-abstraction";
import { foundry } from "viem/chains";
import { createAccount, superRelay } from "./super-relay.mjs";

const urls = {
  rpc: "http://127.0.0.1:3000",
  kms: "http://127.0.0.1:3002",
  chain: "http://127.0.0.1:8545",
  bundler: "http://127.0.0.1:4337",
  ...(typeof URLS === "undefined" ? {} : URLS),
};
const ACCOUNT = "super-relay account";
const element = (id) => document.getElementById(id);
const log = (text) => element("log").append(`${text}\n`);

let made = JSON.parse(localStorage.getItem(ACCOUNT)); // nothing in it is secret
let bundler;

/** The account as viem sees it. */
async function open() {
  const { owner, paymaster } = superRelay(urls.rpc, made);
  const client = createPublicClient({ chain: foundry, transport: http(urls.chain) });
  const account = await toSimpleSmartAccount({
    client,
    owner,
    entryPoint: { address: entryPoint07Address, version: "0.7" },
    factoryAddress: made.factory,
    index: BigInt(made.salt),
  });
  bundler = createBundlerClient({
    account,
    client,
    paymaster,
    transport: http(urls.bundler),
    pollingInterval: 500,
    // On anvil only: viem doubles the tip of the operation before.
    userOperation: {
      estimateFeesPerGas: async () => ({ maxFeePerGas: 4_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }),
    },
  });
  element("send").disabled = false;
  log(`account ${account.address}`);
}

async function create() {
  made = await createAccount(urls.kms, "alice");
  localStorage.setItem(ACCOUNT, JSON.stringify(made));
  await open();
}

async function send() {
  const hash = await bundler.sendUserOperation({
    calls: [{ to: "0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a", value: 0n, data: "0x1234" }],
  });
  log(`sent ${hash}`);
  const { success, receipt } = await bundler.waitForUserOperationReceipt({ hash });
  log(`${success ? "mined" : "failed"} in ${receipt.transactionHash}`);
}

/** Runs on a click; what goes wrong is shown. */
const onClick = (id, action) =>
  element(id).addEventListener("click", () => action().catch((error) => log(error.details ?? error.message)));

onClick("create", create);
onClick("send", send);
if (made) await open();
