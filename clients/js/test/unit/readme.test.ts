import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

test("the README has the code that the tests run", () => {
  const [, block] = read("README.md").match(/^```ts send\.ts\n(.*?)^```$/ms) ?? [];

  assert.equal(block, read("test/readme/send.ts"));
});

test("the package has the project's licence", () => {
  assert.equal(read("LICENSE"), read("../../LICENSE"));
});
