// Runs the tests: `node build/run.js [VERSION…]`, by default the units and the suite of every
// EntryPoint version, as many side by side as there are pairs of cores, and two at least.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { abandon } from "./world/processes.js";
import { startWorld } from "./world/world.js";

const VERSIONS = ["0.6", "0.7", "0.8", "0.9"];
/** By itself, after all others: it stops what they need. */
const LAST = "outage.test.js";
/** About keys and rates, which are the same for every version: for one only. */
const ONCE = { file: "keys.test.js", version: "0.7" };

/** Milliseconds for a file. None takes that long unless it hangs, even if every core is busy. */
const FILE_TIMEOUT = 240_000;

const folder = fileURLToPath(new URL(".", import.meta.url));
const tests = (name: string) =>
  readdirSync(join(folder, name))
    .filter((file) => file.endsWith(".test.js"))
    .map((file) => join(folder, name, file));

/** Runs test files one after the other; true if all passed. */
async function run(title: string, files: string[], environment: Record<string, string>): Promise<boolean> {
  const began = Date.now();
  const parameters = [
    "--test",
    "--test-concurrency=1",
    `--test-timeout=${FILE_TIMEOUT}`,
    "--test-reporter=spec",
    ...files,
  ];
  const child = spawn(process.execPath, parameters, {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stdout.on("data", (data) => {
    said += data;
  });
  child.stderr.on("data", (data) => {
    said += data;
  });
  // Not "exit": its output may come later.
  const code = await new Promise((resolve) => child.on("close", resolve));
  console.log(`==> ${title}, ${((Date.now() - began) / 1000).toFixed(1)} s\n${said}`);
  return code === 0;
}

const suite = (version: string) =>
  tests("suite").filter((path) => version === ONCE.version || !path.endsWith(ONCE.file));

async function runSuite(version: string): Promise<boolean> {
  const world = await startWorld(version);
  try {
    const files = suite(version);
    const isLast = (path: string) => path.endsWith(LAST);
    const others = await run(
      `EntryPoint v${version}`,
      files.filter((path) => !isLast(path)),
      world.environment,
    );
    return (await run(`outages, EntryPoint v${version}`, files.filter(isLast), world.environment)) && others;
  } finally {
    await world.stop();
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    abandon();
    process.exit(1);
  });
}

const asked = process.argv.slice(2);
const versions = asked.length > 0 ? asked : VERSIONS;
const waiting = [...versions];
const results = [await run("units", tests("unit"), {})];
const worker = async () => {
  for (let version = waiting.shift(); version !== undefined; version = waiting.shift()) {
    results.push(
      await runSuite(version).catch((error) => {
        console.error(error);
        return false;
      }),
    );
  }
};
await Promise.all(Array.from({ length: Math.max(2, Math.floor(availableParallelism() / 2)) }, worker));
process.exitCode = results.every(Boolean) && results.length === versions.length + 1 ? 0 : 1;
