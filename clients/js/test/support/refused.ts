// What a call threw, as this package's error.
import assert from "node:assert/strict";
import { findSuperRelayError, type SuperRelayError } from "@super-relay/client";

/**
 * The error of that class, with that reason. Its message must not contain a URL, and it must say
 * what it is.
 */
export async function refused<Kind extends SuperRelayError>(
  asked: Promise<unknown>,
  kind: abstract new (...parameters: never[]) => Kind,
  reason: string,
): Promise<Kind> {
  const thrown = await asked.then(
    (answer) => assert.fail(`not refused: ${JSON.stringify(answer, (_, value) => `${value}`)}`),
    (error: unknown) => error,
  );
  const error = findSuperRelayError(thrown);
  if (!(error instanceof kind)) throw thrown;
  assert.equal(error.reason, reason, error.message);
  assert.equal(error.name, kind.name);
  assert.ok(error.details.length > 0);
  assert.ok(error.message.startsWith(error.details));
  assert.ok(!error.message.includes("127.0.0.1"), error.message);
  return error;
}
