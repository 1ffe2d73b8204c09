// What a relay answers in another form than it should.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientError, RelayError } from "@super-relay/client";
import { draft, fields, intent, paid, relayOf, sponsored, withRelay } from "../support/canned-relay.js";
import { refused } from "../support/refused.js";

const badStubs: Record<string, unknown> = {
  "no object": null,
  "a list": [fields],
  "an empty object": {},
  "no address": { ...fields, paymaster: "0x5a" },
  "no hex": { ...fields, paymasterData: "0xzz" },
  "half a byte": { ...fields, paymasterData: "0x5a5" },
  "no quantity": { ...fields, paymasterVerificationGasLimit: 1 },
  "a sponsor without a name": { ...fields, sponsor: {} },
};

for (const [what, result] of Object.entries(badStubs)) {
  test(`a stub with ${what} is an invalid answer`, async () => {
    const asked = withRelay(
      () => ({ result }),
      (paymaster) => paymaster.getPaymasterStubData(draft),
    );

    assert.equal((await refused(asked, ClientError, "answer_invalid")).retryable, false);
  });
}

test("a sponsorship in the right form is accepted", async () => {
  const got = await withRelay(relayOf(intent, sponsored), async (paymaster) => [
    await paymaster.getPaymasterData(draft),
    paymaster.signatureOf(sponsored.userOpHash),
  ]);

  assert.deepEqual(got, [paid, sponsored.signature]);
});

const badSponsorships: Record<string, [unknown, unknown]> = {
  "no intent": [null, sponsored],
  "no hash to approve": [{ ...intent, intentHash: 7 }, sponsored],
  "no options for the touch": [{ ...intent, webauthn: undefined }, sponsored],
  "passkeys that are no list": [{ ...intent, webauthn: { allowCredentials: "AAAA" } }, sponsored],
  "a passkey that is no base64url": [{ ...intent, webauthn: { allowCredentials: [{ id: "?" }] } }, sponsored],
  "a relying party that is no text": [{ ...intent, webauthn: { rpId: 7 } }, sponsored],
  "no sponsorship": [intent, null],
  "no operation": [intent, { ...sponsored, userOperation: undefined }],
  "no hash": [intent, { ...sponsored, userOpHash: undefined }],
  "no signature": [intent, { ...sponsored, signature: null }],
  "half a signature": [intent, { ...sponsored, signature: `0x${"11".repeat(32)}` }],
};

for (const [what, answers] of Object.entries(badSponsorships)) {
  test(`a sponsorship with ${what} is an invalid answer`, async () => {
    const asked = withRelay(relayOf(...answers), (paymaster) => paymaster.getPaymasterData(draft));

    assert.equal((await refused(asked, ClientError, "answer_invalid")).retryable, false);
  });
}

const badErrors: Record<string, [unknown, object]> = {
  "null as data": [
    { code: -32000, message: "failed", data: null },
    { reason: "unknown", details: "failed" },
  ],
  "text as data": [
    { code: -32000, message: "failed", data: "0x08c379a0" },
    { reason: "unknown", limits: {} },
  ],
  "no message": [{ code: -32000 }, { reason: "unknown", details: "refused with the code -32000" }],
  "fields of another form": [
    { code: -32000, message: 7, data: { reason: 7, retryable: "yes", requestId: {}, limit: "7" } },
    { reason: "unknown", retryable: false, requestId: undefined, limits: { limit: "7" } },
  ],
};

for (const [what, [error, expected]] of Object.entries(badErrors)) {
  test(`a refusal with ${what} is still a typed error`, async () => {
    const asked = withRelay(
      () => ({ error }),
      (paymaster) => paymaster.getPaymasterStubData(draft),
    );

    const found = await refused(asked, RelayError, "unknown");
    for (const [name, value] of Object.entries(expected)) assert.deepEqual(found[name as keyof RelayError], value);
  });
}
