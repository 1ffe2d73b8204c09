import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ClientError, getIntentListHash } from "@super-relay/client";
import type { Hex } from "viem";
import { refused } from "../support/refused.js";

interface Vector {
  name: string;
  operations: { intentHash: Hex }[];
  intentsHash: Hex | null;
}

const VECTORS = new URL("../../../../crates/proto/vectors/intent-lists.json", import.meta.url);

for (const { name, operations, intentsHash } of JSON.parse(readFileSync(VECTORS, "utf8")) as Vector[]) {
  test(`a list has the hash that the TEE computes: ${name}`, async () => {
    const intents = operations.map(({ intentHash }) => intentHash);
    const hash = async () => getIntentListHash(intents);

    if (intentsHash !== null) return assert.equal(await hash(), intentsHash);
    await refused(hash(), ClientError, intents.length > 16 ? "too_many_operations" : "intents_invalid");
  });
}

test("what is no hash, or the same in capitals, makes no list", async () => {
  const [one, other]: Hex[] = [`0x${"1a".repeat(32)}`, `0x${"2b".repeat(32)}`];
  for (const wrong of ["0x", `${other}00`, "text", one?.replaceAll("a", "A")] as Hex[]) {
    await refused((async () => getIntentListHash([one, other, wrong] as Hex[]))(), ClientError, "intents_invalid");
  }
});
