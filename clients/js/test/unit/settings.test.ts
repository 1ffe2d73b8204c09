// Settings that can't be used, and those about outages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientError, type CreateTeePaymasterParameters, createTeePaymaster, RelayError } from "@super-relay/client";
import { account, draft, fields, withRelay } from "../support/canned-relay.js";
import { type Received, startSilentHost } from "../support/host.js";
import { refused } from "../support/refused.js";

const KEY = "srk_of-the-units";

const unusable: Record<string, Partial<CreateTeePaymasterParameters>> = {
  url_invalid: { rpcUrl: `http://user:password@127.0.0.1:1/rpc/${KEY}` },
  "url_invalid, of another scheme": { rpcUrl: `ws://127.0.0.1:1/rpc/${KEY}` },
  "url_invalid, without a scheme": { rpcUrl: `127.0.0.1:1/rpc/${KEY}` },
  "url_invalid, with a space": { rpcUrl: `http://a b/rpc/${KEY}` },
  headers_invalid: { headers: { "x-api-key": `${KEY}\n${KEY}` } },
  "headers_invalid, by name": { headers: { [`x ${KEY}`]: "7" } },
  "headers_invalid, not Latin": { headers: { "x-api-key": `${KEY}…` } },
};

for (const [what, options] of Object.entries(unusable)) {
  test(`a setting that is ${what} is not an outage, and the key in it is in no error`, async () => {
    const asked: Received[] = [];
    const asking = withRelay(
      (received) => ({ result: asked.push(received) }),
      (paymaster) => paymaster.getPaymasterStubData(draft),
      options,
    );

    const error = await refused(asking, ClientError, what.split(",")[0] ?? "");

    assert.equal(error.retryable, false);
    assert.equal(error.cause, undefined);
    assert.ok(!error.stack?.includes(KEY));
    assert.deepEqual(asked, []);
  });
}

test("a page's own content type does not get in the way", async () => {
  const types: unknown[] = [];
  await withRelay(
    ({ headers }) => {
      types.push(headers["content-type"]);
      return { result: fields };
    },
    (paymaster) => paymaster.getPaymasterStubData(draft),
    { headers: { "Content-Type": "text/plain" } },
  );

  assert.deepEqual(types, ["application/json"]);
});

test("a host that does not answer in time is unreachable, after the last repetition", async () => {
  const host = await startSilentHost();
  const paymaster = createTeePaymaster({ rpcUrl: host.url, account, timeout: 20, retryCount: 2, retryDelay: 1 });

  const error = await refused(paymaster.getPaymasterStubData(draft), ClientError, "unreachable").finally(host.stop);

  assert.equal(error.retryable, true);
  assert.equal((error.cause as Error).name, "TimeoutError");
});

test("outages are repeated, as often as the settings say, and refusals are not", async () => {
  const outage = { code: -32603, message: "down", data: { reason: "chain_unavailable", retryable: true } };
  const refusal = { code: -32504, message: "slower", data: { reason: "rate_limited", retryable: true } };
  const callsUntil = async (error: object, succeedsAt: number) => {
    let calls = 0;
    const relay = () => {
      calls += 1;
      return calls < succeedsAt ? { error } : { result: fields };
    };
    await withRelay(relay, (paymaster) => paymaster.getPaymasterStubData(draft), { retryCount: 2 }).catch((thrown) =>
      assert.ok(thrown instanceof RelayError),
    );
    return calls;
  };

  assert.equal(await callsUntil(outage, 3), 3);
  assert.equal(await callsUntil(outage, 9), 3);
  assert.equal(await callsUntil(refusal, 9), 1);
});
