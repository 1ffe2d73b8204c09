import { SuperRelayError } from "../errors/error.js";
import { PasskeyError, type PasskeyReason } from "../errors/passkey.js";

/** The names of WebAuthn's exceptions (WebAuthn Level 3, sections 5.1.3 and 5.1.4). */
const REASONS: Readonly<Record<string, PasskeyReason>> = {
  NotAllowedError: "touch_denied",
  AbortError: "touch_aborted",
  TimeoutError: "touch_denied",
  InvalidStateError: "passkey_already_registered",
  NotSupportedError: "passkey_unsupported",
  ConstraintError: "passkey_unsupported",
  SecurityError: "rp_id_not_allowed",
};

/** Runs a ceremony, and gives what it throws a reason. */
export async function ceremony<Response>(run: () => Promise<Response>): Promise<Response> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof SuperRelayError) throw error;
    const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
    const reason = (Object.hasOwn(REASONS, name) && REASONS[name]) || "touch_failed";
    throw new PasskeyError(reason, `the authenticator did not approve: ${message || name}`, error);
  }
}
