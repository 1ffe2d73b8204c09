// A chain with one EntryPoint, a node with its KMS (the demo's), and a bundler.
import { fileURLToPath } from "node:url";
import { startPage } from "./page.js";
import { start, stop } from "./processes.js";

const project = fileURLToPath(new URL("../../../../", import.meta.url));
const binaries = `${process.env["CARGO_TARGET_DIR"] ?? `${project}target`}/debug`;

/** What is running, as the environment of a suite. */
export interface World {
  environment: Record<string, string>;
  stop(): Promise<void>;
}

/** Starts everything for an EntryPoint's version on free ports of 127.0.0.1. */
export async function startWorld(version: string): Promise<World> {
  const page = await startPage();
  const parameters = ["--keep", "--entrypoint", version, "--origin", page.origin, "--project", project];
  const demo = await start(`${binaries}/demo`, parameters, /configuration .*, log/);
  const find = (pattern: RegExp) => {
    const [, found] = demo.said.match(pattern) ?? [];
    if (found === undefined) throw new Error(`the demo does not print ${pattern}:\n${demo.said}`);
    return found;
  };
  const chain = find(/, chain at (\S+)/);
  const entryPoint = find(/EntryPoint at (0x\w{40})/);
  try {
    const bundler = await startAlto(chain);
    return {
      environment: {
        RPC: find(/running +JSON-RPC at (\S+),/),
        KMS: find(/running .* KMS at (\S+)/),
        CHAIN: chain,
        BUNDLER: bundler.url,
        ENTRY_POINT: entryPoint,
        ENTRY_POINT_VERSION: version,
        PAYMASTER: find(/paymaster +(0x\w{40}) with a deposit/),
        CONFIGURATION: find(/configuration (\S+), log/),
        DEMO_PID: String(demo.pid),
        ORIGIN: page.origin,
        SUPER_RELAY: `${binaries}/super-relay`,
      },
      stop: async () => {
        page.stop();
        await bundler.stop();
        await stop(demo);
      },
    };
  } catch (error) {
    page.stop();
    await stop(demo);
    throw error;
  }
}

async function startAlto(chain: string) {
  const alto = await start(process.execPath, [`${project}tests/clients/bundler/start.mjs`, chain], / listening on /);
  return { url: alto.said.match(/ listening on (\S+)/)?.[1] ?? "", stop: () => stop(alto) };
}
