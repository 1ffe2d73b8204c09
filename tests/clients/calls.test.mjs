// A policy's targets and the callData that each library encodes for its accounts: one call or many,
// to a listed function, and to another target or function.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toSimpleSmartAccount } from "permissionless/accounts";
import { http } from "viem";
import { createPaymasterClient } from "viem/account-abstraction";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { encoders } from "./support/encoders.mjs";
import { call, chain, entryPoint, steadyFees, urls } from "./support/world.mjs";

const [target, selector] = [process.env.TARGET, process.env.SELECTOR];
const listed = { to: target, value: 0n, data: `${selector}0000` };
const otherTarget = call;
const otherFunction = { ...listed, data: "0x12345678" };

const paymaster = createPaymasterClient({ transport: http(urls.rpc) });
const sender = await toSimpleSmartAccount({
  client: chain,
  owner: privateKeyToAccount(generatePrivateKey()),
  entryPoint,
});
const operation = {
  ...(await sender.getFactoryArgs()),
  ...(await steadyFees.estimateFeesPerGas()),
  sender: sender.address,
  nonce: 0n,
  chainId: chain.chain.id,
  entryPointAddress: entryPoint.address,
};

/** The reason of the stub's refusal; undefined if it was given. */
async function refusal(callData) {
  try {
    const stub = await paymaster.getPaymasterStubData({ ...operation, callData });
    assert.ok(stub.paymaster);
  } catch (error) {
    return error.walk((cause) => cause.data?.reason).data.reason;
  }
}

for (const [account, encode] of Object.entries(await encoders(chain))) {
  test(`${account}: each call is held against targets`, async () => {
    for (const calls of [[listed], [listed, listed, listed]]) {
      assert.equal(await refusal(await encode(calls)), undefined, `${calls.length} listed`);
      for (const [index] of calls.entries()) {
        assert.equal(await refusal(await encode(calls.with(index, otherTarget))), "target_not_allowed");
        assert.equal(await refusal(await encode(calls.with(index, otherFunction))), "function_not_allowed");
      }
    }
  });
}
