import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { ClientError, findSuperRelayError, KmsError, RelayError, SuperRelayError } from "@super-relay/client";
import { BaseError } from "viem";
import { clientReasons } from "../../dist/errors/client.js";
import { reasonsWithHints } from "../../dist/errors/hints.js";
import { passkeyReasons } from "../../dist/errors/passkey.js";

test("an error is found inside of what viem or anybody else wraps it in", () => {
  const error = new ClientError("unreachable", "no answer");
  const wrapped = new Error("outer", { cause: new BaseError("viem's", { cause: error }) });
  const circle = new Error("one");
  circle.cause = new Error("other", { cause: circle });

  assert.equal(findSuperRelayError(error), error);
  assert.equal(findSuperRelayError(wrapped), error);
  assert.equal(findSuperRelayError(circle), undefined);
  assert.equal(findSuperRelayError("text"), undefined);
  assert.equal(findSuperRelayError(undefined), undefined);
});

test("every hint is for a reason that docs/reasons has a page of", () => {
  const missing = reasonsWithHints.filter(
    (reason) => !existsSync(new URL(`../../../../docs/reasons/${reason}.md`, import.meta.url)),
  );

  assert.deepEqual(missing, []);
  assert.ok(reasonsWithHints.length > 40);
});

test("the README names every reason of the package's own", () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const missing = [...clientReasons, ...passkeyReasons].filter((reason) => !readme.includes(`\`${reason}\``));

  assert.deepEqual(missing, []);
  assert.ok(clientReasons.length > 5 && passkeyReasons.length > 5);
});

test("a refusal that says less than it should is still a typed error", () => {
  const relay = new RelayError({ code: -32000, message: "failed" });
  const kms = new KmsError(500, { code: "toString", message: "failed" }, 3);

  assert.deepEqual([relay.reason, relay.retryable, relay.limits, relay.hint], ["unknown", false, {}, undefined]);
  assert.equal(relay.message, "failed");
  assert.deepEqual([kms.retryable, kms.retryAfter, kms.hint], [false, 3, undefined]);
  assert.ok(relay instanceof SuperRelayError && kms instanceof SuperRelayError);
});

test("a hint is on a line of its own in the message", () => {
  const error = new RelayError({ code: -32602, message: "too low", data: { reason: "fee_too_low", least: "7" } });

  assert.match(error.message, /^too low\nHint: Raise maxFeePerGas/);
  assert.equal(error.details, "too low");
  assert.deepEqual(error.limits, { least: "7" });
});
