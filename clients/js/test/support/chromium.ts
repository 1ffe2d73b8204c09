// Chromium with a virtual authenticator, on a page at the origin that the KMS allows.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, type CDPSession, chromium, type Page as Tab } from "playwright-core";
import { bundle } from "./bundle.js";

// Milliseconds. No test waits that long unless it fails: every core may be busy with other tests.
const PATIENCE = 240_000;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync", "--disable-dev-shm-usage"];
const AUTHENTICATOR = {
  protocol: "ctap2",
  transport: "internal",
  hasResidentKey: true,
  hasUserVerification: true,
  isUserVerified: true,
  automaticPresenceSimulation: true,
} as const;

/** A tab whose user touches the authenticator at once. */
export interface Visit {
  tab: Tab;
  session: CDPSession;
  authenticatorId: string;
}

export class Chromium {
  readonly #context: BrowserContext;
  readonly #profile: string;
  readonly #script: string;

  private constructor(context: BrowserContext, profile: string, script: string) {
    this.#context = context;
    this.#profile = profile;
    this.#script = script;
  }

  static async start(): Promise<Chromium> {
    const profile = await mkdtemp(join(tmpdir(), "super-relay-chromium-"));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
      args: FLAGS,
      timeout: PATIENCE,
    });
    context.setDefaultTimeout(PATIENCE);
    return new Chromium(context, profile, await bundle());
  }

  /** Opens the page of test/world/page.ts at that origin, with its script. */
  async visit(origin: string): Promise<Visit> {
    const tab = await this.#context.newPage();
    await tab.route(`${origin}/page.js`, (route) =>
      route.fulfill({ contentType: "text/javascript", body: this.#script }),
    );
    const session = await this.#context.newCDPSession(tab);
    await session.send("WebAuthn.enable");
    const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", { options: AUTHENTICATOR });
    await tab.goto(`${origin}/`);
    await tab.waitForFunction("globalThis.page");
    return { tab, session, authenticatorId };
  }

  async stop(): Promise<void> {
    await this.#context.close();
    await rm(this.#profile, { recursive: true, force: true });
  }
}
