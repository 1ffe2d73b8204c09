// A page's script built on the package. The test in Chromium calls what it puts on `window`.
import {
  createTeeAccount,
  createTeePaymaster,
  findSuperRelayError,
  findTeeAccount,
  type TeeAccount,
  toTeeOwner,
} from "@super-relay/client";
import { type Address, createPublicClient, type Hex, http, type PublicClient } from "viem";
import { createBundlerClient, type EntryPointVersion } from "viem/account-abstraction";
import { foundry } from "viem/chains";
import * as readme from "../readme/send.js";
import { sendTogether as readmeTogether } from "../readme/together.js";
import { toAccount } from "../support/simple-account.js";

/** Put in place of this name by esbuild. */
declare const WORLD: {
  urls: { rpc: string; kms: string; chain: string; bundler: string };
  entryPoint: { address: Address; version: EntryPointVersion };
};
const { urls, entryPoint } = WORLD;

const register = () => createTeeAccount({ kmsUrl: urls.kms, userName: "alice", entryPointVersion: entryPoint.version });

interface Call {
  to: Address;
  data: Hex;
}

/** Sends each list of calls as an operation of its own, all at once. */
async function send(tee: TeeAccount, operations: Call[][]): Promise<Address> {
  const { account, bundler } = await senderOf(tee);
  await Promise.all(operations.map((calls) => bundler.sendUserOperation({ calls })));
  return account.address;
}

/** The same with one touch. */
async function sendTogether(tee: TeeAccount, operations: Call[][]): Promise<string[]> {
  const { bundler } = await senderOf(tee);
  return (await readmeTogether(bundler, operations)).map(({ status }) => status);
}

async function senderOf(tee: TeeAccount) {
  const paymaster = createTeePaymaster({ rpcUrl: urls.rpc, account: tee, entryPointVersion: entryPoint.version });
  const client = createPublicClient({ chain: foundry, transport: http(urls.chain) }) as PublicClient;
  const account = await toAccount(client, entryPoint, tee, toTeeOwner({ account: tee, paymaster }));
  const bundler = createBundlerClient({
    account,
    client,
    paymaster,
    transport: http(urls.bundler),
    userOperation: {
      estimateFeesPerGas: async () => ({ maxFeePerGas: 4_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }),
    },
  });
  return { account, bundler };
}

/** The error that an action ends with. */
async function errorOf(action: () => Promise<unknown>) {
  try {
    return await action();
  } catch (error) {
    const found = findSuperRelayError(error);
    if (found === undefined) throw error;
    const { name, reason, retryable, hint } = found;
    return { name, reason, retryable, hint };
  }
}

const page = {
  register,
  send,
  sendTogether,
  find: (rpId?: string) => findTeeAccount({ kmsUrl: urls.kms, rpId }),
  errorOf,
  readme: {
    register: () => readme.register(urls.kms, "alice"),
    send: async (tee: TeeAccount, calls: { to: Address; data: Hex }[]) => {
      const { success, receipt } = await readme.send(urls, tee, calls);
      return { success, transactionHash: receipt.transactionHash };
    },
  },
};

/** What the test finds on `window`. */
export type Page = typeof page;

Object.assign(globalThis, { page });
