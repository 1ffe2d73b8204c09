import { SuperRelayError } from "../errors/error.js";
import { PasskeyError, type PasskeyReason } from "../errors/passkey.js";

type Reasons = Readonly<Record<string, PasskeyReason>>;

/** The names of WebAuthn's exceptions (WebAuthn Level 3, section 5.1.4). */
const ASSERTION: Reasons = {
  NotAllowedError: "touch_denied",
  AbortError: "touch_aborted",
  TimeoutError: "touch_denied",
  NotSupportedError: "passkey_unsupported",
  ConstraintError: "passkey_unsupported",
  SecurityError: "rp_id_not_allowed",
  // Chromium's, while another request of the page is pending.
  OperationError: "touch_pending",
};

/** Those of a registration (section 5.1.3): the same, and one more. */
const REGISTRATION: Reasons = { ...ASSERTION, InvalidStateError: "passkey_already_registered" };

/** Runs a ceremony of that method, and gives what it throws a reason. */
export async function ceremony<Response>(method: "create" | "get", run: () => Promise<Response>): Promise<Response> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof SuperRelayError) throw error;
    const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
    const reasons = method === "create" ? REGISTRATION : ASSERTION;
    const reason = (Object.hasOwn(reasons, name) && reasons[name]) || "touch_failed";
    throw new PasskeyError(reason, `the authenticator did not approve: ${message || name}`, error);
  }
}
