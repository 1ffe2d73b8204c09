// What a KMS answers in another form than it should.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientError, createTeeAccount, KmsError } from "@super-relay/client";
import { keccak256 } from "viem";
import { ADDRESS, authenticator } from "../support/canned-relay.js";
import { startHost } from "../support/host.js";
import { refused } from "../support/refused.js";

const passkey = { credentialId: "AAAA", publicKey: `0x04${"22".repeat(64)}` };
const begun = { registrationId: "begun", publicKey: { challenge: "AAAA", user: { id: "AAAA" } } };
const finished = { registrationId: "finished" };
const created = {
  accountId: `pk_${keccak256("0x000000").slice(2, 42)}`,
  ownerAddress: ADDRESS,
  signatureScheme: "eip191",
  factory: null,
  salt: `0x${"33".repeat(32)}`,
  sender: null,
  ...passkey,
};

/** An account of a KMS with those answers. */
async function createWith(answers: [unknown, unknown, unknown]) {
  const routes = ["/webauthn/register/begin", "/webauthn/register/finish", "/kms/create-deterministic-account"];
  const host = await startHost(({ path }) => answers[routes.indexOf(path)]);
  const parameters = { kmsUrl: host.url, userName: "alice", authenticator, retryDelay: 1 };
  return createTeeAccount(parameters).finally(host.stop);
}

test("an account has what it needs of the KMS's answer, and nothing else", async () => {
  const { sender, credentialId, publicKey, ...rest } = created;

  assert.deepEqual(await createWith([begun, finished, { ...created, also: 7 }]), { ...rest, passkeys: [passkey] });
});

const badAccounts: Record<string, [unknown, unknown, unknown]> = {
  "no options": [{ ...begun, publicKey: undefined }, finished, created],
  "a challenge that is no base64url": [
    { ...begun, publicKey: { ...begun.publicKey, challenge: "?" } },
    finished,
    created,
  ],
  "no registration": [begun, {}, created],
  "no account": [begun, finished, {}],
  "an owner that is no address": [begun, finished, { ...created, ownerAddress: "alice" }],
  "another scheme": [begun, finished, { ...created, signatureScheme: "bls" }],
  "a factory that is no address": [begun, finished, { ...created, factory: "0x" }],
  "a salt that is too short": [begun, finished, { ...created, salt: "0x33" }],
  "half a public key": [begun, finished, { ...created, publicKey: "0x04" }],
};

for (const [what, answers] of Object.entries(badAccounts)) {
  test(`a KMS with ${what} answers invalidly`, async () => {
    assert.equal((await refused(createWith(answers), ClientError, "answer_invalid")).retryable, false);
  });
}

test("a refusal of the KMS that says its code only is still a typed error", async () => {
  const error = await refused(createWith([{ error: { code: "odd" } }, finished, created]), KmsError, "odd");

  assert.deepEqual(
    [error.details, error.retryable, error.requestId],
    ["refused with the HTTP status 200", false, undefined],
  );
});
