import { bytesToHex } from "viem";
import { type KmsSettings, requestKms } from "../hosts/kms.js";
import type { Authenticator } from "../passkey/authenticator.js";
import { isMadeWith } from "../passkey/proof.js";
import { requestTouch } from "../passkey/touch.js";
import type { TeeAccount } from "./account.js";
import { answeredAccount, mismatch } from "./answered.js";
import { accountIdOf } from "./id.js";

/** Parameters of {@link findTeeAccount}. */
export interface FindTeeAccountParameters extends KmsSettings {
  /** The relying party (`kms.rp_id`), where it is not the page's own host. */
  rpId?: string | undefined;
  /** By default the browser's. */
  authenticator?: Authenticator | undefined;
}

/**
 * The account of a passkey that {@link createTeeAccount} registered, for a page that does not
 * remember it: one touch. Finds accounts that were created without an `accountId`.
 *
 * @throws {@link KmsError} `account_unknown` if the passkey has no account, {@link PasskeyError} if
 * the user refuses, {@link ClientError} without a valid answer.
 */
export async function findTeeAccount(parameters: FindTeeAccountParameters): Promise<TeeAccount> {
  const { rpId, authenticator } = parameters;
  const challenge = bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
  const touch = await requestTouch({ challenge, webauthn: rpId === undefined ? {} : { rpId }, authenticator });
  const accountId = accountIdOf(touch.id);
  const found = await requestKms(parameters, `/kms/accounts/${accountId}`);
  const account = answeredAccount(found, found.objects("passkeys"), { accountId, credentialId: touch.id });
  // Anyone can register a credential id that they have seen, with a key of their own.
  const { publicKey } = account.passkeys.find(({ credentialId }) => credentialId === touch.id) ?? {};
  if (publicKey !== undefined && isMadeWith(publicKey, touch)) return account;
  throw mismatch(accountId);
}
