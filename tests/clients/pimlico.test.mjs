// permissionless's client for Pimlico, with the relay's URL in place of Pimlico's.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createSmartAccountClient } from "permissionless";
import { toSimpleSmartAccount } from "permissionless/accounts";
import { createPimlicoClient } from "permissionless/clients/pimlico";
import { http } from "viem";
import { formatUserOperationRequest } from "viem/account-abstraction";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { call, chain, entryPoint, paymasterAddress, steadyFees, urls } from "./support/world.mjs";

const POLICY = "default";
const newAccount = () =>
  toSimpleSmartAccount({ client: chain, owner: privateKeyToAccount(generatePrivateKey()), entryPoint });
const pimlico = createPimlicoClient({ transport: http(urls.rpc), entryPoint, pollingInterval: 100 });

/** The account's operation without gas limits and paymaster, as sponsorUserOperation takes it. */
async function unfinished(account) {
  const { factory, factoryData } = await account.getFactoryArgs();
  const deploy = entryPoint.version === "0.6" ? { initCode: factory + factoryData.slice(2), paymasterAndData: "0x" } : { factory, factoryData };
  return {
    sender: account.address,
    nonce: await account.getNonce(),
    ...deploy,
    callData: await account.encodeCalls([call]),
    ...(await steadyFees.estimateFeesPerGas()),
    signature: await account.getStubSignature(),
  };
}

async function mined(operation) {
  const params = [formatUserOperationRequest(operation), entryPoint.address];
  const hash = await pimlico.request({ method: "eth_sendUserOperation", params });
  const receipt = await pimlico.waitForUserOperationReceipt({ hash });
  assert.equal(receipt.success, true);
  assert.equal(receipt.paymaster.toLowerCase(), paymasterAddress.toLowerCase());
}

for (const context of [{ sponsorshipPolicyId: POLICY }, { paymasterContext: { validForSeconds: 300 } }, {}]) {
  test(`sponsorUserOperation gives gas and paymaster, with ${JSON.stringify(context)}`, async () => {
    const account = await newAccount();
    const operation = await unfinished(account);

    const sponsored = { ...operation, ...(await pimlico.sponsorUserOperation({ userOperation: operation, entryPoint, ...context })) };

    assert.ok(sponsored.callGasLimit > 0n && sponsored.verificationGasLimit > 0n && sponsored.preVerificationGas > 0n);
    await mined({ ...sponsored, signature: await account.signUserOperation(sponsored) });
  });
}

test("it is the paymaster and the gas price of createSmartAccountClient", async () => {
  const client = createSmartAccountClient({
    account: await newAccount(),
    client: chain,
    chain: chain.chain,
    paymaster: pimlico,
    bundlerTransport: http(urls.rpc),
    pollingInterval: 100,
    userOperation: { estimateFeesPerGas: async () => (await pimlico.getUserOperationGasPrice()).fast },
  });

  const transaction = await client.sendTransaction(call);

  assert.equal((await chain.getTransactionReceipt({ hash: transaction })).status, "success");
});

test("validateSponsorshipPolicies names those that would sponsor", async () => {
  const gas = { callGasLimit: 150_000n, verificationGasLimit: 500_000n, preVerificationGas: 60_000n };
  const userOperation = { ...(await unfinished(await newAccount())), ...gas };

  const valid = await pimlico.validateSponsorshipPolicies({
    userOperation,
    entryPointAddress: entryPoint.address,
    sponsorshipPolicyIds: [POLICY, "sp_unknown"],
  });

  assert.deepEqual(valid.map(({ sponsorshipPolicyId }) => sponsorshipPolicyId), [POLICY]);
});

test("an answer to an empty context has the paymaster's fields, as AAStar's clients read them", async () => {
  const operation = formatUserOperationRequest(await unfinished(await newAccount()));

  const answer = await pimlico.request({ method: "pm_sponsorUserOperation", params: [operation, entryPoint.address, {}] });

  const packed = entryPoint.version === "0.6" ? answer.paymasterAndData : answer.paymaster + answer.paymasterData.slice(2);
  assert.ok(packed.toLowerCase().startsWith(paymasterAddress.toLowerCase()));
});
