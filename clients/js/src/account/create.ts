import type { EntryPointVersion } from "viem/account-abstraction";
import type { Answer } from "../hosts/answer.js";
import { type KmsSettings, requestKms } from "../hosts/kms.js";
import type { Authenticator } from "../passkey/authenticator.js";
import { browserAuthenticator } from "../passkey/browser.js";
import { ceremony } from "../passkey/ceremony.js";
import { queueOf } from "../passkey/queue.js";
import type { CreationOptions } from "../passkey/webauthn.js";
import type { SignatureScheme, TeeAccount } from "./account.js";
import { answeredAccount } from "./answered.js";
import { accountIdOf } from "./id.js";

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

/**
 * Registers a passkey, and creates the account whose key in the TEE only this passkey can use. One
 * touch. What the KMS would refuse later it refuses before the touch.
 *
 * @throws {@link KmsError} if the KMS refuses, {@link PasskeyError} if the user does,
 * {@link ClientError} without a valid answer.
 */
export async function createTeeAccount(parameters: CreateTeeAccountParameters): Promise<TeeAccount> {
  const { userName, displayName, accountId, invitation, authenticator = browserAuthenticator } = parameters;
  const begun = await requestKms(parameters, "/webauthn/register/begin", {
    userName,
    displayName,
    accountId,
    invitation,
  });
  const registration = { registrationId: begun.text("registrationId") };
  const options = creationOptions(begun.object("publicKey"));
  const credential = await queueOf(authenticator).run(() => ceremony("create", () => authenticator.create(options)));
  const finished = await requestKms(parameters, "/webauthn/register/finish", { ...registration, credential });
  const created = await requestKms(parameters, "/kms/create-deterministic-account", {
    registrationId: finished.text("registrationId"),
    accountId,
    invitation,
    signatureScheme: parameters.signatureScheme ?? schemeOf(parameters.entryPointVersion),
  });
  const { id } = credential;
  return answeredAccount(created, [created], { accountId: accountId ?? accountIdOf(id), credentialId: id });
}

/** What is converted from base64url is checked here; the rest is for the authenticator. */
function creationOptions(answer: Answer): CreationOptions {
  answer.base64Url("challenge");
  answer.object("user").base64Url("id");
  const excluded = answer.has("excludeCredentials") ? answer.objects("excludeCredentials") : [];
  for (const passkey of excluded) passkey.base64Url("id");
  return answer.fields as object as CreationOptions;
}

function schemeOf(version: EntryPointVersion | undefined): SignatureScheme | undefined {
  if (version === undefined) return undefined;
  return version === "0.6" || version === "0.7" ? "eip191" : "raw";
}
