// Several operations with one touch, through viem's bundler client, unmodified.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  approveTogether,
  ClientError,
  getIntentListHash,
  PasskeyError,
  RelayError,
  type Sender,
  type SharedTouch,
} from "@super-relay/client";
import { type Hex, hexToBytes } from "viem";
import { newAccount } from "../support/accounts.js";
import { lyingRelay } from "../support/lying-host.js";
import { call, callsOf, mined } from "../support/mined.js";
import { refused } from "../support/refused.js";
import { SoftwareAuthenticator } from "../support/software-authenticator.js";

type Account = Awaited<ReturnType<typeof newAccount>>;

/** An account whose first operation is mined. */
async function deployed(authenticator: SoftwareAuthenticator, options: Parameters<typeof newAccount>[1] = {}) {
  const account = await newAccount(authenticator, options);
  await account.bundler.sendUserOperation({ calls: [call(1)] });
  await mined(account.account.address, 1, account.paymaster);
  authenticator.touches.length = 0;
  authenticator.approved.length = 0;
  return account;
}

/** Sends a call with the touch. */
const sender =
  ({ bundler }: Account, number: number, context: object = {}): Sender<Hex> =>
  (touch) =>
    bundler.sendUserOperation({ calls: [call(number)], paymasterContext: { ...context, touch } });

/** The reason of one that failed, as the package's error. */
const rejected = (outcome: PromiseSettledResult<unknown> | undefined): Promise<unknown> =>
  outcome?.status === "rejected" ? Promise.reject(outcome.reason) : Promise.resolve(outcome);

test("one touch sends several operations of an account", async () => {
  const authenticator = new SoftwareAuthenticator(100);
  const sending = await deployed(authenticator);

  const sent = await approveTogether([2, 3, 4].map((number) => sender(sending, number)));

  assert.deepEqual(authenticator.touches, ["get"]);
  const events = await mined(sending.account.address, 4, sending.paymaster);
  const hashes = sent.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : outcome.reason));
  assert.deepEqual(new Set(events.slice(1).map(({ args }) => args.userOpHash)), new Set(hashes));
  const transactions = [...new Set(events.map(({ transactionHash }) => transactionHash))];
  assert.deepEqual((await Promise.all(transactions.map(callsOf))).flat().sort(), [1, 2, 3, 4]);
});

test("the passkey approves the list that the relay gets", async () => {
  const authenticator = new SoftwareAuthenticator();
  const lists: Hex[][] = [];
  const relay = await lyingRelay((request, ask) => {
    const [, , passkey] = request["params"] as [unknown, unknown, { intents?: Hex[] }?];
    if (request["method"] === "pm_sponsor_with_tee" && passkey?.intents) lists.push(passkey.intents);
    return ask(request);
  });
  const sending = await deployed(authenticator, { rpcUrl: relay.url });

  await approveTogether([sender(sending, 2), sender(sending, 3)]).finally(relay.stop);

  const [list = [], other] = lists;
  assert.deepEqual([lists.length, list.length, other], [2, 2, list]);
  const challenge = Buffer.from(hexToBytes(getIntentListHash(list))).toString("base64url");
  assert.deepEqual(authenticator.approved, [challenge]);
  await mined(sending.account.address, 3, sending.paymaster);
});

test("what fails before the touch or after it loses no other operation", async () => {
  const authenticator = new SoftwareAuthenticator();
  const sending = await deployed(authenticator);
  await sending.bundler.sendUserOperation({ calls: [call(2)], paymasterContext: { idempotencyKey: "order-1" } });

  const [second, unknown, conflict, third] = await approveTogether([
    sender(sending, 3),
    sender(sending, 4, { policyId: "gold" }),
    sender(sending, 5, { idempotencyKey: "order-1" }),
    sender(sending, 6),
  ]);

  assert.deepEqual([second.status, third.status], ["fulfilled", "fulfilled"]);
  await refused(rejected(unknown), RelayError, "unknown_policy");
  await refused(rejected(conflict), RelayError, "idempotency_conflict");
  assert.deepEqual(authenticator.touches, ["get", "get"]);
  await mined(sending.account.address, 4, sending.paymaster);
});

test("a sender that is left alone approves its own operation", async () => {
  const authenticator = new SoftwareAuthenticator();
  const sending = await deployed(authenticator);

  const [failed, , nothing, sent] = await approveTogether([
    async () => assert.fail("before it sends anything"),
    sender(sending, 2, { policyId: "gold" }),
    async () => "no operation",
    sender(sending, 3),
  ]);

  assert.deepEqual([failed.status, nothing.status, sent.status], ["rejected", "fulfilled", "fulfilled"]);
  assert.deepEqual(authenticator.touches, ["get"]);
  await mined(sending.account.address, 2, sending.paymaster);
});

test("a denied touch fails all of them, and another try works", async () => {
  const authenticator = new SoftwareAuthenticator();
  const sending = await deployed(authenticator);
  const send = () => approveTogether([sender(sending, 2), sender(sending, 3)]);

  authenticator.fail({ throws: "NotAllowedError" });
  for (const outcome of await send()) await refused(rejected(outcome), PasskeyError, "touch_denied");
  const sent = await send();

  assert.deepEqual(
    sent.map(({ status }) => status),
    ["fulfilled", "fulfilled"],
  );
  assert.deepEqual(authenticator.touches, ["get", "get"]);
  await mined(sending.account.address, 3, sending.paymaster);
});

test("touches over lists and over single operations wait for each other", async () => {
  const authenticator = new SoftwareAuthenticator(100);
  const sending = await deployed(authenticator);

  const alone = sending.bundler.sendUserOperation({ calls: [call(2)] });
  const lists = [
    [3, 4],
    [5, 6],
  ].map((numbers) => approveTogether(numbers.map((number) => sender(sending, number))));
  await Promise.all([alone, ...lists]);

  assert.deepEqual(authenticator.touches, ["get", "get", "get"]);
  await mined(sending.account.address, 6, sending.paymaster);
});

test("an account with another passkey does not share the touch", async () => {
  const authenticator = new SoftwareAuthenticator();
  const [one, other] = [await deployed(authenticator), await deployed(authenticator)];
  const elsewhere = await deployed(new SoftwareAuthenticator());

  for (const stranger of [other, elsewhere]) {
    authenticator.touches.length = 0;
    const sent = await approveTogether([sender(one, 2), sender(stranger, 2)]);

    const [refusal, ...more] = sent.filter(({ status }) => status === "rejected");
    assert.equal(more.length, 0);
    await refused(rejected(refusal), ClientError, "touch_not_shared");
  }
});

test("an account is deployed by one operation of the list, and the others are told to wait", async () => {
  const authenticator = new SoftwareAuthenticator();
  const fresh = await newAccount(authenticator);
  authenticator.touches.length = 0;

  const sent = await approveTogether([sender(fresh, 1), sender(fresh, 2)]);

  const [refusal, ...more] = sent.filter(({ status }) => status === "rejected");
  assert.equal(more.length, 0);
  const error = await refused(rejected(refusal), ClientError, "touch_not_shared");
  assert.match(error.message, /deploys this account/);
  assert.deepEqual(authenticator.touches, ["get"]);
  await mined(fresh.account.address, 1, fresh.paymaster);
});

test("a relay that wants another operation approved gets no place in the list", async () => {
  const authenticator = new SoftwareAuthenticator();
  const VICTIM = 8n << 64n;
  const relay = await lyingRelay(({ params, ...request }, ask) => {
    const [operation, ...others] = params as [{ nonce: Hex }, ...unknown[]];
    const isVictim = request["method"] === "pm_getSponsorshipIntent" && BigInt(operation.nonce) === VICTIM;
    return ask({ ...request, params: [isVictim ? { ...operation, callData: "0x5afe5afe" } : operation, ...others] });
  });
  const sending = await deployed(authenticator, { rpcUrl: relay.url });

  const [honest, stolen] = await approveTogether([
    sender(sending, 2),
    (touch) => sending.bundler.sendUserOperation({ calls: [call(3)], nonce: VICTIM, paymasterContext: { touch } }),
  ]).finally(relay.stop);

  assert.equal(honest.status, "fulfilled");
  await refused(rejected(stolen), ClientError, "intent_mismatch");
  assert.deepEqual(authenticator.touches, ["get"]);
  await mined(sending.account.address, 2, sending.paymaster);
});

test("a touch is over when its list was approved", async () => {
  const authenticator = new SoftwareAuthenticator();
  const sending = await deployed(authenticator);
  const kept: SharedTouch[] = [];

  await approveTogether([
    (touch) => {
      kept.push(touch);
      return sender(sending, 2)(touch);
    },
  ]);
  const [touch] = kept;
  assert.ok(touch);

  await refused(sender(sending, 3)(touch), ClientError, "touch_over");
  assert.deepEqual(authenticator.touches, ["get"]);
});

test("more operations than a list holds start none", async () => {
  const started: number[] = [];
  const senders = Array.from({ length: 17 }, (_, number) => async () => started.push(number));

  await refused(approveTogether(senders), ClientError, "too_many_operations");
  assert.deepEqual(await approveTogether([]), []);
  assert.deepEqual(started, []);
});
