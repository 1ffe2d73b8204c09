// What the test in bin/super-relay/tests/e2e/clients started, as it names it in the environment.
import { createPublicClient, http } from "viem";
import {
  createPaymasterClient,
  entryPoint06Address,
  entryPoint07Address,
  entryPoint08Address,
  entryPoint09Address,
} from "viem/account-abstraction";
import { foundry } from "viem/chains";
import { paymasterV09Recipe } from "./docs.mjs";

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
const addresses = {
  0.6: entryPoint06Address,
  0.7: entryPoint07Address,
  0.8: entryPoint08Address,
  0.9: entryPoint09Address,
};
export const entryPoint = { address: addresses[version], version };
/** How an account of that version signs. */
export const signatureScheme = version < "0.8" ? "eip191" : "raw";

/**
 * For `toSimpleSmartAccount`: permissionless.js 0.4 knows no v0.9, whose SimpleAccount signs and
 * batches as that of v0.8, but has another factory.
 */
export const simpleAccount =
  version === "0.9"
    ? { entryPoint: { ...entryPoint, version: "0.8" }, factoryAddress: required("FACTORY") }
    : { entryPoint };
/** For `toSimple7702SmartAccount`; of v0.9 npm has a candidate only, at another address. */
export const simple7702Account =
  version === "0.9" ? { entryPoint: version, implementation: required("DELEGATE") } : {};

/**
 * viem's own paymaster client, but for v0.9: there the function of docs/api.md, since viem 2.57
 * drops the paymaster's signature from the answers.
 */
export const viemsPaymaster = async () =>
  version === "0.9" ? (await paymasterV09Recipe()).relayPaymaster(urls.rpc) : createPaymasterClient({ transport: http(urls.rpc) });

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
