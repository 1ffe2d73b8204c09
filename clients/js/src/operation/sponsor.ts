import { type Address, type Hex, numberToHex } from "viem";
import { formatUserOperationRequest } from "viem/account-abstraction";
import { ClientError } from "../errors/client.js";
import type { Answer } from "../hosts/answer.js";
import type { RelayClient } from "../hosts/relay.js";
import type { Authenticator } from "../passkey/authenticator.js";
import { type RequestTouchParameters, touch } from "../passkey/touch.js";
import type { AuthenticationResponse, CredentialDescriptor } from "../passkey/webauthn.js";
import { getIntentHash } from "./intent.js";
import { type FinalOperation, hashWith } from "./operation.js";
import { type PaymasterFields, paymasterFields } from "./paymaster-fields.js";

/** What sponsoring an operation needs. */
export interface SponsorParameters {
  relay: RelayClient;
  accountId: string;
  operation: FinalOperation;
  /** `policyId`, `idempotencyKey`. */
  options: object;
  /** The only paymaster that is accepted, if given. */
  paymasterAddress: Address | undefined;
  authenticator: Authenticator;
}

/** Paymaster fields in viem's form, and the account's signature over the complete operation. */
export interface Sponsorship {
  fields: PaymasterFields;
  userOpHash: Hex;
  /** By the account's key in the TEE. */
  signature: Hex;
}

/** What has to be approved for an operation, and how the relay wants it. */
export interface Intent {
  /** The hash that this package computed. */
  hash: Hex;
  webauthn: RequestTouchParameters["webauthn"];
}

/** The assertion that approves an operation, alone or in a list. */
export interface Approval extends AuthenticationResponse {
  /** The list, if there is one. */
  intents?: readonly Hex[];
}

/**
 * Asks what to approve, has it approved with one touch, and has the operation sponsored. The caller
 * holds the authenticator's queue until the end: a passkey with a counter has to be used in order.
 */
export async function sponsor(parameters: SponsorParameters): Promise<Sponsorship> {
  const { hash, webauthn } = await askIntent(parameters);
  const passkey = await touch({ challenge: hash, webauthn, authenticator: parameters.authenticator });
  return redeem(parameters, passkey);
}

/** Asks the relay what to approve, and compares it with the operation. */
export async function askIntent(parameters: SponsorParameters): Promise<Intent> {
  const { relay, accountId, operation } = parameters;
  const { userOperation, options } = requestOf(parameters);
  const intent = await relay.request("pm_getSponsorshipIntent", [userOperation, accountId, options]);
  // After that call: an operation that lacks a field has no hash, and the relay names the field.
  const hash = getIntentHash({ ...operation, accountId });
  if (intent.hex("intentHash", 32) !== hash) {
    throw new ClientError("intent_mismatch", "the relay wants another operation approved than this one");
  }
  return { hash, webauthn: requestOptions(intent.object("webauthn")) };
}

/** Has an operation sponsored that was approved, and compares the answer with it. */
export async function redeem(parameters: SponsorParameters, passkey: Approval): Promise<Sponsorship> {
  const { relay, accountId, operation, paymasterAddress } = parameters;
  const { userOperation, options } = requestOf(parameters);
  const sponsored = await relay.request("pm_sponsor_with_tee", [userOperation, accountId, passkey, options]);

  const { entryPointVersion } = operation;
  const fields = paymasterFields(sponsored.object("userOperation"), { entryPointVersion, paymasterAddress });
  const userOpHash = hashWith(fields, operation);
  if (sponsored.hex("userOpHash", 32) !== userOpHash) {
    throw new ClientError("user_op_hash_mismatch", "the relay sponsored another operation than this one");
  }
  return { fields, userOpHash, signature: sponsored.hex("signature", 65) };
}

function requestOf({ operation, options }: SponsorParameters) {
  const { entryPointAddress, chainId } = operation;
  return {
    userOperation: formatUserOperationRequest(operation.userOperation),
    options: { ...options, entryPoint: entryPointAddress, chainId: numberToHex(chainId) },
  };
}

function requestOptions(answer: Answer): RequestTouchParameters["webauthn"] {
  return {
    ...(answer.has("rpId") && { rpId: answer.text("rpId") }),
    ...(answer.has("allowCredentials") && { allowCredentials: answer.objects("allowCredentials").map(descriptor) }),
    ...(answer.has("timeout") && { timeout: answer.number("timeout") }),
  };
}

function descriptor(answer: Answer): CredentialDescriptor {
  return { type: "public-key", id: answer.base64Url("id") };
}
