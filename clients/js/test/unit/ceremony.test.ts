import assert from "node:assert/strict";
import { test } from "node:test";
import { PasskeyError } from "@super-relay/client";
import { ceremony } from "../../dist/passkey/ceremony.js";
import { refused } from "../support/refused.js";

const fail = (method: "create" | "get", name: string) =>
  ceremony(method, async () => {
    throw new DOMException("as the test wants it", name);
  });

test("only a registration can find a passkey registered already", async () => {
  await refused(fail("create", "InvalidStateError"), PasskeyError, "passkey_already_registered");
  await refused(fail("get", "InvalidStateError"), PasskeyError, "touch_failed");
});

test("a request that another one of the page blocks can be tried again", async () => {
  const error = await refused(fail("get", "OperationError"), PasskeyError, "touch_pending");

  assert.equal(error.retryable, true);
  assert.match(error.hint ?? "", /conditional mediation/);
});
