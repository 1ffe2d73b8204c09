import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { decodeBase64Url, encodeBase64Url } from "../../dist/passkey/base64url.js";

test("base64url is that of Node, for every length", () => {
  for (let length = 0; length < 70; length += 1) {
    const bytes = randomBytes(length);
    const text = bytes.toString("base64url");

    assert.equal(encodeBase64Url(new Uint8Array(bytes)), text);
    assert.equal(encodeBase64Url(new Uint8Array(bytes).buffer), text);
    assert.deepEqual(Buffer.from(decodeBase64Url(text)), bytes);
    assert.deepEqual(Buffer.from(decodeBase64Url(bytes.toString("base64"))), bytes);
  }
});
