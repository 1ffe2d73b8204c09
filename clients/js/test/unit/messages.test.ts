// The challenge of a message is the one that the TEE computes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type AccountDomain, getMessageIntentHash } from "@super-relay/client";
import type { Hex } from "viem";

interface Vector {
  name: string;
  accountId: string;
  message: Hex;
  domain: AccountDomain | null;
  intentHash: Hex;
}

const file = new URL("../../../../crates/proto/vectors/message-digests.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vector[];

for (const { name, accountId, message, domain, intentHash } of vectors) {
  test(`the challenge of the message: ${name}`, () => {
    const formed = { message: { raw: message }, domain: domain ?? undefined };
    assert.equal(getMessageIntentHash({ ...formed, accountId }), intentHash);
  });
}
