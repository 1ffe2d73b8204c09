// Safes 1.4.1 with the 4337 module, whose owner has a local key, through permissionless.js and
// viem's own paymaster client, under a policy that lists targets, Safe's factory and, as senders,
// the future addresses of Safes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { http, pad, zeroHash } from "viem";
import { createPaymasterClient } from "viem/account-abstraction";
import { bundlerOf, mined } from "./support/accounts.mjs";
import { deploySafe, safe, withOtherModule } from "./support/safe.mjs";
import { call, chain, urls } from "./support/world.mjs";

const listed = { to: process.env.TARGET, value: 0n, data: `${process.env.SELECTOR}0000` };
const safes = Number(process.env.SAFES);
const contracts = await deploySafe();
let used = 0;

const withBundler = (account) => ({
  account,
  bundler: bundlerOf(account, createPaymasterClient({ transport: http(urls.rpc) })),
});

/** A Safe that is listed and not deployed. */
async function newSafe() {
  assert.ok(used < safes, `only ${safes} Safes are listed`);
  return withBundler(await safe(used++, contracts));
}

const because = (reason) => (error) => {
  assert.equal(error.walk?.((cause) => cause.data?.reason)?.data.reason, reason);
  return true;
};

async function refused({ account, bundler }, calls, reason) {
  await assert.rejects(bundler.sendUserOperation({ calls }), because(reason));
  assert.equal(await chain.getCode({ address: account.address }), undefined);
}

test("one operation makes a Safe and calls, another calls twice", async () => {
  const { account, bundler } = await newSafe();
  assert.equal(await chain.getCode({ address: account.address }), undefined);

  for (const calls of [[listed], [listed, listed]]) {
    await mined(bundler, await bundler.sendUserOperation({ calls }));
  }

  assert.ok(await chain.getCode({ address: account.address }));
  assert.equal(await chain.getBalance({ address: account.address }), 0n);

  // Its owner upgrades it to a singleton that nobody knows.
  const other = (await withOtherModule(contracts)).safe4337ModuleAddress;
  const params = [account.address, zeroHash, pad(other)];
  await chain.request({ method: "anvil_setStorageAt", params });
  await assert.rejects(bundler.sendUserOperation({ calls: [listed] }), because("account_code_not_allowed"));
});

test("a Safe with another module is refused before it is made, though it is listed", async () => {
  const account = withBundler(await safe(0, await withOtherModule(contracts)));
  await refused(account, [listed], "account_code_not_allowed");
});

for (const [title, calls] of Object.entries({
  "a call": [call],
  "the second call of a batch": [listed, call],
})) {
  test(`${title} to another contract is refused, and makes no Safe`, async () => {
    await refused(await newSafe(), calls, "target_not_allowed");
  });
}

test("a Safe of the same factory whose address is not listed is refused", async () => {
  await refused(withBundler(await safe(safes, contracts)), [listed], "sender_not_allowed");
});

// With the address of a listed Safe, but made with other initial data.
test("a listed Safe is not made with other initial data", async () => {
  const { account } = await newSafe();
  const other = await safe(safes, contracts);
  const getFactoryArgs = () => other.getFactoryArgs();

  await refused(withBundler({ ...account, getFactoryArgs }), [listed], "sender_not_from_factory");
});
