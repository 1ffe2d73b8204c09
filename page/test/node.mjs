// A node with its page (the demo's) for an EntryPoint's version, and a bundler if it is asked for.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const project = fileURLToPath(new URL("../../", import.meta.url));
const binaries = `${process.env["CARGO_TARGET_DIR"] ?? `${project}target`}/debug`;

/** Milliseconds. None takes that long, even if every core is busy. */
const PATIENCE = 120_000;

/**
 * Starts a program, and waits until a line of its output matches.
 *
 * @param {string} program
 * @param {string[]} parameters
 * @param {RegExp} announcement
 */
async function start(program, parameters, announcement) {
  const child = spawn(program, parameters, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill("SIGTERM");
    const giveUp = setTimeout(() => child.kill("SIGKILL"), 15_000);
    await ended;
    clearTimeout(giveUp);
  };
  let said = "";
  try {
    await new Promise((resolve, reject) => {
      // Both are read to the end, so that the program never blocks on them.
      for (const input of [child.stdout, child.stderr]) {
        createInterface({ input }).on("line", (line) => {
          said += `${line}\n`;
          if (announcement.test(line)) resolve(undefined);
        });
      }
      child.on("error", reject);
      void ended.then((code) => reject(new Error(`${program} ended (${code}):\n${said}`)));
      setTimeout(() => reject(new Error(`${program} is not ready:\n${said}`)), PATIENCE).unref();
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    stop,
    /** @param {RegExp} pattern */
    find: (pattern) => said.match(pattern)?.[1] ?? "",
  };
}

/**
 * @param {{ version: string, bundler: boolean }} options
 */
export async function startNode({ version, bundler }) {
  const port = bundler ? await freePort() : 0;
  const through = bundler ? ["--bundler", `http://127.0.0.1:${port}`] : [];
  const parameters = ["--keep", "--entrypoint", version, "--project", project, ...through];
  const demo = await start(`${binaries}/demo`, parameters, /configuration .*, log/);
  const chain = demo.find(/, chain at (\S+)/);
  const page = demo.find(/open (\S+):/);
  const started = [demo];
  const stop = async () => {
    for (const process of started.reverse()) await process.stop();
  };
  try {
    if (bundler) {
      const alto = `${project}tests/clients/bundler/start.mjs`;
      started.push(await start(process.execPath, [alto, chain, String(port)], / listening on /));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { page, chain, stop };
}

/** Below the ports that systems give to outgoing connections. */
async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const server = createServer();
    const isFree = await new Promise((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}
