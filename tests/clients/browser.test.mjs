// examples/viem-page in Chromium with a virtual authenticator, on an origin of its own.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { startChromium } from "../../clients/js/test/support/chromium.mjs";
import { bundle } from "./support/bundle.mjs";
import { chain, origin, paymasterAddress, urls } from "./support/world.mjs";

let browser, script;

before(async () => {
  script = await bundle(urls);
  browser = await startChromium(chromium);
});

after(() => browser?.stop());

/** The example's page, in a tab. */
const open = (from, query = "") => browser.visit(`${from}/${query}`, script);

/** Clicks, and waits for the line that the page then writes. */
async function click({ tab, errors }, button, expected) {
  await tab.click(button);
  const line = tab.locator("#log").filter({ hasText: expected });
  await line.waitFor().catch(async () => {
    throw new Error(`the page says: ${await tab.textContent("#log")} ${errors.join("\n")}`);
  });
  return (await tab.textContent("#log")).match(expected);
}

test("a page on another origin registers, approves and sends twice", async () => {
  const page = await open(origin);

  const [, account] = await click(page, "#create", /account (0x\w{40})/);
  const [, first] = await click(page, "#send", /mined in (0x\w{64})/);
  const [, second] = await click(page, "#send", /mined in 0x\w{64}\nsent 0x\w{64}\nmined in (0x\w{64})/);

  assert.notEqual(await chain.getCode({ address: account }), undefined);
  for (const hash of [first, second]) {
    const receipt = await chain.getTransactionReceipt({ hash });
    assert.equal(receipt.status, "success");
    assert.ok(receipt.logs.some(({ topics }) => topics.at(-1)?.endsWith(paymasterAddress.slice(2).toLowerCase())));
  }
});

test("a link sends the page to no other relay, KMS, chain or bundler than its build names", async () => {
  const elsewhere = Object.keys(urls).map((name) => [name, `${origin}/elsewhere`]);
  const page = await open(origin, `?${new URLSearchParams(elsewhere)}`);
  const asked = [];
  page.tab.on("request", (request) => asked.push(request.url()));

  await click(page, "#create", /account (0x\w{40})/);
  // Playwright tells of requests in order, and later than they are made.
  const last = page.tab.waitForRequest(`${origin}/last`);
  await page.tab.evaluate(() => fetch("/last").catch(() => {}));
  await last;

  assert.ok(asked.some((url) => url.startsWith(urls.kms)));
  assert.deepEqual(asked.filter((url) => url.includes("elsewhere")), []);
});

test("what the relay refuses is shown to the page, with the request's id to read", async () => {
  const { tab } = await open(origin);

  const answer = await tab.evaluate(async (url) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "pm_nothing", params: [] });
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    return { requestId: response.headers.get("x-request-id"), ...(await response.json()) };
  }, urls.rpc);

  assert.equal(answer.error.data.reason, "method_not_found");
  assert.equal(answer.requestId, answer.error.data.requestId);
});

test("a page that nobody configured reads nothing of relay or KMS", async () => {
  const { tab } = await open(origin.replace("localhost", "127.0.0.1"));

  const read = await tab.evaluate(async ({ rpc, kms }) => {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "pm_chainId", params: [] });
    const requests = [
      fetch(rpc, { method: "POST", headers, body }),
      fetch(`${kms}/webauthn/register/begin`, { method: "POST", headers, body: '{"userName":"mallory"}' }),
    ];
    return (await Promise.allSettled(requests)).map(({ status }) => status);
  }, urls);

  assert.deepEqual(read, ["rejected", "rejected"]);
});
