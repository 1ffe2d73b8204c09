import { textOf } from "../json.js";
import { SuperRelayError } from "./error.js";
import { hintFor } from "./hints.js";

/** The `error` of an answer of the KMS, of which only the code is certain. */
export interface KmsRefusal {
  code: string;
  message?: unknown;
  requestId?: unknown;
  retryable?: unknown;
}

/** The KMS refused, or could not answer. */
export class KmsError extends SuperRelayError {
  override readonly name = "KmsError";
  override readonly source = "kms";
  /** The HTTP status. */
  readonly status: number;
  /** Names the request in the logs of the KMS. */
  readonly requestId: string | undefined;
  /** Seconds after which the same request may succeed, if the KMS said so. */
  readonly retryAfter: number | undefined;

  constructor(status: number, { code, message, requestId, retryable }: KmsRefusal, retryAfter?: number) {
    const details = textOf(message) ?? `refused with the HTTP status ${status}`;
    super({ details, reason: code, retryable: retryable === true, hint: hintFor(code) });
    this.status = status;
    this.requestId = textOf(requestId);
    this.retryAfter = retryAfter;
  }
}
