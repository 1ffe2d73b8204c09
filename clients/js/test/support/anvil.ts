// What only a local chain does.
import assert from "node:assert/strict";
import { type Address, type Hex, numberToHex } from "viem";
import { anvil, chain } from "./world.js";

/** Sends a transaction of that account's, whose key nobody here has. */
export async function transact(from: Address, to: Address, data: Hex, value = 0n): Promise<void> {
  await anvil("anvil_impersonateAccount", [from]);
  const hash = (await anvil("eth_sendTransaction", [{ from, to, data, value: numberToHex(value) }])) as Hex;
  const { status } = await chain.waitForTransactionReceipt({ hash, pollingInterval: 50 });
  assert.equal(status, "success");
}
