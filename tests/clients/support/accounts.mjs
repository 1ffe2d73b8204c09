// Accounts whose key lives in the TEE, put together from the parts of the recipe in docs/api.md.
import assert from "node:assert/strict";
import { toSimpleSmartAccount } from "permissionless/accounts";
import { http } from "viem";
import { createBundlerClient } from "viem/account-abstraction";
import { chain, paymasterAddress, signatureScheme, simpleAccount, steadyFees, urls } from "./world.mjs";

/** The SimpleAccount that `createAccount` made, with viem's paymaster for it in `paymaster`. */
export async function accountOf(docs, made, rpc = urls.rpc) {
  const { owner, paymaster } = docs.superRelay(rpc, made);
  const account = await toSimpleSmartAccount({
    client: chain,
    owner,
    ...simpleAccount,
    factoryAddress: made.factory,
    index: BigInt(made.salt),
  });
  assert.equal(account.address.toLowerCase(), made.sender.toLowerCase());
  return { ...account, paymaster };
}

/** A bundler client for a new account, by that relay; `docs` are the modules of the recipe. */
export async function newAccount(docs, rpc) {
  const made = await docs.createAccount(urls.kms, "alice", { signatureScheme });
  const { paymaster, ...account } = await accountOf(docs, made, rpc);
  return bundlerOf(account, paymaster);
}

/** A bundler client for that account, sponsored by that paymaster. */
export function bundlerOf(account, paymaster) {
  return createBundlerClient({
    account,
    client: chain,
    paymaster,
    transport: http(urls.bundler),
    pollingInterval: 100,
    userOperation: steadyFees,
  });
}

/** The receipt of an operation that succeeded and that our paymaster paid for. */
export async function mined(bundler, hash) {
  const receipt = await bundler.waitForUserOperationReceipt({ hash });
  assert.equal(receipt.userOpHash, hash);
  assert.equal(receipt.success, true);
  assert.equal(receipt.paymaster.toLowerCase(), paymasterAddress.toLowerCase());
  return receipt;
}
