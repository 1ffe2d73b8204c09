// What an error says to a person, and what to do about it.
import { findSuperRelayError, KmsError, RelayError } from "@super-relay/client";
import { BaseError } from "viem";

export interface Problem {
  /** What happened, in one sentence. */
  what: string;
  hint?: string | undefined;
  /** The stable reason, which the docs have a page for. */
  reason?: string | undefined;
  requestId?: string | undefined;
}

export function problemOf(error: unknown): Problem {
  const found = findSuperRelayError(error);
  if (found !== undefined) {
    const { details, hint, reason } = found;
    const requestId = found instanceof RelayError || found instanceof KmsError ? found.requestId : undefined;
    return { what: sentence(details), hint, reason, requestId };
  }
  if (error instanceof BaseError) {
    const inner = error.walk((cause) => !(cause instanceof BaseError)) as { message?: unknown } | null;
    const details = error.details || (typeof inner?.message === "string" ? inner.message : error.shortMessage);
    return { what: sentence(details.split("\n")[0] ?? "") };
  }
  return { what: sentence(error instanceof Error ? error.message : String(error)) };
}

function sentence(text: string): string {
  const [first = "", ...rest] = text;
  const said = first.toUpperCase() + rest.join("");
  return /[.!?]$/.test(said) ? said : `${said}.`;
}
