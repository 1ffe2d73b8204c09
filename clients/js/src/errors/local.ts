import { SuperRelayError } from "./error.js";

/** What is true of every error with a reason of this package's own. */
export interface LocalReason {
  /** Where the same request may succeed later; everything else stays as it is. */
  retryable?: true;
  /** What to do about it. */
  hint?: string;
}

/** An error that no host answered: this package found it, or the authenticator. */
export abstract class LocalError<Reason extends string> extends SuperRelayError {
  declare readonly reason: Reason;

  constructor(reasons: Readonly<Record<Reason, LocalReason>>, reason: Reason, details: string, cause: unknown) {
    const { retryable = false, hint } = reasons[reason];
    super({ details, reason, retryable, hint, cause });
  }
}
