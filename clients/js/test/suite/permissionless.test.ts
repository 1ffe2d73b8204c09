// permissionless.js' smart account client, unmodified.
import assert from "node:assert/strict";
import { test } from "node:test";
import { approveTogether, type SharedTouch } from "@super-relay/client";
import { createSmartAccountClient } from "permissionless";
import { http } from "viem";
import { foundry } from "viem/chains";
import { newAccount, POLLING } from "../support/accounts.js";
import { call, callsOf, mined } from "../support/mined.js";
import { SoftwareAuthenticator } from "../support/software-authenticator.js";
import { chain, steadyFees, urls } from "../support/world.js";

async function newClient(authenticator: SoftwareAuthenticator) {
  const { account, paymaster } = await newAccount(authenticator);
  const client = createSmartAccountClient({
    account,
    client: chain,
    chain: foundry,
    paymaster,
    bundlerTransport: http(urls.bundler),
    userOperation: steadyFees,
    ...POLLING,
  });
  return { client, account, paymaster };
}

test("one touch sends a new account's first operation, and one a batch", async () => {
  const authenticator = new SoftwareAuthenticator();
  const { client, account, paymaster } = await newClient(authenticator);

  await client.sendUserOperation({ calls: [call(1)] });
  await mined(account.address, 1, paymaster);
  await client.sendUserOperation({ calls: [call(2), call(3)] });
  const [created, batch] = await mined(account.address, 2, paymaster);

  assert.deepEqual(authenticator.touches, ["create", "get", "get"]);
  assert.ok(created && batch);
  assert.deepEqual(await callsOf(created.transactionHash), [1]);
  assert.deepEqual(await callsOf(batch.transactionHash), [2, 3]);
});

test("operations that are sent at once are queued", async () => {
  const authenticator = new SoftwareAuthenticator(100);
  const { client, account, paymaster } = await newClient(authenticator);
  await client.sendUserOperation({ calls: [call(1)] });
  await mined(account.address, 1, paymaster);

  await Promise.all([2, 3].map((number) => client.sendUserOperation({ calls: [call(number)] })));

  await mined(account.address, 3, paymaster);
  assert.equal(authenticator.touches.length, 4);
});

test("operations of a list are sent with one touch", async () => {
  const authenticator = new SoftwareAuthenticator();
  const { client, account, paymaster } = await newClient(authenticator);
  await client.sendUserOperation({ calls: [call(1)] });
  await mined(account.address, 1, paymaster);

  const sent = await approveTogether(
    [2, 3].map(
      (number) => (touch: SharedTouch) =>
        client.sendUserOperation({ calls: [call(number)], paymasterContext: { touch } }),
    ),
  );

  assert.deepEqual(
    sent.map(({ status }) => status),
    ["fulfilled", "fulfilled"],
  );
  await mined(account.address, 3, paymaster);
  assert.deepEqual(authenticator.touches, ["create", "get", "get"]);
});

test("sendTransaction gives the transaction of one call, and of a batch", async () => {
  const { client, account, paymaster } = await newClient(new SoftwareAuthenticator());

  const single = await client.sendTransaction(call(1));
  const batch = await client.sendTransaction({ calls: [call(2), call(3)] });

  await mined(account.address, 2, paymaster);
  assert.deepEqual(await callsOf(single), [1]);
  assert.deepEqual(await callsOf(batch), [2, 3]);
});
