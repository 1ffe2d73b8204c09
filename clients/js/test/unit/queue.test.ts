import assert from "node:assert/strict";
import { test } from "node:test";
import { Queue } from "../../dist/passkey/queue.js";

test("tasks run one at a time, in order, whatever becomes of others", async () => {
  const queue = new Queue();
  const events: string[] = [];
  const task = (name: string, fails: boolean) => async () => {
    events.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    events.push(`${name} ends`);
    if (fails) throw new Error(name);
    return name;
  };

  const results = await Promise.allSettled([
    queue.run(task("one", false)),
    queue.run(task("two", true)),
    queue.run(() => {
      throw new Error("at once");
    }),
    queue.run(task("three", false)),
  ]);

  assert.deepEqual(events, ["one begins", "one ends", "two begins", "two ends", "three begins", "three ends"]);
  assert.deepEqual(
    results.map((result) => (result.status === "fulfilled" ? result.value : result.reason.message)),
    ["one", "two", "at once", "three"],
  );
});
