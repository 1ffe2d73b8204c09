// What test/run.ts started, as it names it in the environment of a suite.
import { type Address, createPublicClient, http, type PublicClient } from "viem";
import type { EntryPointVersion } from "viem/account-abstraction";
import { foundry } from "viem/chains";

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: scripts/client-js test starts these tests`);
  return value;
}

export const urls = {
  rpc: required("RPC"),
  kms: required("KMS"),
  chain: required("CHAIN"),
  bundler: required("BUNDLER"),
};

export const entryPoint = {
  address: required("ENTRY_POINT") as Address,
  version: required("ENTRY_POINT_VERSION") as EntryPointVersion,
};
export const paymasterAddress = required("PAYMASTER") as Address;
/** The node's configuration. */
export const configuration = required("CONFIGURATION");
/** The binary `super-relay`. */
export const superRelay = required("SUPER_RELAY");
/** The origin of pages that use passkeys. */
export const ORIGIN = required("ORIGIN");
export const RP_ID = "localhost";
export const CHAIN_ID = foundry.id;

/** The chain, read as any dApp does. */
export const chain: PublicClient = createPublicClient({ chain: foundry, transport: http(urls.chain) }) as PublicClient;

/** A method of anvil's. */
export const anvil = (method: string, params: unknown[]): Promise<unknown> =>
  chain.request({ method, params } as never) as Promise<unknown>;

/**
 * For a bundler client's `userOperation`. viem takes twice the tip that anvil suggests, which is
 * what the operation before paid: without this the fees double with every operation.
 */
export const steadyFees = {
  estimateFeesPerGas: async () => ({ maxFeePerGas: 4_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }),
};
