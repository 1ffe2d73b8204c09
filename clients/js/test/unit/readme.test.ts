import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

test("the README has the code that the tests run", () => {
  const blocks = [...read("README.md").matchAll(/^```ts (\w+\.ts)\n(.*?)^```$/gms)];

  assert.deepEqual(
    blocks.map(([, name]) => name),
    ["send.ts", "together.ts"],
  );
  for (const [, name, block] of blocks) assert.equal(block, read(`test/readme/${name}`));
});

test("the package has the project's licence", () => {
  assert.equal(read("LICENSE"), read("../../LICENSE"));
});
