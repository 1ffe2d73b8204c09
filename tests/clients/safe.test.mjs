// A Safe 1.4.1 with the 4337 module, whose owner has a local key, through permissionless.js and
// viem's own paymaster client, under a policy with targets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toSafeSmartAccount } from "permissionless/accounts";
import { http } from "viem";
import { createPaymasterClient } from "viem/account-abstraction";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { bundlerOf, mined } from "./support/accounts.mjs";
import { deploySafe } from "./support/safe.mjs";
import { call, chain, entryPoint, urls } from "./support/world.mjs";

const listed = { to: process.env.TARGET, value: 0n, data: `${process.env.SELECTOR}0000` };
const contracts = await deploySafe();

async function newSafe() {
  const owners = [privateKeyToAccount(generatePrivateKey())];
  const account = await toSafeSmartAccount({ client: chain, owners, version: "1.4.1", entryPoint, ...contracts });
  return { account, bundler: bundlerOf(account, createPaymasterClient({ transport: http(urls.rpc) })) };
}

test("one operation makes a Safe and calls, another calls twice", async () => {
  const { account, bundler } = await newSafe();
  assert.equal(await chain.getCode({ address: account.address }), undefined);

  for (const calls of [[listed], [listed, listed]]) {
    await mined(bundler, await bundler.sendUserOperation({ calls }));
  }

  assert.ok(await chain.getCode({ address: account.address }));
  assert.equal(await chain.getBalance({ address: account.address }), 0n);
});

for (const [title, calls] of Object.entries({
  "a call": [call],
  "the second call of a batch": [listed, call],
})) {
  test(`${title} to another contract is refused, and makes no Safe`, async () => {
    const { account, bundler } = await newSafe();

    await assert.rejects(bundler.sendUserOperation({ calls }), (error) => {
      assert.equal(error.walk?.((cause) => cause.data?.reason)?.data.reason, "target_not_allowed");
      return true;
    });

    assert.equal(await chain.getCode({ address: account.address }), undefined);
  });
}
