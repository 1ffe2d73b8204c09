import { SuperRelayError } from "./error.js";
import { hintFor } from "./hints.js";

/** The `error` of an answer of the KMS. */
export interface KmsRefusal {
  code: string;
  message: string;
  requestId?: string;
  retryable?: boolean;
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

  constructor(status: number, { code, message, requestId, retryable = false }: KmsRefusal, retryAfter?: number) {
    super({ details: message, reason: code, retryable, hint: hintFor(code) });
    this.status = status;
    this.requestId = requestId || undefined;
    this.retryAfter = retryAfter;
  }
}
