import { SuperRelayError } from "./error.js";

/** What this package finds by itself. */
export type ClientReason =
  | "url_invalid"
  | "unreachable"
  | "answer_invalid"
  | "intent_mismatch"
  | "user_op_hash_mismatch"
  | "account_mismatch"
  | "entry_point_unknown"
  | "factory_missing"
  | "signature_not_available"
  | "signature_scheme_mismatch";

/** Connections are worth another try; everything else stays as it is. */
const RETRYABLE: readonly ClientReason[] = ["unreachable"];

const HINTS: Record<ClientReason, string> = {
  url_invalid: "Pass the whole URL, with its scheme: https://relay.example.",
  unreachable:
    "Check the URL, and whether the host runs. In a browser it may also be CORS: the page's origin has to be in " +
    "relay.rpc.allowed_origins (relay) and kms.origins (KMS).",
  answer_invalid: "Check that the URL is that of super-relay's JSON-RPC or KMS, and what stands in front of it.",
  intent_mismatch:
    "Nothing was approved. The relay computes another hash of this operation: check entryPointVersion and the " +
    "account's id. If both are right, do not trust this relay.",
  user_op_hash_mismatch:
    "The answer does not belong to the operation that was approved. Do not send it, and do not trust this relay.",
  account_mismatch: "Do not use the account that was answered, and do not trust this KMS.",
  entry_point_unknown: "Pass entryPointVersion to createTeePaymaster.",
  factory_missing:
    "The operator has set no kms.factory. Pass the account factory's address yourself, with the account's salt.",
  signature_not_available:
    "The TEE signs sponsored operations, and nothing else: no messages, typed data, transactions or " +
    "authorizations. Give the bundler client the same paymaster as this owner.",
  signature_scheme_mismatch:
    "Register the account with the signatureScheme that its contract verifies: eip191 for EntryPoint v0.6 and " +
    "v0.7, raw for v0.8 and later. It can't be changed afterwards.",
};

/** This package could not go on, or does not trust an answer. */
export class ClientError extends SuperRelayError {
  override readonly name = "ClientError";
  override readonly source = "client";
  declare readonly reason: ClientReason;

  constructor(reason: ClientReason, details: string, cause?: unknown) {
    super({ details, reason, retryable: RETRYABLE.includes(reason), hint: HINTS[reason], cause });
  }
}
