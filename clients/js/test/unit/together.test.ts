// Operations whose senders end early: nothing is sponsored after its outcome was told.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { approveTogether, ClientError, type SharedTouch } from "@super-relay/client";
import { authenticator, draft, intent, relayOf, sponsored, withRelay } from "../support/canned-relay.js";
import type { Received } from "../support/host.js";
import { refused } from "../support/refused.js";

test("an operation whose sender has ended gets no place among the others", async () => {
  await withRelay(relayOf(intent, sponsored), async (paymaster) => {
    const ask = (touch: SharedTouch) => paymaster.getPaymasterData({ ...draft, context: { touch } });
    let late: Promise<unknown> | undefined;

    const [ended, sent] = await approveTogether([
      async (touch) => {
        late = refused(ask(touch), ClientError, "touch_over");
        throw new Error("not waited for");
      },
      ask,
    ]);

    assert.deepEqual([ended.status, sent.status], ["rejected", "fulfilled"]);
    await late;
  });
});

test("an operation whose sender ends during the touch is not sponsored", async () => {
  const asked: string[] = [];
  const relay = (received: Received) => {
    asked.push(JSON.parse(received.body).method);
    return relayOf(intent, sponsored)(received);
  };
  const events = new EventEmitter();
  const slow = {
    ...authenticator,
    get: async () => {
      events.emit("touched");
      await once(events, "approved");
      return {} as never;
    },
  };

  await withRelay(
    relay,
    async (paymaster) => {
      const ask = (touch: SharedTouch) => paymaster.getPaymasterData({ ...draft, context: { touch } });
      let late: Promise<unknown> | undefined;
      const [ended, sent] = await approveTogether([
        async (touch) => {
          late = refused(ask(touch), ClientError, "touch_over");
          await once(events, "touched");
          setImmediate(() => events.emit("approved"));
          throw new Error("not waited for");
        },
        ask,
      ]);
      assert.deepEqual([ended.status, sent.status], ["rejected", "fulfilled"]);
      await late;
    },
    { authenticator: slow },
  );

  assert.equal(asked.filter((method) => method === "pm_sponsor_with_tee").length, 1);
});
