// Accounts whose owners keep their keys: viem's own paymaster client, and nothing of ours in the page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toSimpleSmartAccount } from "permissionless/accounts";
import { http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import {
  createBundlerClient,
  createPaymasterClient,
  toSimple7702SmartAccount,
} from "viem/account-abstraction";
import { signAuthorization } from "viem/actions";
import { call, chain, entryPoint, paymasterAddress, steadyFees, urls } from "./support/world.mjs";

const owner = () => privateKeyToAccount(generatePrivateKey());

/** Two operations one after the other, the first of which makes the account; it may carry more. */
async function sendsTwice(account, first) {
  const bundler = createBundlerClient({
    account,
    client: chain,
    paymaster: createPaymasterClient({ transport: http(urls.rpc) }),
    transport: http(urls.bundler),
    pollingInterval: 100,
    userOperation: steadyFees,
  });
  for (const operation of [{ calls: [call], ...first }, { calls: [call, call] }]) {
    const hash = await bundler.sendUserOperation(operation);
    const receipt = await bundler.waitForUserOperationReceipt({ hash });
    assert.equal(receipt.success, true);
    assert.equal(receipt.paymaster.toLowerCase(), paymasterAddress.toLowerCase());
  }
  assert.equal(await chain.getBalance({ address: account.address }), 0n);
}

test("viem's paymaster client sponsors a SimpleAccount with a local key", async () => {
  await sendsTwice(await toSimpleSmartAccount({ client: chain, owner: owner(), entryPoint }));
});

test("viem's paymaster client sponsors an EIP-7702 account", { skip: entryPoint.version !== "0.8" }, async () => {
  const account = await toSimple7702SmartAccount({ client: chain, owner: owner() });
  const { account: signer, address: contractAddress } = account.authorization;

  await sendsTwice(account, { authorization: await signAuthorization(chain, { account: signer, contractAddress }) });
});
