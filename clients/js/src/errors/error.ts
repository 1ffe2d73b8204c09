/** Where an error was found. */
export type ErrorSource = "relay" | "kms" | "passkey" | "client";

/** What every error of this package is made of. */
export interface SuperRelayErrorParameters {
  /** Why, in one sentence, without the hint. */
  details: string;
  /** A stable name to branch on. */
  reason: string;
  /** Whether the same request may succeed later without a change of settings or keys. */
  retryable: boolean;
  /** What to do about it. */
  hint?: string | undefined;
  /** The error underneath. */
  cause?: unknown;
}

/**
 * The common class of this package's errors. `message` is `details`, and the hint on a line of its
 * own. No error contains a URL or a header, since an API key may be in them.
 */
export abstract class SuperRelayError extends Error {
  /** The name of its class, also where a bundler shortens names. */
  abstract override readonly name: string;
  /** Where the error was found. */
  abstract readonly source: ErrorSource;
  /** A stable name to branch on: those of relay and KMS are in their API's documentation. */
  readonly reason: string;
  /** Whether the same request may succeed later without a change of settings or keys. */
  readonly retryable: boolean;
  /** Why, in one sentence, without the hint. */
  readonly details: string;
  /** What to do about it, for the developer of the page. */
  readonly hint: string | undefined;

  constructor({ details, reason, retryable, hint, cause }: SuperRelayErrorParameters) {
    super(hint === undefined ? details : `${details}\nHint: ${hint}`, cause === undefined ? undefined : { cause });
    this.reason = reason;
    this.retryable = retryable;
    this.details = details;
    this.hint = hint;
  }
}
