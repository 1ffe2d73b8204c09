// The page that a node serves, in Chromium with a virtual authenticator.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { startChromium } from "../../clients/js/test/support/chromium.mjs";
import { startNode } from "./node.mjs";

// keccak of UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)
const USER_OPERATION_EVENT = "0x49628fd1471006c1482da88028e9ce4dbb080b815c9b0344d39e5a8e6ec1419f";
const screenshots = fileURLToPath(new URL("../screenshots/", import.meta.url));
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @type {Awaited<ReturnType<typeof startNode>>} */
let node;
/** @type {Awaited<ReturnType<typeof startChromium>>} */
let browser;

before(async () => {
  await mkdir(screenshots, { recursive: true });
  browser = await startChromium(chromium);
  node = await startNode({ version: "0.7", bundler: true });
});

after(async () => {
  await browser?.stop();
  await node?.stop();
});

/** @typedef {import("playwright-core").Page} Tab */

/** Opens the page, and waits until it has looked at every part. */
async function open(url = node.page) {
  const visit = await browser.visit(url, "");
  await visit.tab.getByText(/^(Every part answers\.|Failed: )/).waitFor();
  return visit;
}

/** @param {Tab} tab @param {string} name */
const button = (tab, name) => tab.getByRole("button", { name, exact: true });

/** @param {Tab} tab @param {string} name The heading of a step. */
const step = (tab, name) => tab.getByRole("region", { name: new RegExp(name) });

/** @param {Tab} tab */
async function throughAllSteps(tab) {
  await button(tab, "Register a passkey").click();
  await step(tab, "Register").getByText("The account is there.").waitFor();
  await button(tab, "Approve and sponsor").click();
  await step(tab, "sponsored").getByText("Approved and sponsored.").waitFor();
  await button(tab, "Send the operation").click();
  await tab.getByRole("heading", { name: "Signatures" }).waitFor();
}

/**
 * What is said of a term in a region.
 *
 * @param {import("playwright-core").Locator} region
 * @param {string} term
 */
const said = (region, term) =>
  region.locator("dl > div", { has: region.page().locator(`dt:text-is("${term}")`) }).locator("dd");

/**
 * What axe finds, in words. @param {Tab} tab
 */
async function faults(tab) {
  await tab.evaluate(axe);
  const { violations } = /** @type {import("axe-core").AxeResults} */ (
    await tab.evaluate("axe.run({ resultTypes: ['violations'] })")
  );
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

/** @param {string} method @param {unknown[]} params */
async function chain(method, params) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const answer = await fetch(node.chain, { method: "POST", headers: { "content-type": "application/json" }, body });
  return /** @type {any} */ (await answer.json()).result;
}

test("a person goes through all steps, and the chain has what the page shows", async () => {
  const { tab, errors } = await open();
  await throughAllSteps(tab);

  const outcome = step(tab, "Who signed");
  const marks = await outcome.locator(".mark").allTextContents();
  assert.deepEqual(marks, ["✓", "•", "✓", "✓"]);
  const owner = await said(step(tab, "Register"), "Its key in the TEE").textContent();
  const keys = await said(outcome, "Key").allTextContents();
  assert.equal(keys.length, 4);
  assert.equal(keys[3], owner);

  const sending = step(tab, "Send it");
  assert.equal(await said(sending, "Sent through").textContent(), "the relay's bundler");
  const hash = await said(sending, "Transaction").textContent();
  const receipt = await chain("eth_getTransactionReceipt", [hash]);
  assert.equal(receipt.status, "0x1");
  const operation = await said(step(tab, "sponsored"), "Operation").textContent();
  const event = receipt.logs.find(
    /** @param {{ topics: string[] }} log */
    ({ topics }) => topics[0] === USER_OPERATION_EVENT && topics[1] === operation,
  );
  // UserOperationEvent: nonce, success, actualGasCost, actualGasUsed.
  const words = event.data
    .slice(2)
    .match(/.{64}/g)
    .map(/** @param {string} word */ (word) => BigInt(`0x${word}`));
  assert.equal(words[1], 1n);
  assert.equal((await said(outcome, "In wei").textContent())?.replaceAll(",", ""), String(words[2]));
  assert.match((await said(outcome, "Gas").textContent()) ?? "", new RegExp(`^${words[3].toLocaleString("en")} at `));
  assert.deepEqual(errors, []);
});

test("everything can be done with the keyboard alone, and the focus goes on with the steps", async () => {
  const { tab } = await open();
  const focused = () => tab.evaluate("document.activeElement.textContent.trim()");
  /** @param {string} name */
  const tabTo = async (name) => {
    for (let presses = 0; presses < 20; presses += 1) {
      await tab.keyboard.press("Tab");
      if ((await focused()) === name) return;
    }
    assert.fail(`the key Tab does not lead to ${name}`);
  };

  await tab.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to the steps");
  await tab.keyboard.press("Enter");
  await tabTo("Register a passkey");
  await tab.keyboard.press("Enter");
  await tab.locator("#sponsor:focus").waitFor();
  await tab.keyboard.press("Enter");
  await tab.locator("#send:focus").waitFor();
  await tab.keyboard.press("Space");
  await tab.locator("#outcome-title:focus").waitFor();
  await tabTo("Send another operation");
  await tab.keyboard.press("Enter");
  await tab.locator("#sponsor:focus").waitFor();
  await tab.keyboard.press("Enter");
  await tab.locator("#send:focus").waitFor();
  assert.match((await said(step(tab, "sponsored"), "Smart account").textContent()) ?? "", / deployed$/);
});

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  test(`axe finds nothing, ${colorScheme}, before and after all steps, on a screen of any width`, async () => {
    const { tab } = await open();
    await tab.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const moment of ["before", "after"]) {
      if (moment === "after") await throughAllSteps(tab);
      for (const [width, height] of /** @type {const} */ ([
        [1280, 900],
        [320, 640],
      ])) {
        await tab.setViewportSize({ width, height });
        await tab.evaluate("scrollTo(0, 0)");
        await tab.screenshot({ path: `${screenshots}${moment}-${colorScheme}-${width}.png`, fullPage: true });
        assert.deepEqual(await faults(tab), [], `${moment}, ${width} pixels`);
        const overflow = await tab.evaluate("document.documentElement.scrollWidth - innerWidth");
        assert.ok(Number(overflow) <= 0, `${overflow} pixels too wide at ${width}, ${moment}`);
      }
    }
  });
}

test("a touch that the user denies is told with what to do, and can be tried again", async () => {
  const { tab, session, authenticatorId } = await open();
  await button(tab, "Register a passkey").click();
  await button(tab, "Approve and sponsor").waitFor();
  await step(tab, "Register").getByText("The account is there.").waitFor();

  await session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  await button(tab, "Approve and sponsor").click();
  const alert = step(tab, "sponsored").getByRole("alert");
  await alert.getByText("reason touch_denied").waitFor();
  assert.deepEqual(await faults(tab), []);
  await tab.screenshot({ path: `${screenshots}denied.png`, fullPage: true });
  assert.ok(await button(tab, "Send the operation").isDisabled());

  await session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true });
  await button(tab, "Approve and sponsor").click();
  await step(tab, "sponsored").getByText("Approved and sponsored.").waitFor();
  assert.equal(await alert.textContent(), "");
});

test("a passkey that was registered before is found again", async () => {
  const { tab } = await open();
  await button(tab, "Register a passkey").click();
  await step(tab, "Register").getByText("The account is there.").waitFor();
  const account = await said(step(tab, "Register"), "Account").textContent();
  await tab.reload();
  await button(tab, "Use a passkey you have").click();
  await step(tab, "Register").getByText("The account is there.").waitFor();
  assert.equal(await said(step(tab, "Register"), "Account").textContent(), account);
});

test("a name is asked for, before anything is", async () => {
  const { tab } = await open();
  await tab.getByLabel("Name of the passkey").fill(" ");
  await button(tab, "Register a passkey").click();
  await tab.getByText("A name has 1 to 128 characters.").waitFor();
  assert.equal(await tab.evaluate("document.activeElement.id"), "user-name");
  assert.deepEqual(await faults(tab), []);
});

test("at a host where its passkeys do not work, the page names the one where they do", async () => {
  const { tab } = await open(node.page.replace("localhost", "127.0.0.1"));
  const link = tab.getByRole("alert").getByRole("link");
  assert.equal(await link.getAttribute("href"), `${node.page}/`);
});

test("a part that does not answer is named, and the others are still told", async () => {
  const { tab } = await open();
  await tab.route("**/health", (route) => route.abort());
  await button(tab, "Check again").click();
  await tab.getByText("Failed: KMS and TEE.").waitFor();
  const parts = await tab.getByRole("complementary").locator(".badge").allTextContents();
  assert.deepEqual(parts, ["OK", "Failed", "OK", "OK", "OK"]);
});

test("nothing is loaded from elsewhere, and no text becomes HTML or a script", async () => {
  const { tab } = await open();
  const outcome = await tab.evaluate(`(async () => {
    const attempts = {
      html: () => { document.body.innerHTML = "<b>x</b>"; },
      script: () => { document.createElement("script").src = "https://evil.example/x.js"; },
      fetch: () => fetch("https://evil.example/"),
    };
    const outcome = {};
    for (const [name, attempt] of Object.entries(attempts)) {
      const refused = new Promise((resolve) => {
        const event = "securitypolicyviolation";
        document.addEventListener(event, ({ effectiveDirective }) => resolve(effectiveDirective), { once: true });
      });
      const taken = await Promise.resolve().then(attempt).then(() => "taken", () => undefined);
      outcome[name] = taken ?? (await refused);
    }
    return outcome;
  })()`);
  assert.deepEqual(outcome, {
    html: "require-trusted-types-for",
    script: "require-trusted-types-for",
    fetch: "connect-src",
  });
});

for (const version of ["0.6", "0.8", "0.9"]) {
  test(`on EntryPoint v${version}, where the relay has no bundler, an account of the node sends it`, async () => {
    const other = await startNode({ version, bundler: false });
    try {
      const { tab } = await open(other.page);
      assert.equal(await tab.getByRole("complementary").locator(".badge").last().textContent(), "Note");
      await throughAllSteps(tab);
      const through = await said(step(tab, "Send it"), "Sent through").textContent();
      assert.equal(through, "handleOps by an account of the node");
      assert.deepEqual(await step(tab, "Who signed").locator(".mark").allTextContents(), ["✓", "•", "✓", "✓"]);
      await tab.close();
    } finally {
      await other.stop();
    }
  });
}
