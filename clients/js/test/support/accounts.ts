// Accounts whose key lives in the TEE, and the clients of viem and permissionless.js that send for
// them.
import {
  type Authenticator,
  createTeeAccount,
  createTeePaymaster,
  type TeeAccount,
  type TeeOwner,
  type TeePaymaster,
  toTeeOwner,
} from "@super-relay/client";
import { http } from "viem";
import { createBundlerClient, type SmartAccount } from "viem/account-abstraction";
import { toAccount } from "./simple-account.js";
import { chain, entryPoint, steadyFees, urls } from "./world.js";

/** A test has no time to wait for four seconds. */
export const POLLING = { pollingInterval: 50 };

/** Registers a passkey and creates its account, for the EntryPoint of this suite. */
export const register = (authenticator: Authenticator): Promise<TeeAccount> =>
  createTeeAccount({ kmsUrl: urls.kms, userName: "alice", entryPointVersion: entryPoint.version, authenticator });

/** A paymaster for that account. */
export const paymasterOf = (
  account: TeeAccount,
  authenticator: Authenticator,
  options: Partial<Parameters<typeof createTeePaymaster>[0]> = {},
): TeePaymaster =>
  createTeePaymaster({
    rpcUrl: urls.rpc,
    account,
    authenticator,
    entryPointVersion: entryPoint.version,
    ...options,
  });

/** The SimpleAccount of that owner, for the EntryPoint of this suite. */
export const simpleAccount = (account: TeeAccount, owner: TeeOwner): Promise<SmartAccount> =>
  toAccount(chain, entryPoint, account, owner);

/** A bundler client of viem for that account. */
export const bundlerOf = (account: SmartAccount, paymaster: TeePaymaster) =>
  createBundlerClient({
    account,
    client: chain,
    paymaster,
    transport: http(urls.bundler),
    userOperation: steadyFees,
    ...POLLING,
  });

/** A new account with everything that sends for it. */
export async function newAccount(
  authenticator: Authenticator,
  options: Partial<Parameters<typeof createTeePaymaster>[0]> = {},
) {
  const tee = await register(authenticator);
  const paymaster = paymasterOf(tee, authenticator, options);
  const owner = toTeeOwner({ account: tee, paymaster });
  const account = await simpleAccount(tee, owner);
  return { tee, paymaster, owner, account, bundler: bundlerOf(account, paymaster) };
}
