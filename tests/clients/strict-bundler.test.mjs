// The reference bundler, which holds operations against ERC-7562's rules, on EntryPoint v0.6.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { toSimpleSmartAccount } from "permissionless/accounts";
import { encodeAbiParameters, hexToBigInt, http, keccak256, pad, slice } from "viem";
import { createBundlerClient, entryPoint06Abi } from "viem/account-abstraction";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { newAccount } from "./support/accounts.mjs";
import { recipe } from "./support/docs.mjs";
import { browser } from "./support/passkey.mjs";
import { call, chain, entryPoint, origin, paymasterAddress, simpleAccount, steadyFees, urls, viemsPaymaster } from "./support/world.mjs";

/** It estimates only operations that lack gas limits, and viem sends zeros. */
const GAS = { callGasLimit: 200_000n, verificationGasLimit: 500_000n, preVerificationGas: 60_000n };

/** Sends two operations, the first of which makes the account. The chain says who paid. */
async function sendsTwice(bundler) {
  for (const calls of [[call], [call, call]]) {
    const hash = await bundler.sendUserOperation({ calls, ...GAS });
    await bundler.waitForUserOperationReceipt({ hash });
    const [{ args }] = await chain.getContractEvents({
      ...{ address: entryPoint.address, abi: entryPoint06Abi, eventName: "UserOperationEvent" },
      args: { userOpHash: hash },
      fromBlock: 0n,
    });
    assert.deepEqual({ success: args.success, paymaster: args.paymaster }, { success: true, paymaster: paymasterAddress });
  }
}

let docs;

before(async () => {
  docs = await recipe();
  browser(origin);
});

test("an account of the TEE is made and used", async () => {
  await sendsTwice(await newAccount(docs));
});

/** viem's own clients, for a new account with a local key. */
const localKey = async () =>
  createBundlerClient({
    account: await toSimpleSmartAccount({ client: chain, owner: privateKeyToAccount(generatePrivateKey()), ...simpleAccount }),
    client: chain,
    paymaster: await viemsPaymaster(),
    transport: http(urls.bundler),
    pollingInterval: 100,
    userOperation: steadyFees,
  });

test("an account with a local key is made and used", async () => {
  await sendsTwice(await localKey());
});

/** The paymaster's slot in EntryPoint v0.6 has deposit 14 ‖ staked 1 ‖ stake 14, from the right. */
async function takeTheStakeAway() {
  const slot = keccak256(encodeAbiParameters([{ type: "address" }, { type: "uint256" }], [paymasterAddress, 0n]));
  const deposit = slice(await chain.getStorageAt({ address: entryPoint.address, slot }), 32 - 14);
  await chain.request({ method: "anvil_setStorageAt", params: [entryPoint.address, slot, pad(deposit)] });
  const info = { address: entryPoint.address, abi: entryPoint06Abi, functionName: "getDepositInfo", args: [paymasterAddress] };
  const { deposit: left, stake } = await chain.readContract(info);
  assert.deepEqual([left, stake], [hexToBigInt(deposit), 0n]);
}

test("without a stake the paymaster is refused for the storage that it reads (STO-031)", async () => {
  const bundler = await localKey();
  await takeTheStakeAway();

  const sending = bundler.sendUserOperation({ calls: [call], ...GAS });

  await assert.rejects(sending, (error) => {
    assert.match(error.details, /unstaked paymaster accessed/);
    return true;
  });
});
