// Who pays, by the relay's answer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientError } from "@super-relay/client";
import { type EntryPointVersion, entryPoint07Address } from "viem/account-abstraction";
import {
  ADDRESS,
  draft,
  fields,
  hashWith,
  intent,
  paid,
  relayOf,
  sponsored,
  withRelay,
} from "../support/canned-relay.js";
import type { Received } from "../support/host.js";
import { refused } from "../support/refused.js";

const forms: Record<EntryPointVersion, object> = {
  "0.6": { paymasterAndData: ADDRESS },
  "0.7": fields,
  "0.8": fields,
  "0.9": { ...fields, paymasterSignature: "0x1234" },
};

for (const [version, form] of Object.entries(forms) as [EntryPointVersion, object][]) {
  const stub = (result: object) =>
    withRelay(
      () => ({ result }),
      (paymaster) => paymaster.getPaymasterStubData(draft),
      { entryPointVersion: version },
    );

  test(`a stub for EntryPoint v${version} has the fields of that version, and no others`, async () => {
    const accepted = await stub({ ...forms["0.6"], ...forms["0.9"] });

    assert.deepEqual(Object.keys(accepted).sort(), [...Object.keys(form), "isFinal"].sort());
    for (const name of Object.keys(form)) {
      await refused(stub({ ...form, [name]: undefined }), ClientError, "answer_invalid");
    }
  });
}

const NOBODY = `0x${"00".repeat(20)}`;

test("a stub in which nobody pays is an invalid answer", async () => {
  const asked = withRelay(
    () => ({ result: { ...fields, paymaster: NOBODY } }),
    (paymaster) => paymaster.getPaymasterStubData(draft),
  );

  await refused(asked, ClientError, "answer_invalid");
});

/** With the hash of the operation that viem would make of them. */
const lies = {
  "of another EntryPoint's version": [{ paymasterAndData: ADDRESS }, {}],
  "of nobody": [
    { ...fields, paymaster: NOBODY },
    { ...paid, paymaster: NOBODY },
  ],
} as const;

for (const [whose, [userOperation, hashed]] of Object.entries(lies)) {
  test(`a sponsorship with paymaster fields ${whose} is an invalid answer`, async () => {
    const answer = { ...sponsored, userOperation, userOpHash: hashWith(hashed) };
    const asked = withRelay(relayOf(intent, answer), (paymaster) => paymaster.getPaymasterData(draft));

    await refused(asked, ClientError, "answer_invalid");
  });
}

test("another paymaster than the page's is refused, before the touch and after it", async () => {
  const paymasterAddress = "0x5afe5afe5afe5afe5afe5afe5afe5afe5afe5afe";
  const stub = withRelay(
    () => ({ result: fields }),
    (paymaster) => paymaster.getPaymasterStubData(draft),
    { paymasterAddress },
  );
  const data = withRelay(relayOf(intent, sponsored), (paymaster) => paymaster.getPaymasterData(draft), {
    paymasterAddress,
  });

  assert.match((await refused(stub, ClientError, "paymaster_mismatch")).details, /0x5a5a.* instead of 0x5afe/);
  await refused(data, ClientError, "paymaster_mismatch");
  assert.deepEqual(
    await withRelay(relayOf(intent, sponsored), (paymaster) => paymaster.getPaymasterData(draft), {
      paymasterAddress: ADDRESS,
    }),
    paid,
  );
});

test("a context of the page's does not move an operation to another chain or EntryPoint", async () => {
  const options: unknown[] = [];
  const context = { chainId: "0x5", entryPoint: ADDRESS };
  const relay = (received: Received) => {
    options.push(JSON.parse(received.body).params.at(-1));
    return relayOf(intent, sponsored)(received);
  };

  await withRelay(relay, (paymaster) => paymaster.getPaymasterData({ ...draft, context }));

  assert.deepEqual(options, Array(2).fill({ chainId: "0x1", entryPoint: entryPoint07Address }));
});
