// Accounts whose owners keep their keys: viem's own paymaster client, and nothing of ours in the
// page.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { to7702SimpleSmartAccount, toSimpleSmartAccount } from "permissionless/accounts";
import { http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import {
  createBundlerClient,
  toSimple7702SmartAccount,
} from "viem/account-abstraction";
import { signAuthorization } from "viem/actions";
import { localKeyRecipe, recipe } from "./support/docs.mjs";
import { honest, lyingRelay } from "./support/lying-relay.mjs";
import { browser } from "./support/passkey.mjs";
import {
  call,
  chain,
  entryPoint,
  origin,
  paymasterAddress,
  signatureScheme,
  simple7702Account,
  simpleAccount,
  steadyFees,
  urls,
  viemsPaymaster,
} from "./support/world.mjs";

const owner = () => privateKeyToAccount(generatePrivateKey());

const bundlerOf = async (account, options) =>
  createBundlerClient({
    account,
    client: chain,
    paymaster: await viemsPaymaster(),
    transport: http(urls.bundler),
    pollingInterval: 100,
    userOperation: steadyFees,
    ...options,
  });

/** Two operations one after the other, the first of which makes the account; it may carry more. */
async function sendsTwice(account, first) {
  const bundler = await bundlerOf(account);
  for (const operation of [{ calls: [call], ...first }, { calls: [call, call] }]) {
    const hash = await bundler.sendUserOperation(operation);
    const receipt = await bundler.waitForUserOperationReceipt({ hash });
    assert.equal(receipt.success, true);
    assert.equal(receipt.paymaster.toLowerCase(), paymasterAddress.toLowerCase());
  }
  assert.equal(await chain.getBalance({ address: account.address }), 0n);
}

test("viem's paymaster client sponsors a SimpleAccount with a local key", async () => {
  await sendsTwice(await toSimpleSmartAccount({ client: chain, owner: owner(), ...simpleAccount }));
});

test("the code of the docs sponsors a local key", { skip: entryPoint.version !== "0.7" }, async () => {
  const { sendSponsored } = await localKeyRecipe();

  const receipt = await sendSponsored(urls, owner(), [call]);

  assert.equal(receipt.success, true);
  assert.equal(receipt.paymaster.toLowerCase(), paymasterAddress.toLowerCase());
});

/** Runs the Python example. */
function python(rpc) {
  const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
  const script = path("../../examples/python/sponsor.py");
  return promisify(execFile)(path(".venv/bin/python"), [script, rpc, urls.chain, urls.bundler]);
}

test("the Python example sends a sponsored operation", { skip: entryPoint.version !== "0.7" }, async () => {
  const { stdout } = await python(urls.rpc);

  const receipt = JSON.parse(stdout);
  assert.equal(receipt.success, true);
  assert.equal(receipt.sent, receipt.userOpHash);
  assert.equal(receipt.paymaster.toLowerCase(), paymasterAddress.toLowerCase());
});

test("the Python example signs nothing that nobody pays for", { skip: entryPoint.version !== "0.7" }, async () => {
  const asked = [];
  const relay = await lyingRelay(async (request) => {
    asked.push(request.method);
    const answer = await honest(request);
    if (request.method === "pm_getPaymasterData") answer.result.paymaster = `0x${"00".repeat(20)}`;
    return answer;
  });

  await assert.rejects(python(relay.url), /the relay names no paymaster/).finally(relay.stop);

  assert.equal(asked.at(-1), "pm_getPaymasterData");
});

test("an account of the TEE can't be named without its passkey", async () => {
  browser(origin);
  const { accountId } = await (await recipe()).createAccount(urls.kms, "alice", { signatureScheme });
  const account = await toSimpleSmartAccount({ client: chain, owner: owner(), ...simpleAccount });

  const sending = (await bundlerOf(account, { paymasterContext: { accountId } })).sendUserOperation({ calls: [call] });

  await assert.rejects(sending, (error) => {
    assert.match(String(error), /passkey/);
    assert.equal(error.walk?.((cause) => cause.data?.reason)?.data.reason, "account_needs_passkey");
    return true;
  });
});

for (const toAccount of [toSimple7702SmartAccount, to7702SimpleSmartAccount]) {
  const versions = toAccount === toSimple7702SmartAccount ? ["0.8", "0.9"] : ["0.8"];
  const skip = !versions.includes(entryPoint.version);
  test(`viem's paymaster client sponsors a ${toAccount.name}`, { skip }, async () => {
    const account = await toAccount({ client: chain, owner: owner(), ...simple7702Account });
    const { account: signer, address: contractAddress } = account.authorization;

    await sendsTwice(account, { authorization: await signAuthorization(chain, { account: signer, contractAddress }) });
  });
}
