import { SuperRelayError } from "./error.js";

/** Why there is no touch. */
export type PasskeyReason =
  | "touch_denied"
  | "touch_aborted"
  | "touch_failed"
  | "passkey_already_registered"
  | "passkey_unsupported"
  | "rp_id_not_allowed"
  | "webauthn_unavailable";

const RETRYABLE: readonly PasskeyReason[] = ["touch_denied", "touch_aborted"];

const HINTS: Partial<Record<PasskeyReason, string>> = {
  touch_denied:
    "The user cancelled or did not answer in time, or the device has no passkey of this account. " +
    "Call it from a click, and offer to try again.",
  passkey_already_registered: "The authenticator has a passkey of this user already: use findTeeAccount.",
  passkey_unsupported: "The authenticator has to support ES256 and user verification.",
  rp_id_not_allowed:
    "Serve the page over https (or from localhost), on the relying party's domain or a subdomain of it: " +
    "kms.rp_id of the operator.",
  webauthn_unavailable: "Pass an `authenticator` where there is no navigator.credentials, as in Node.",
};

/** The authenticator or its user did not approve. */
export class PasskeyError extends SuperRelayError {
  override readonly name = "PasskeyError";
  override readonly source = "passkey";
  declare readonly reason: PasskeyReason;

  constructor(reason: PasskeyReason, details: string, cause?: unknown) {
    super({ details, reason, retryable: RETRYABLE.includes(reason), hint: HINTS[reason], cause });
  }
}
