// What the test in bin/super-relay/tests/e2e/clients started, as it names it in the environment.
import { createPublicClient, http } from "viem";
import {
  entryPoint06Address,
  entryPoint07Address,
  entryPoint08Address,
} from "viem/account-abstraction";
import { foundry } from "viem/chains";

const required = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: cargo test --package super-relay --test e2e clients`);
  return value;
};

export const urls = {
  rpc: required("RPC"),
  kms: required("KMS"),
  chain: required("CHAIN"),
  bundler: process.env.BUNDLER, // not in every suite
};
/** Where passkeys are used. */
export const origin = required("ORIGIN");
export const paymasterAddress = required("PAYMASTER");

const version = required("ENTRY_POINT_VERSION");
const addresses = { 0.6: entryPoint06Address, 0.7: entryPoint07Address, 0.8: entryPoint08Address };
export const entryPoint = { address: addresses[version], version };
/** How an account of that version signs. */
export const signatureScheme = version === "0.8" ? "raw" : "eip191";

/** The chain, read as any dApp does. */
export const chain = createPublicClient({ chain: foundry, transport: http(urls.chain) });

/**
 * For a bundler client's `userOperation`. viem takes twice the tip that anvil suggests, which is
 * what the previous operation paid: without this the fees double with every operation.
 */
export const steadyFees = {
  estimateFeesPerGas: async () => ({ maxFeePerGas: 4_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }),
};
/** A call to nobody. */
export const call = { to: "0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a", value: 0n, data: "0x1234" };
