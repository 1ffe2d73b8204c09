// viem's bundler client, unmodified.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PasskeyError, RelayError } from "@super-relay/client";
import { newAccount } from "../support/accounts.js";
import { call, callsOf, mined } from "../support/mined.js";
import { refused } from "../support/refused.js";
import { SoftwareAuthenticator } from "../support/software-authenticator.js";

test("one touch sends a new account's first operation, and one a batch", async () => {
  const authenticator = new SoftwareAuthenticator();
  const { bundler, account, paymaster } = await newAccount(authenticator);

  const first = await bundler.sendUserOperation({ calls: [call(1)] });
  const [created] = await mined(account.address, 1, paymaster);
  const second = await bundler.sendUserOperation({ calls: [call(2), call(3)] });
  const [, batch] = await mined(account.address, 2, paymaster);

  assert.deepEqual(authenticator.touches, ["create", "get", "get"]);
  assert.ok(created && batch);
  assert.deepEqual(await callsOf(created.transactionHash), [1]);
  assert.deepEqual(await callsOf(batch.transactionHash), [2, 3]);
  assert.deepEqual([first, second], [created.args.userOpHash, batch.args.userOpHash]);
});

test("the bundler's receipt is that of the operation", async () => {
  const { bundler, account, paymaster } = await newAccount(new SoftwareAuthenticator());

  const hash = await bundler.sendUserOperation({ calls: [call(1)] });
  const receipt = await bundler.waitForUserOperationReceipt({ hash });

  const [event] = await mined(account.address, 1, paymaster);
  assert.equal(receipt.userOpHash, event?.args.userOpHash);
  assert.equal(receipt.success, true);
});

test("operations that are sent at once are approved one at a time, in order", async () => {
  const authenticator = new SoftwareAuthenticator(200);
  const { bundler, account, paymaster } = await newAccount(authenticator);
  await bundler.sendUserOperation({ calls: [call(1)] });
  await mined(account.address, 1, paymaster);

  await Promise.all([2, 3, 4].map((number) => bundler.sendUserOperation({ calls: [call(number)] })));

  const events = await mined(account.address, 4, paymaster);
  assert.deepEqual(authenticator.touches, ["create", "get", "get", "get", "get"]);
  const transactions = [...new Set(events.map(({ transactionHash }) => transactionHash))];
  const calls = (await Promise.all(transactions.map(callsOf))).flat();
  assert.deepEqual(calls.sort(), [1, 2, 3, 4]);
});

test("accounts of one page share its authenticator, and wait for each other", async () => {
  const authenticator = new SoftwareAuthenticator(100);
  const accounts = await Promise.all([1, 2, 3].map(() => newAccount(authenticator)));

  await Promise.all(accounts.map(({ bundler }) => bundler.sendUserOperation({ calls: [call(1)] })));

  for (const { account, paymaster } of accounts) await mined(account.address, 1, paymaster);
  assert.deepEqual(authenticator.touches, ["create", "create", "create", "get", "get", "get"]);
});

test("a touch that is denied stops no other operation", async () => {
  const authenticator = new SoftwareAuthenticator(100);
  const { bundler, account, paymaster } = await newAccount(authenticator);
  await bundler.sendUserOperation({ calls: [call(1)] });
  await mined(account.address, 1, paymaster);

  authenticator.fail({}, { throws: "NotAllowedError" });
  const sent = await Promise.allSettled(
    [2, 3, 4].map((number) => bundler.sendUserOperation({ calls: [call(number)] })),
  );

  const denied = sent.filter(({ status }) => status === "rejected") as PromiseRejectedResult[];
  assert.equal(denied.length, 1);
  const error = await refused(Promise.reject(denied[0]?.reason), PasskeyError, "touch_denied");
  assert.equal(error.retryable, true);
  assert.match(error.hint ?? "", /try again/);
  await mined(account.address, 3, paymaster);
});

test("viem's paymasterContext chooses policy and idempotency key", async () => {
  const { bundler, account, paymaster } = await newAccount(new SoftwareAuthenticator());
  const send = (number: number, paymasterContext: object) =>
    bundler.sendUserOperation({ calls: [call(number)], paymasterContext });

  await send(1, { policyId: "demo", idempotencyKey: "order-1" });
  await mined(account.address, 1, paymaster);

  const unknown = await refused(send(2, { policyId: "gold" }), RelayError, "unknown_policy");
  assert.equal(unknown.limits.policyId, "gold");
  const again = await refused(send(1, { idempotencyKey: "order-1" }), RelayError, "idempotency_conflict");
  assert.match(again.hint ?? "", /idempotencyKey/);
});

test("the context of the paymaster holds unless viem's says otherwise", async () => {
  const context = { policyId: "gold", idempotencyKey: undefined };
  const { bundler, account, paymaster } = await newAccount(new SoftwareAuthenticator(), { context });

  await refused(bundler.sendUserOperation({ calls: [call(1)] }), RelayError, "unknown_policy");
  await bundler.sendUserOperation({ calls: [call(1)], paymasterContext: { policyId: "demo" } });

  await mined(account.address, 1, paymaster);
});

test("gas is estimated without a touch", async () => {
  const authenticator = new SoftwareAuthenticator();
  const { bundler } = await newAccount(authenticator);

  const gas = await bundler.estimateUserOperationGas({ calls: [call(1)] });

  assert.ok(gas.callGasLimit > 0n);
  assert.deepEqual(authenticator.touches, ["create"]);
});
