// docs/api.md, "One URL": viem's and permissionless's own clients with the relay's URL and no
// other, for everything but the chain.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createSmartAccountClient } from "permissionless";
import { toSimpleSmartAccount } from "permissionless/accounts";
import { createClient, http } from "viem";
import { createBundlerClient } from "viem/account-abstraction";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { oneUrlRecipe } from "./support/docs.mjs";
import { call, chain, entryPoint, paymasterAddress, simpleAccount, steadyFees, urls, viemsPaymaster } from "./support/world.mjs";

const owner = () => privateKeyToAccount(generatePrivateKey());
const newAccount = () => toSimpleSmartAccount({ client: chain, owner: owner(), ...simpleAccount });

const paymaster = entryPoint.version === "0.9" ? await viemsPaymaster() : true;

const relayFor = (account) =>
  createBundlerClient({
    account,
    client: chain,
    paymaster,
    transport: http(urls.rpc),
    pollingInterval: 100,
    userOperation: steadyFees,
  });

function assertSponsored(receipt) {
  assert.equal(receipt.success, true);
  assert.equal(receipt.paymaster.toLowerCase(), paymasterAddress.toLowerCase());
}

test("the code of the docs sends with one URL", { skip: entryPoint.version !== "0.7" }, async () => {
  const { sendWithOneUrl } = await oneUrlRecipe();

  assertSponsored(await sendWithOneUrl(urls.rpc, urls.chain, owner(), [call]));
});

test("viem estimates, has sponsored, sends and finds operations", async () => {
  const relay = relayFor(await newAccount());
  for (const calls of [[call], [call, call]]) {
    const hash = await relay.sendUserOperation({ calls });
    const receipt = await relay.waitForUserOperationReceipt({ hash });

    assertSponsored(receipt);
    const found = await relay.getUserOperation({ hash });
    assert.equal(found.userOperation.sender.toLowerCase(), relay.account.address.toLowerCase());
    assert.equal(found.transactionHash, receipt.receipt.transactionHash);
  }
  assert.equal(await chain.getBalance({ address: relay.account.address }), 0n);
});

test("viem's paymaster: true drops the signature of v0.9", { skip: entryPoint.version !== "0.9" }, async () => {
  const bundler = createBundlerClient({
    account: await newAccount(),
    client: chain,
    paymaster: true,
    transport: http(urls.rpc),
    userOperation: steadyFees,
  });

  await assert.rejects(bundler.sendUserOperation({ calls: [call] }), (error) => {
    assert.match(error.details, /AA33/);
    return true;
  });
});

test("permissionless's client sends with one URL", async () => {
  const client = createSmartAccountClient({
    account: await newAccount(),
    client: chain,
    chain: chain.chain,
    paymaster,
    bundlerTransport: http(urls.rpc),
    pollingInterval: 100,
    userOperation: steadyFees,
  });

  const transaction = await client.sendTransaction(call);

  assert.equal((await chain.getTransactionReceipt({ hash: transaction })).status, "success");
});

test("an estimate assumes the state that the client names", async () => {
  const account = await newAccount();
  const relay = createBundlerClient({ account, client: chain, transport: http(urls.rpc), userOperation: steadyFees });
  const calls = [{ to: call.to, value: 10n ** 18n }];

  await assert.rejects(relay.estimateUserOperationGas({ calls }));
  const gas = await relay.estimateUserOperationGas({
    calls,
    stateOverride: [{ address: account.address, balance: 2n * 10n ** 18n }],
  });

  assert.ok(gas.callGasLimit > 0n);
});

/** What a URL answers: result or error, without its id. */
async function answerOf(url, method, params) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { result, error } = await answer.json();
  return { result, error };
}

test("results and errors are the bundler's own", async () => {
  const operation = { sender: call.to, nonce: "0x0" };
  const unknown = `0x${"11".repeat(32)}`;

  for (const [method, params] of [
    ["eth_supportedEntryPoints", []],
    ["eth_getUserOperationReceipt", [unknown]],
    ["eth_getUserOperationByHash", [unknown]],
    ["eth_sendUserOperation", [operation, entryPoint.address]],
    ["eth_estimateUserOperationGas", [operation, entryPoint.address]],
    ["eth_sendUserOperation", [operation, call.to]],
  ]) {
    const own = await answerOf(urls.bundler, method, params);

    assert.deepEqual(await answerOf(urls.rpc, method, params), own, method);
  }
});

test("viem names the bundler's error", async () => {
  const relay = relayFor(await newAccount());
  const { account, ...prepared } = await relay.prepareUserOperation({ calls: [call] });
  const unsigned = { ...prepared, signature: `0x${"11".repeat(65)}`, entryPointAddress: entryPoint.address };
  const refusalOf = (url) =>
    createBundlerClient({ client: chain, transport: http(url) }).sendUserOperation(unsigned).catch((error) => error);

  const own = await refusalOf(urls.bundler);
  const passedOn = await refusalOf(urls.rpc);

  assert.ok(own instanceof Error);
  assert.match(own.details, /AA\d\d|signature/i);
  for (const part of ["name", "shortMessage", "details"]) assert.equal(passedOn[part], own[part]);
});

test("the relay's chain is the one of its bundler", async () => {
  const relay = createClient({ transport: http(urls.rpc) });

  assert.equal(await relay.request({ method: "eth_chainId" }), "0x7a69");
  assert.ok((await relay.request({ method: "eth_supportedEntryPoints" })).includes(entryPoint.address));
});
