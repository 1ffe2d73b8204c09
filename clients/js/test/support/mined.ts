// What the chain says about an operation.
import assert from "node:assert/strict";
import type { TeePaymaster } from "@super-relay/client";
import { type Address, encodeFunctionData, type Hex, isAddressEqual, parseAbi, toEventSelector, toHex } from "viem";
import { chain, entryPoint, paymasterAddress } from "./world.js";

const abi = parseAbi([
  "event UserOperationEvent(bytes32 indexed userOpHash, address indexed sender, address indexed paymaster, uint256 nonce, bool success, uint256 actualGasCost, uint256 actualGasUsed)",
  "function depositTo(address account) payable",
]);
const DEPOSITED = toEventSelector("Deposited(address,uint256)");
const PATIENCE = 60_000;

/** The operations of that sender that the EntryPoint executed. */
export const eventsOf = (sender: Address) =>
  chain.getContractEvents({
    address: entryPoint.address,
    abi,
    eventName: "UserOperationEvent",
    args: { sender },
    fromBlock: 0n,
    strict: true,
  });

/**
 * Waits until that many operations of the sender are mined. All must have succeeded, and must be
 * paid for by our paymaster.
 */
export async function succeeded(sender: Address, count: number) {
  const deadline = Date.now() + PATIENCE;
  let events = await eventsOf(sender);
  while (events.length < count) {
    assert.ok(Date.now() < deadline, `${events.length} of ${count} operations of ${sender} are mined`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    events = await eventsOf(sender);
  }
  assert.equal(events.length, count);
  for (const { args } of events) {
    assert.equal(args.success, true);
    assert.ok(isAddressEqual(args.paymaster, paymasterAddress));
  }
  assert.equal(await chain.getBalance({ address: sender }), 0n);
  return events;
}

/** The same, and each has a hash that the package had computed. */
export async function mined(sender: Address, count: number, paymaster: TeePaymaster) {
  const events = await succeeded(sender, count);
  for (const { args } of events) {
    assert.notEqual(paymaster.signatureOf(args.userOpHash), undefined, "the hash on chain is not the package's");
  }
  return events;
}

/** A call that leaves a trace: the EntryPoint says whom it deposited nothing for. */
export function call(number: number): { to: Address; value: bigint; data: Hex } {
  const data = encodeFunctionData({ abi, functionName: "depositTo", args: [beneficiary(number)] });
  return { to: entryPoint.address, value: 0n, data };
}

/** The numbers of the calls that a transaction made. */
export async function callsOf(hash: Hex): Promise<number[]> {
  const { logs } = await chain.getTransactionReceipt({ hash });
  const deposits = logs.filter(({ topics }) => topics[0] === DEPOSITED).map(({ topics }) => Number(topics[1]));
  return deposits.filter((number) => number < 1000);
}

const beneficiary = (number: number): Address => toHex(number, { size: 20 });
