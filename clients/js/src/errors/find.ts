import { SuperRelayError } from "./error.js";

/**
 * The error of this package inside of whatever a library threw, or undefined. Follows `cause`.
 *
 * @example
 * try { await bundler.sendUserOperation({ calls }); }
 * catch (error) { const refusal = findSuperRelayError(error); if (refusal?.retryable) later(); }
 */
export function findSuperRelayError(error: unknown): SuperRelayError | undefined {
  const seen = new Set<unknown>();
  for (let current = error; current instanceof Error && !seen.has(current); current = current.cause) {
    if (current instanceof SuperRelayError) return current;
    seen.add(current);
  }
  return undefined;
}
