// Chromium with a virtual authenticator, for the pages of this package's tests and of
// tests/clients. JavaScript, since the latter compile nothing; each has its own playwright-core.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Milliseconds. No test waits that long unless it fails: every core may be busy with other tests.
const PATIENCE = 240_000;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync", "--disable-dev-shm-usage"];

/** Its user touches it at once. */
const AUTHENTICATOR = /** @type {const} */ ({
  protocol: "ctap2",
  transport: "internal",
  hasResidentKey: true,
  hasUserVerification: true,
  isUserVerified: true,
  automaticPresenceSimulation: true,
});

/**
 * Starts Chromium on a profile of its own.
 *
 * @param {import("playwright-core").BrowserType} chromium `chromium` of playwright-core.
 */
export async function startChromium(chromium) {
  const profile = await mkdtemp(join(tmpdir(), "super-relay-chromium-"));
  const remove = () => rm(profile, { recursive: true, force: true });
  const options = { executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: FLAGS, timeout: PATIENCE };
  const context = await chromium.launchPersistentContext(profile, options).catch(async (error) => {
    await remove();
    throw error;
  });
  context.setDefaultTimeout(PATIENCE);

  return {
    /**
     * Opens a page in a tab of its own, with an authenticator of its own.
     *
     * @param {string} url
     * @param {string} script What the page loads as `page.js`, in whatever folder.
     */
    async visit(url, script) {
      const tab = await context.newPage();
      await tab.route("**/page.js", (route) => route.fulfill({ contentType: "text/javascript", body: script }));
      /** @type {string[]} */
      const errors = [];
      tab.on("pageerror", ({ message }) => errors.push(message));
      const session = await context.newCDPSession(tab);
      await session.send("WebAuthn.enable");
      const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", { options: AUTHENTICATOR });
      await tab.goto(url);
      return { tab, errors, session, authenticatorId };
    },

    async stop() {
      await context.close();
      await remove();
    },
  };
}
