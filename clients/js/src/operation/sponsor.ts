import { type Hex, numberToHex } from "viem";
import { formatUserOperationRequest } from "viem/account-abstraction";
import { ClientError } from "../errors/client.js";
import type { RelayClient } from "../hosts/relay.js";
import type { Authenticator } from "../passkey/authenticator.js";
import { touch } from "../passkey/touch.js";
import type { RequestOptions } from "../passkey/webauthn.js";
import { getIntentHash } from "./intent.js";
import { type FinalOperation, hashWith } from "./operation.js";
import { paymasterFields, type RpcPaymasterFields } from "./paymaster-fields.js";

/** What sponsoring an operation needs. */
export interface SponsorParameters {
  relay: RelayClient;
  accountId: string;
  operation: FinalOperation;
  /** `policyId`, `idempotencyKey`. */
  options: object;
  authenticator: Authenticator;
}

/** Paymaster fields in viem's form, and the account's signature over the complete operation. */
export interface Sponsorship {
  fields: ReturnType<typeof paymasterFields>;
  userOpHash: Hex;
  /** By the account's key in the TEE. */
  signature: Hex;
}

/**
 * Asks what to approve, has it approved with one touch, and has the operation sponsored. The caller
 * holds the authenticator's queue until the end: a passkey with a counter has to be used in order.
 */
export async function sponsor(parameters: SponsorParameters): Promise<Sponsorship> {
  const { relay, accountId, operation, authenticator } = parameters;
  const { entryPointAddress, chainId } = operation;
  const userOperation = formatUserOperationRequest(operation.userOperation);
  const options = { entryPoint: entryPointAddress, chainId: numberToHex(chainId), ...parameters.options };

  const challenge = getIntentHash({ ...operation, accountId });
  const intent = await relay.request<{ intentHash: Hex; webauthn: RequestOptions }>("pm_getSponsorshipIntent", [
    userOperation,
    accountId,
    options,
  ]);
  if (intent.intentHash !== challenge) {
    throw new ClientError("intent_mismatch", "the relay wants another operation approved than this one");
  }
  const passkey = await touch({ challenge, webauthn: intent.webauthn, authenticator });
  const sponsored = await relay.request<{
    userOperation: RpcPaymasterFields;
    userOpHash: Hex;
    signature: Hex;
  }>("pm_sponsor_with_tee", [userOperation, accountId, passkey, options]);

  const fields = paymasterFields(sponsored.userOperation);
  const userOpHash = hashWith(fields, operation);
  if (sponsored.userOpHash !== userOpHash) {
    throw new ClientError("user_op_hash_mismatch", "the relay sponsored another operation than this one");
  }
  return { fields, userOpHash, signature: sponsored.signature };
}
