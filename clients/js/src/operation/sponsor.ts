import { type Address, type Hex, numberToHex } from "viem";
import { formatUserOperationRequest } from "viem/account-abstraction";
import { ClientError } from "../errors/client.js";
import type { Answer } from "../hosts/answer.js";
import type { RelayClient } from "../hosts/relay.js";
import type { Authenticator } from "../passkey/authenticator.js";
import { type RequestTouchParameters, touch } from "../passkey/touch.js";
import type { CredentialDescriptor } from "../passkey/webauthn.js";
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

/**
 * Asks what to approve, has it approved with one touch, and has the operation sponsored. The caller
 * holds the authenticator's queue until the end: a passkey with a counter has to be used in order.
 */
export async function sponsor(parameters: SponsorParameters): Promise<Sponsorship> {
  const { relay, accountId, operation, authenticator, paymasterAddress } = parameters;
  const { entryPointAddress, entryPointVersion, chainId } = operation;
  const userOperation = formatUserOperationRequest(operation.userOperation);
  const options = { ...parameters.options, entryPoint: entryPointAddress, chainId: numberToHex(chainId) };

  const intent = await relay.request("pm_getSponsorshipIntent", [userOperation, accountId, options]);
  // After that call: an operation that lacks a field has no hash, and the relay names the field.
  const challenge = getIntentHash({ ...operation, accountId });
  if (intent.hex("intentHash", 32) !== challenge) {
    throw new ClientError("intent_mismatch", "the relay wants another operation approved than this one");
  }
  const passkey = await touch({ challenge, webauthn: requestOptions(intent.object("webauthn")), authenticator });
  const sponsored = await relay.request("pm_sponsor_with_tee", [userOperation, accountId, passkey, options]);

  const fields = paymasterFields(sponsored.object("userOperation"), { entryPointVersion, paymasterAddress });
  const userOpHash = hashWith(fields, operation);
  if (sponsored.hex("userOpHash", 32) !== userOpHash) {
    throw new ClientError("user_op_hash_mismatch", "the relay sponsored another operation than this one");
  }
  return { fields, userOpHash, signature: sponsored.hex("signature", 65) };
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
