import type { Address, Hex } from "viem";
import type { EntryPointVersion } from "viem/account-abstraction";
import { type KmsSettings, requestKms } from "../hosts/kms.js";
import type { Authenticator } from "../passkey/authenticator.js";
import { browserAuthenticator } from "../passkey/browser.js";
import { ceremony } from "../passkey/ceremony.js";
import { queueOf } from "../passkey/queue.js";
import type { CreationOptions } from "../passkey/webauthn.js";
import type { SignatureScheme, TeeAccount } from "./account.js";
import { accountIdOf, checkedAccount } from "./id.js";

/** Parameters of {@link createTeeAccount}. */
export interface CreateTeeAccountParameters extends KmsSettings {
  /** 1 to 128 characters, which the authenticator shows to its user. */
  userName: string;
  /** As `userName`, which is the default. */
  displayName?: string | undefined;
  /** 1 to 128 of `A-Z a-z 0-9 _ . : @ -`; by default the account is named after its passkey. */
  accountId?: string | undefined;
  /** Where the operator requires one: `inv_…` of `pm_createAccountInvitation`. */
  invitation?: string | undefined;
  /** The EntryPoint that the account is for: decides the default of `signatureScheme`. */
  entryPointVersion?: EntryPointVersion | undefined;
  /** By default that of `entryPointVersion`, or else the operator's. */
  signatureScheme?: SignatureScheme | undefined;
  /** By default the browser's. */
  authenticator?: Authenticator | undefined;
}

interface CreatedAccount extends Omit<TeeAccount, "passkeys" | "sender"> {
  credentialId: string;
  publicKey: Hex;
  sender: Address | null;
}

/**
 * Registers a passkey, and creates the account whose key in the TEE only this passkey can use. One
 * touch. What the KMS would refuse later it refuses before the touch.
 *
 * @throws {@link KmsError} if the KMS refuses, {@link PasskeyError} if the user does,
 * {@link ClientError} without a valid answer.
 */
export async function createTeeAccount(parameters: CreateTeeAccountParameters): Promise<TeeAccount> {
  const { userName, displayName, accountId, invitation, authenticator = browserAuthenticator } = parameters;
  const begun = await requestKms<{ registrationId: string; publicKey: CreationOptions }>(
    parameters,
    "/webauthn/register/begin",
    { userName, displayName, accountId, invitation },
  );
  const credential = await queueOf(authenticator).run(() =>
    ceremony("create", () => authenticator.create(begun.publicKey)),
  );
  const { registrationId } = await requestKms<{ registrationId: string }>(parameters, "/webauthn/register/finish", {
    registrationId: begun.registrationId,
    credential,
  });
  const created = await requestKms<CreatedAccount>(parameters, "/kms/create-deterministic-account", {
    registrationId,
    accountId,
    invitation,
    signatureScheme: parameters.signatureScheme ?? schemeOf(parameters.entryPointVersion),
  });
  return checkedAccount(toAccount(created), accountId ?? accountIdOf(credential.id), credential.id);
}

function schemeOf(version: EntryPointVersion | undefined): SignatureScheme | undefined {
  if (version === undefined) return undefined;
  return version === "0.6" || version === "0.7" ? "eip191" : "raw";
}

function toAccount(created: CreatedAccount): TeeAccount {
  const { accountId, ownerAddress, signatureScheme, factory, salt, credentialId, publicKey, sender } = created;
  const passkeys = [{ credentialId, publicKey }];
  return { accountId, ownerAddress, signatureScheme, factory, salt, passkeys, ...(sender && { sender }) };
}
