import { LocalError, type LocalReason } from "./local.js";

const REASONS = {
  url_invalid: {
    hint: "Pass the whole URL, with its scheme, http or https, and without user and password: https://relay.example.",
  },
  headers_invalid: {
    hint: "Compare `headers`: a name or a value has a character that HTTP does not allow, such as a line break.",
  },
  unreachable: {
    retryable: true,
    hint:
      "Check the URL, and whether the host runs. In a browser it may also be CORS: the page's origin has to be in " +
      "relay.rpc.allowed_origins (relay) and kms.origins (KMS), where localhost is not the same as its IP address.",
  },
  answer_invalid: {
    hint: "Check that the URL is that of super-relay's JSON-RPC or KMS, and what stands in front of it.",
  },
  intent_mismatch: {
    hint:
      "Nothing was approved. The relay computes another hash of this operation: check entryPointVersion and the " +
      "account's id. If both are right, do not trust this relay.",
  },
  intents_invalid: {
    hint: "List the intent hash of each operation once. A single operation is approved by its own hash, without a list.",
  },
  too_many_operations: {
    hint: "Approve them in several lists, or put their calls into one operation.",
  },
  touch_over: {
    hint: "Send one operation with each touch of approveTogether, and start it before the other senders finish.",
  },
  touch_not_shared: {
    hint: "Give all paymasters of approveTogether the same authenticator and an account of the same passkey.",
  },
  user_op_hash_mismatch: {
    hint: "The answer does not belong to the operation that was approved. Do not send it, and do not trust this relay.",
  },
  paymaster_mismatch: {
    hint: "Compare paymasterAddress with the operator's paymaster. If it is right, do not trust this relay.",
  },
  account_mismatch: {
    hint:
      "Do not use the account that was answered. Somebody else registered this passkey's id at this KMS, or do not " +
      "trust this KMS. Register a new passkey.",
  },
  entry_point_unknown: {
    hint: "Pass entryPointVersion to createTeePaymaster.",
  },
  factory_missing: {
    hint:
      "The operator has set no kms.factory for accounts of this signatureScheme. Pass the account factory's address " +
      "yourself, with the account's salt.",
  },
  signature_not_available: {
    hint:
      "The TEE signs sponsored operations, and with `messages` (createTeeMessages) text and PersonalSign: no other " +
      "typed data, transactions or authorizations. Give the bundler client the same paymaster as this owner.",
  },
  message_is_hash: {
    hint: "Nothing was approved. Sign the text itself instead of its hash; a text of 32 bytes needs one more.",
  },
  messages_not_supported: {
    hint:
      "Nothing was approved. SimpleAccount verifies no messages; accounts of ERC-7739 and Simple7702 do. Where the " +
      "account wraps its owner's signature, use its own signMessage, with `messages` for toTeeOwner.",
  },
  message_not_accepted: {
    hint:
      "Do not use the signature. The contract wants another form, such as typed data of its own (Kernel, Coinbase, " +
      "LightAccount, Safe), which the TEE does not sign; or the key in the TEE is not its owner.",
  },
  signature_scheme_mismatch: {
    hint:
      "Register the account with the signatureScheme that its contract verifies: eip191 for EntryPoint v0.6 and " +
      "v0.7, raw for v0.8 and later. It can't be changed afterwards.",
  },
  signature_invalid: {
    hint:
      "The relay answered with a signature that is not by the account's key. Check that owner and paymaster have " +
      "the same account. If they have, do not trust this relay.",
  },
} satisfies Record<string, LocalReason>;

/** What this package finds by itself. */
export type ClientReason = keyof typeof REASONS;

/** All of them. */
export const clientReasons = Object.keys(REASONS) as ClientReason[];

/** This package could not go on, or does not trust an answer. */
export class ClientError extends LocalError<ClientReason> {
  override readonly name = "ClientError";
  override readonly source = "client";

  constructor(reason: ClientReason, details: string, cause?: unknown) {
    super(REASONS, reason, details, cause);
  }
}
