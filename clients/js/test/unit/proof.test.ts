// Whether a touch was made with a key.
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import { bytesToHex, type Hex } from "viem";
import { isMadeWith } from "../../dist/passkey/proof.js";

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");

function passkey() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const point = publicKey.export({ format: "der", type: "spki" }).subarray(-65);
  const touch = (number: number) => {
    const [data, client] = [Buffer.alloc(37, number), Buffer.from(`{"challenge":"${number}"}`)];
    const hash = createHash("sha256").update(client).digest();
    const signature = sign("sha256", Buffer.concat([data, hash]), privateKey);
    const response = { authenticatorData: base64url(data), clientDataJSON: base64url(client) };
    return { ...envelope, response: { ...response, signature: base64url(signature) } };
  };
  return { point: bytesToHex(point), touch };
}

const envelope = { id: "", rawId: "", type: "public-key", clientExtensionResults: {} };

test("a touch was made with its own key and with no other, whatever its numbers' lengths", () => {
  const [own, other] = [passkey(), passkey()];
  for (let number = 0; number < 200; number++) {
    const touch = own.touch(number);
    assert.equal(isMadeWith(own.point, touch), true);
    assert.equal(isMadeWith(other.point, touch), false);
  }
});

test("what is no key or no signature proves nothing", () => {
  const { point, touch } = passkey();
  const made = touch(1);
  const nowhere: Hex = `0x04${"11".repeat(64)}`;
  for (const key of [nowhere, "0x", `0x00${point.slice(4)}`] as Hex[]) assert.equal(isMadeWith(key, made), false);
  const { signature: valid } = made.response;
  const longer = ["A", "AA", "AAA", "AAAA", "AAAAA", "!"].map((more) => valid + more);
  for (const signature of ["", "A", "AAAA", base64url(Buffer.alloc(64)), ...longer]) {
    assert.equal(isMadeWith(point, { ...made, response: { ...made.response, signature } }), false, signature);
  }
  for (const clientDataJSON of [base64url(Buffer.from("{}")), "A", "!"]) {
    assert.equal(isMadeWith(point, { ...made, response: { ...made.response, clientDataJSON } }), false);
  }
});
