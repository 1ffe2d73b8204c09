// Child processes that announce where they are, and that end with this one.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

const PATIENCE = 120_000;
const running = new Set<ChildProcess>();

/** A process that announced itself. */
export interface Started {
  pid: number;
  /** What it printed until then. */
  said: string;
}

/** Starts a program, and waits until a line of its output matches. */
export async function start(program: string, parameters: string[], announcement: RegExp): Promise<Started> {
  const child = spawn(program, parameters, { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let said = "";
  const announced = new Promise<void>((resolve, reject) => {
    // Both are read to the end, so that the program never blocks on them.
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on("line", (line) => {
        said += `${line}\n`;
        if (announcement.test(line)) resolve();
      });
    }
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      running.delete(child);
      reject(new Error(`${program} ended (${code ?? signal}):\n${said}`));
    });
    setTimeout(() => reject(new Error(`${program} is not ready:\n${said}`)), PATIENCE).unref();
  });
  await announced;
  return { pid: child.pid ?? 0, said };
}

/** Stops one of them, and waits until it has ended. */
export async function stop({ pid }: Started): Promise<void> {
  const child = [...running].find((candidate) => candidate.pid === pid);
  if (child === undefined) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const giveUp = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(giveUp);
}

/** Stops all of them at once, when this process has to end. */
export function abandon(): void {
  for (const child of running) child.kill("SIGTERM");
}
