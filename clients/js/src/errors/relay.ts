import { isJson, textOf } from "../json.js";
import { SuperRelayError } from "./error.js";
import { hintFor } from "./hints.js";

/**
 * What a refusal of the relay says about its limits; each field only where it applies. Amounts and
 * counts are decimal strings: wei for costs and fees, otherwise a number of things or seconds.
 */
export interface RelayLimits {
  /** The field of the request that is wrong. */
  field?: string;
  /** The policy that refuses. */
  policyId?: string;
  /** The operator's setting that refuses. */
  rule?: string;
  /** The most that is allowed. */
  limit?: string;
  /** What the request has, or would come to. */
  used?: string;
  /** The least that is allowed. */
  least?: string;
  /** What is needed and missing: wei, or the name of a scope. */
  required?: string;
  /** The value that would be right: a nonce, an account, a chain or a policy. */
  expected?: string;
  /** The values that would be accepted. */
  supported?: readonly string[];
  /** The bundler's own JSON-RPC error, where its simulation of the operation fails. */
  bundler?: { code: number; message: string; data?: unknown };
  /** The paymaster that the relay uses, or that signed before. */
  paymaster?: string;
  /** Unix seconds at which the quota is full again, or the limit's next window begins. */
  resetAt?: number;
  /** Unix seconds until which the account has to wait. */
  until?: number;
  /** Seconds after which a call may succeed. */
  retryAfter?: number;
}

/** The error object of a JSON-RPC answer, of which only the code is certain. */
export interface RelayRefusal {
  code: number;
  message?: unknown;
  data?: unknown;
}

/** The relay refused, or could not answer. The codes are those of JSON-RPC and ERC-7769. */
export class RelayError extends SuperRelayError {
  override readonly name = "RelayError";
  override readonly source = "relay";
  /** The JSON-RPC error code. */
  readonly code: number;
  /** Names the request in the logs of relay and KMS. */
  readonly requestId: string | undefined;
  /** The limits that were exceeded, and everything else that the relay said. */
  readonly limits: RelayLimits;

  constructor({ code, message, data }: RelayRefusal) {
    const { reason: said, retryable, requestId, ...limits } = isJson(data) ? data : {};
    const reason = textOf(said) ?? "unknown";
    const details = textOf(message) ?? `refused with the code ${code}`;
    super({ details, reason, retryable: retryable === true, hint: hintFor(reason) });
    this.code = code;
    this.requestId = textOf(requestId);
    this.limits = limits;
  }
}
