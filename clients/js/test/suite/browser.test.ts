// A page built on the package, in Chromium with a virtual authenticator.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import type { Page } from "../page/page.js";
import { bundle } from "../support/bundle.js";
import { startChromium } from "../support/chromium.mjs";
import { call, callsOf, eventsOf, succeeded } from "../support/mined.js";
import { entryPoint, ORIGIN } from "../support/world.js";

declare const page: Page;
let browser: Awaited<ReturnType<typeof startChromium>>;
let script: string;

before(async () => {
  script = await bundle();
  browser = await startChromium(chromium);
});

after(() => browser?.stop());

/** Opens the page of test/world/page.ts at that origin. */
async function open(origin: string) {
  const visit = await browser.visit(`${origin}/`, script);
  await visit.tab.waitForFunction("globalThis.page");
  return visit;
}

test("a page registers with one touch, and sends several operations at once with one each", async () => {
  const { tab, session, authenticatorId } = await open(ORIGIN);

  const tee = await tab.evaluate(() => page.register());
  const calls = (...numbers: number[]) => numbers.map(call).map(({ to, data }) => ({ to, data }));
  const sender = await tab.evaluate(([tee, first]) => page.send(tee, [first]), [tee, calls(1)] as const);
  await succeeded(sender, 1);
  const later = [calls(2), calls(3, 4), calls(5)];
  await tab.evaluate(([tee, later]) => page.send(tee, later), [tee, later] as const);

  const events = await succeeded(sender, 4);
  const transactions = [...new Set(events.map(({ transactionHash }) => transactionHash))];
  assert.deepEqual((await Promise.all(transactions.map(callsOf))).flat().sort(), [1, 2, 3, 4, 5]);
  // The counter of this authenticator counts its touches: a registration and four operations.
  const { credentials } = await session.send("WebAuthn.getCredentials", { authenticatorId });
  assert.deepEqual(
    credentials.map(({ signCount }) => signCount),
    [5],
  );
});

test("a page has several operations approved with one touch", async () => {
  const { tab, session, authenticatorId } = await open(ORIGIN);
  const calls = (...numbers: number[]) => numbers.map(call).map(({ to, data }) => ({ to, data }));
  const tee = await tab.evaluate(() => page.register());
  const sender = await tab.evaluate(([tee, first]) => page.send(tee, [first]), [tee, calls(1)] as const);
  await succeeded(sender, 1);

  const later = [calls(2), calls(3, 4), calls(5)];
  const sent = await tab.evaluate(([tee, later]) => page.sendTogether(tee, later), [tee, later] as const);

  assert.deepEqual(sent, ["fulfilled", "fulfilled", "fulfilled"]);
  await succeeded(sender, 4);
  // A registration, the first operation, and the list: a counting passkey uses one count for it.
  const { credentials } = await session.send("WebAuthn.getCredentials", { authenticatorId });
  assert.deepEqual(
    credentials.map(({ signCount }) => signCount),
    [3],
  );
});

test("a page that forgot its account finds it", async () => {
  const { tab } = await open(ORIGIN);
  const { sender, ...tee } = await tab.evaluate(() => page.register());

  const found = await tab.evaluate(() => page.find());

  assert.deepEqual(found, tee);
  assert.ok(sender);
});

test("a user who is not verified is told so, and can try again", async () => {
  const { tab, session, authenticatorId } = await open(ORIGIN);
  const tee = await tab.evaluate(() => page.register());
  const send = () =>
    tab.evaluate(([tee, calls]) => page.errorOf(() => page.send(tee, [calls])), [
      tee,
      [call(1)].map(({ to, data }) => ({ to, data })),
    ] as const);

  await session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  const refused = (await send()) as { name: string; reason: string; retryable: boolean };
  await session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true });
  const sender = await send();

  assert.deepEqual([refused.name, refused.reason, refused.retryable], ["PasskeyError", "touch_denied", true]);
  assert.equal(typeof sender, "string");
  await succeeded(sender as `0x${string}`, 1);
});

test("a relying party that is not the page's is refused by the browser", async () => {
  const { tab } = await open(ORIGIN);

  const refused = (await tab.evaluate(() => page.errorOf(() => page.find("example.org")))) as { reason: string };

  assert.equal(refused.reason, "rp_id_not_allowed");
});

test("a page that has a request of its own open is told so", async () => {
  const { tab, session, authenticatorId } = await open(ORIGIN);
  await session.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled: false });
  await tab.evaluate(() => {
    const publicKey = { challenge: new Uint8Array(32) };
    void navigator.credentials.get({ publicKey }).catch(() => undefined);
  });

  const refused = (await tab.evaluate(() => page.errorOf(() => page.find()))) as { reason: string; retryable: boolean };

  assert.deepEqual([refused.reason, refused.retryable], ["touch_pending", true]);
});

test("a page at an origin that nobody allowed is told what to check", async () => {
  const { tab } = await open(ORIGIN.replace("localhost", "127.0.0.1"));

  const refused = (await tab.evaluate(() => page.errorOf(() => page.register()))) as { reason: string; hint: string };

  assert.equal(refused.reason, "unreachable");
  assert.match(refused.hint, /kms\.origins/);
});

if (entryPoint.version === "0.7") {
  test("the code of the README registers and sends", async () => {
    const { tab } = await open(ORIGIN);

    const tee = await tab.evaluate(() => page.readme.register());
    const calls = [call(1), call(2)].map(({ to, data }) => ({ to, data }));
    const receipt = await tab.evaluate(([tee, calls]) => page.readme.send(tee, calls), [tee, calls] as const);

    assert.equal(receipt.success, true);
    assert.deepEqual(await callsOf(receipt.transactionHash), [1, 2]);
    assert.equal((await eventsOf(tee.sender ?? "0x")).length, 1);
  });
}
