import { ClientError } from "../errors/client.js";
import type { Answer } from "../hosts/answer.js";
import type { AccountPasskey, TeeAccount } from "./account.js";

/** What was asked for: the account's id, and a passkey of it. */
interface Expected {
  accountId: string;
  credentialId: string;
}

/**
 * The account that the KMS answered, with these passkeys, if it is the one that was asked for and
 * its passkey is the one that was touched: a hostile KMS could answer with another.
 *
 * @throws {@link ClientError} `account_mismatch`, `answer_invalid`.
 */
export function answeredAccount(answer: Answer, passkeys: Answer[], { accountId, credentialId }: Expected): TeeAccount {
  const account: TeeAccount = {
    accountId: answer.text("accountId"),
    ownerAddress: answer.address("ownerAddress"),
    signatureScheme: answer.oneOf("signatureScheme", ["eip191", "raw"]),
    factory: answer.has("factory") ? answer.address("factory") : null,
    salt: answer.has("salt") ? answer.hex("salt", 32) : null,
    passkeys: passkeys.map(answeredPasskey),
    // `create` only.
    ...(answer.has("sender") && { sender: answer.address("sender") }),
  };
  const isOwn = account.passkeys.some((passkey) => passkey.credentialId === credentialId);
  if (account.accountId === accountId && isOwn) return account;
  throw mismatch(accountId);
}

/** The answer is about another account than this one, or about somebody else's passkey. */
export function mismatch(accountId: string): ClientError {
  return new ClientError("account_mismatch", `the KMS answered with another account than ${accountId} of this passkey`);
}

function answeredPasskey(answer: Answer): AccountPasskey {
  return { credentialId: answer.base64Url("credentialId"), publicKey: answer.hex("publicKey", 65) };
}
