import { keccak256 } from "viem";
import { ClientError } from "../errors/client.js";
import { decodeBase64Url } from "../passkey/base64url.js";
import type { TeeAccount } from "./account.js";

/** The id of an account that was created without one: named after its passkey. */
export function accountIdOf(credentialId: string): string {
  return `pk_${keccak256(decodeBase64Url(credentialId)).slice(2, 42)}`;
}

/**
 * The account, if it is the one that was asked for and its passkey is the one that was touched: a
 * hostile KMS could answer with another.
 *
 * @throws {@link ClientError} `account_mismatch`.
 */
export function checkedAccount(account: TeeAccount, accountId: string, credentialId: string): TeeAccount {
  const isOwn = account.passkeys.some((passkey) => passkey.credentialId === credentialId);
  if (account.accountId === accountId && isOwn) return account;
  throw new ClientError("account_mismatch", `the KMS answered with another account than ${accountId} of this passkey`);
}
