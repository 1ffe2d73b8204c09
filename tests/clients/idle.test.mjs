// The recipe on a chain whose latest block is 50 minutes old: a bundler simulates at the time of
// that block.
import assert from "node:assert/strict";
import { test } from "node:test";
import { mined, newAccount } from "./support/accounts.mjs";
import { recipe } from "./support/docs.mjs";
import { browser } from "./support/passkey.mjs";
import { call, chain, origin } from "./support/world.mjs";

const IDLE_SECONDS = 50 * 60;

test("a new account's operation is simulated at the old block and mined in the next", async () => {
  browser(origin);
  const bundler = await newAccount(await recipe());
  const { timestamp } = await chain.getBlock();
  const idle = Math.floor(Date.now() / 1000) - Number(timestamp);
  assert.ok(idle >= IDLE_SECONDS - 5, `the latest block is ${idle} s old`);

  const hash = await bundler.sendUserOperation({ calls: [call] });

  await mined(bundler, hash);
});
