// Accounts through the KMS's routes, and what is refused on the way.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ClientError,
  createTeeAccount,
  findTeeAccount,
  KmsError,
  PasskeyError,
  simpleAccountParameters,
  type TeeAccount,
} from "@super-relay/client";
import { newAccount, register } from "../support/accounts.js";
import { lyingKms } from "../support/lying-host.js";
import { refused } from "../support/refused.js";
import { SoftwareAuthenticator } from "../support/software-authenticator.js";
import { entryPoint, RP_ID, urls } from "../support/world.js";

const create = (options: Partial<Parameters<typeof createTeeAccount>[0]> = {}) =>
  createTeeAccount({
    kmsUrl: urls.kms,
    userName: "alice",
    entryPointVersion: entryPoint.version,
    authenticator: new SoftwareAuthenticator(),
    ...options,
  });

test("an account is named after its passkey, has the scheme of its EntryPoint, and is plain JSON", async () => {
  const { tee, account } = await newAccount(new SoftwareAuthenticator());

  assert.match(tee.accountId, /^pk_[0-9a-f]{40}$/);
  assert.equal(tee.signatureScheme, entryPoint.version < "0.8" ? "eip191" : "raw");
  assert.equal(tee.passkeys.length, 1);
  assert.equal(account.address.toLowerCase(), tee.sender?.toLowerCase());
  assert.deepEqual(JSON.parse(JSON.stringify(tee)), tee);
});

test("a page that forgot its account finds it with one touch", async () => {
  const authenticator = new SoftwareAuthenticator();
  const { sender, ...made } = await register(authenticator);

  const found = await findTeeAccount({ kmsUrl: `${urls.kms}/`, rpId: RP_ID, authenticator });

  assert.deepEqual(found, made);
  assert.deepEqual(authenticator.touches, ["create", "get"]);
  assert.ok(sender);
});

test("an account can have a name of its own", async () => {
  const accountId = `alice-${Date.now()}`;

  assert.equal((await create({ accountId })).accountId, accountId);
  const again = await refused(create({ accountId }), KmsError, "account_exists");
  assert.equal(again.status, 409);
  assert.equal(again.retryable, false);
  assert.ok(again.requestId);
});

test("a name that is reserved is refused before there is a passkey", async () => {
  const authenticator = new SoftwareAuthenticator();

  const error = await refused(
    create({ accountId: `0x${"5a".repeat(20)}`, authenticator }),
    KmsError,
    "account_id_reserved",
  );

  assert.match(error.hint ?? "", /another accountId/);
  assert.deepEqual(authenticator.touches, []);
});

test("the KMS names the field that is wrong", async () => {
  const error = await refused(create({ userName: "x".repeat(200) }), KmsError, "invalid_field");

  assert.equal(error.status, 400);
  assert.match(error.details, /userName/);
});

test("an invitation that is none is refused before there is a passkey", async () => {
  const authenticator = new SoftwareAuthenticator();

  await refused(create({ invitation: "inv_none", authenticator }), KmsError, "invalid_field");

  assert.deepEqual(authenticator.touches, []);
});

test("an authenticator that attests another challenge registers nothing", async () => {
  const authenticator = new SoftwareAuthenticator();
  authenticator.fail({ challenge: "A".repeat(43) });

  await refused(create({ authenticator }), KmsError, "challenge_mismatch");
});

test("a user who is not verified registers nothing", async () => {
  const authenticator = new SoftwareAuthenticator();
  authenticator.fail({ userVerified: false });

  const error = await refused(create({ authenticator }), KmsError, "user_not_verified");

  assert.match(error.hint ?? "", /PIN/);
});

test("a passkey without an account is told so", async () => {
  const authenticator = new SoftwareAuthenticator();
  await create({ accountId: `carol-${Date.now()}`, authenticator });

  const finding = findTeeAccount({ kmsUrl: urls.kms, rpId: RP_ID, authenticator });

  assert.equal((await refused(finding, KmsError, "account_unknown")).retryable, true);
});

const exceptions = {
  NotAllowedError: ["touch_denied", true],
  AbortError: ["touch_aborted", true],
  InvalidStateError: ["passkey_already_registered", false],
  NotSupportedError: ["passkey_unsupported", false],
  SecurityError: ["rp_id_not_allowed", false],
  UnknownError: ["touch_failed", false],
} as const;

for (const [throws, [reason, retryable]] of Object.entries(exceptions)) {
  test(`an authenticator's ${throws} is ${reason}`, async () => {
    const authenticator = new SoftwareAuthenticator();
    authenticator.fail({ throws });

    const error = await refused(create({ authenticator }), PasskeyError, reason);

    assert.equal(error.retryable, retryable);
    assert.ok(error.cause instanceof DOMException);
  });
}

test("outside of a browser an authenticator is needed", async () => {
  const error = await refused(create({ authenticator: undefined }), PasskeyError, "webauthn_unavailable");

  assert.match(error.hint ?? "", /authenticator/);
});

test("a KMS that names another account or another's passkey is not believed", async () => {
  const mallory = await register(new SoftwareAuthenticator());
  const credentialId = mallory.passkeys[0]?.credentialId;
  const lies = [
    { ...mallory, credentialId },
    { accountId: mallory.accountId },
    { passkeys: mallory.passkeys, credentialId },
  ];
  for (const lie of lies) {
    const authenticator = new SoftwareAuthenticator();
    await register(authenticator);
    const kms = await lyingKms((path, answer) => (path.startsWith("/kms/") ? { ...answer, ...lie } : answer));

    const finding = findTeeAccount({ kmsUrl: kms.url, rpId: RP_ID, authenticator });
    const error = await refused(finding, ClientError, "account_mismatch");
    await refused(create({ kmsUrl: kms.url }), ClientError, "account_mismatch");

    kms.stop();
    assert.match(error.hint ?? "", /do not trust this KMS/);
  }
});

test("a passkey's id that somebody else registered with a key of theirs is no account of it", async () => {
  const [own, thief] = [new SoftwareAuthenticator(), new SoftwareAuthenticator()];
  // Registered elsewhere, where its id is public.
  const { id } = await own.create({
    rp: { id: RP_ID, name: "elsewhere" },
    user: { id: "YWxpY2U", name: "alice", displayName: "alice" },
    challenge: "",
    pubKeyCredParams: [],
  });
  thief.copyId(id);
  const taken = await register(thief);
  assert.equal(taken.passkeys[0]?.credentialId, id);

  const finding = findTeeAccount({ kmsUrl: urls.kms, rpId: RP_ID, authenticator: own });
  const error = await refused(finding, ClientError, "account_mismatch");

  assert.match(error.hint ?? "", /Somebody else registered/);
  const found = await findTeeAccount({ kmsUrl: urls.kms, rpId: RP_ID, authenticator: thief });
  assert.equal(found.ownerAddress, taken.ownerAddress);
});

test("an account without a factory says so", async () => {
  const account: TeeAccount = { ...(await create()), factory: null };

  await refused((async () => simpleAccountParameters(account))(), ClientError, "factory_missing");
});

test("a KMS that is not there is unreachable, with what to check", async () => {
  const gone = await lyingKms((_, answer) => answer);
  gone.stop();

  const error = await refused(create({ kmsUrl: gone.url, retryDelay: 1 }), ClientError, "unreachable");

  assert.equal(error.retryable, true);
  assert.match(error.hint ?? "", /kms\.origins/);
});

test("a host that is no KMS is told from one", async () => {
  const error = await refused(create({ kmsUrl: `${urls.kms}/nothing` }), KmsError, "not_found");
  assert.equal(error.status, 404);
  await refused(create({ kmsUrl: "no url" }), ClientError, "url_invalid");
});
