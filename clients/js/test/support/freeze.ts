// Stops a process for a while.
import { readdirSync, readFileSync } from "node:fs";

/**
 * Stops a process, and waits until each of its threads has stopped: until then it may still answer.
 */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  while (!readdirSync(`/proc/${pid}/task`).every((thread) => isStopped(pid, thread))) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Resumes it. */
export const thaw = (pid: number) => process.kill(pid, "SIGCONT");

function isStopped(pid: number, thread: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8").includes("State:\tT (stopped)");
  } catch {
    return false; // It has ended: the next look has another list.
  }
}
