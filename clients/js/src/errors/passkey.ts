import { LocalError, type LocalReason } from "./local.js";

const REASONS = {
  touch_denied: {
    retryable: true,
    hint:
      "The user cancelled or did not answer in time, or the device has no passkey of this account. " +
      "Call it from a click, and offer to try again.",
  },
  touch_aborted: { retryable: true },
  touch_pending: {
    retryable: true,
    hint:
      "The page has a request of its own open, such as the autofill of passkeys (conditional mediation). " +
      "Abort it first.",
  },
  touch_failed: {},
  passkey_already_registered: {
    hint: "The authenticator has a passkey of this user already: use findTeeAccount.",
  },
  passkey_unsupported: {
    hint: "The authenticator has to support ES256 and user verification.",
  },
  rp_id_not_allowed: {
    hint:
      "Serve the page over https (or from localhost), on the relying party's domain or a subdomain of it: " +
      "kms.rp_id of the operator.",
  },
  webauthn_unavailable: {
    hint: "Pass an `authenticator` where there is no navigator.credentials, as in Node.",
  },
} satisfies Record<string, LocalReason>;

/** Why there is no touch. */
export type PasskeyReason = keyof typeof REASONS;

/** All of them. */
export const passkeyReasons = Object.keys(REASONS) as PasskeyReason[];

/** The authenticator or its user did not approve. */
export class PasskeyError extends LocalError<PasskeyReason> {
  override readonly name = "PasskeyError";
  override readonly source = "passkey";

  constructor(reason: PasskeyReason, details: string, cause?: unknown) {
    super(REASONS, reason, details, cause);
  }
}
