// A relay that lies gets no touch, or nothing for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientError, createTeePaymaster, getIntentHash, requestTouch } from "@super-relay/client";
import { type Hex, hexToBytes, http, keccak256 } from "viem";
import { createBundlerClient, formatUserOperationRequest, type UserOperation } from "viem/account-abstraction";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { newAccount } from "../support/accounts.js";
import { lyingRelay, withoutPaymaster } from "../support/lying-host.js";
import { call, mined } from "../support/mined.js";
import { refused } from "../support/refused.js";
import { askRelay } from "../support/relay.js";
import { SoftwareAuthenticator } from "../support/software-authenticator.js";
import { CHAIN_ID, chain, entryPoint, RP_ID, steadyFees, urls } from "../support/world.js";

type Params = [Record<string, unknown>, ...unknown[]];
type Answer = { result: Record<string, unknown> };
type Sponsored = { verificationProof: { userPasskeyVerified: boolean } };

test("a relay that wants another operation approved gets no touch", async () => {
  const authenticator = new SoftwareAuthenticator();
  const relay = await lyingRelay(({ params, ...request }, ask) => {
    const [operation, ...others] = params as Params;
    const stolen = request["method"] === "pm_getSponsorshipIntent" ? { callData: "0x5afe5afe" } : {};
    return ask({ ...request, params: [{ ...operation, ...stolen }, ...others] });
  });
  const { bundler } = await newAccount(authenticator, { rpcUrl: relay.url });

  const sending = bundler.sendUserOperation({ calls: [call(1)] });

  const error = await refused(sending, ClientError, "intent_mismatch").finally(relay.stop);
  assert.match(error.hint ?? "", /Nothing was approved/);
  assert.deepEqual(authenticator.touches, ["create"]);
});

test("the passkey approves the page's operation, whatever challenge the relay sends", async () => {
  const lie = `${"5afe".repeat(10)}5ae`;
  const authenticator = new SoftwareAuthenticator();
  const relay = await lyingRelay(async (request, ask) => {
    const answer = await ask(request);
    const { webauthn } = (answer as Answer).result ?? {};
    if (webauthn) (webauthn as Record<string, unknown>)["challenge"] = lie;
    return answer;
  });
  const { bundler, account, paymaster } = await newAccount(authenticator, { rpcUrl: relay.url });

  await bundler.sendUserOperation({ calls: [call(1)] }).finally(relay.stop);

  await mined(account.address, 1, paymaster);
  assert.equal(authenticator.approved.length, 1);
  assert.notEqual(authenticator.approved[0], lie);
});

const lies: Record<string, (result: Record<string, unknown>) => void> = {
  "another hash": (result) => {
    result["userOpHash"] = keccak256("0x");
  },
  "another paymaster's data": ({ userOperation }) => {
    const fields = userOperation as Record<string, string>;
    const name = entryPoint.version === "0.6" ? "paymasterAndData" : "paymasterData";
    fields[name] = fields[name]?.replace(/..$/, "00").replace(/^(0x.{8})./, "$1f") ?? "";
  },
};

for (const [what, lie] of Object.entries(lies)) {
  test(`an answer with ${what} is not sent`, async () => {
    const relay = await lyingRelay(async (request, ask) => {
      const answer = await ask(request);
      if (request["method"] === "pm_sponsor_with_tee") lie((answer as Answer).result);
      return answer;
    });
    const { bundler } = await newAccount(new SoftwareAuthenticator(), { rpcUrl: relay.url });

    const sending = bundler.sendUserOperation({ calls: [call(1)] });

    await refused(sending, ClientError, "user_op_hash_mismatch").finally(relay.stop);
  });
}

test("an operation that the relay leaves without a paymaster is not sent", async () => {
  const relay = await lyingRelay(withoutPaymaster());
  const { bundler } = await newAccount(new SoftwareAuthenticator(), { rpcUrl: relay.url });

  const sending = bundler.sendUserOperation({ calls: [call(1)] });

  await refused(sending, ClientError, "answer_invalid").finally(relay.stop);
});

test("a signature by another key is not sent", async () => {
  const mallory = privateKeyToAccount(generatePrivateKey());
  const signatures = [`0x${"ff".repeat(65)}`, await mallory.sign({ hash: keccak256("0x") })];
  for (const signature of signatures) {
    const relay = await lyingRelay(async (request, ask) => {
      const answer = await ask(request);
      if (request["method"] === "pm_sponsor_with_tee") (answer as Answer).result["signature"] = signature;
      return answer;
    });
    const { bundler } = await newAccount(new SoftwareAuthenticator(), { rpcUrl: relay.url });

    const sending = bundler.sendUserOperation({ calls: [call(1)] });

    await refused(sending, ClientError, "signature_invalid").finally(relay.stop);
  }
});

test("an answer without paymaster fields is invalid", async () => {
  const relay = await lyingRelay(async (request, ask) => ({ ...(await ask(request)), result: {} }));
  const { bundler } = await newAccount(new SoftwareAuthenticator(), { rpcUrl: relay.url });

  const sending = bundler.sendUserOperation({ calls: [call(1)] });

  await refused(sending, ClientError, "answer_invalid").finally(relay.stop);
});

test("what the relay adds to its answer stays out of the operation", async () => {
  const relay = await lyingRelay(async (request, ask) => {
    const answer = (await ask(request)) as Answer;
    if (String(request["method"]).startsWith("pm_get")) Object.assign(answer.result, { callGasLimit: "0x1" });
    return answer;
  });
  const { bundler, account, paymaster } = await newAccount(new SoftwareAuthenticator(), { rpcUrl: relay.url });

  await bundler.sendUserOperation({ calls: [call(1)] }).finally(relay.stop);

  await mined(account.address, 1, paymaster);
});

test("a relay that is not there is unreachable, with what to check", async () => {
  const gone = await lyingRelay(async (request) => request);
  gone.stop();
  const { bundler } = await newAccount(new SoftwareAuthenticator(), { rpcUrl: gone.url, retryDelay: 1 });

  const error = await refused(bundler.sendUserOperation({ calls: [call(1)] }), ClientError, "unreachable");

  assert.equal(error.retryable, true);
  assert.match(error.hint ?? "", /allowed_origins/);
});

test("a host that is no relay is told from one", async () => {
  const { bundler } = await newAccount(new SoftwareAuthenticator(), { rpcUrl: `${urls.kms}/health` });

  await refused(bundler.sendUserOperation({ calls: [call(1)] }), ClientError, "answer_invalid");
});

test("an EntryPoint at an unknown address needs its version", async () => {
  const authenticator = new SoftwareAuthenticator();
  const paymaster = createTeePaymaster({ rpcUrl: urls.rpc, account: { accountId: "nobody" }, authenticator });
  const entryPointAddress = "0x5afe5afe5afe5afe5afe5afe5afe5afe5afe5afe";
  const operation = {
    sender: entryPointAddress,
    nonce: 0n,
    callData: "0x",
    callGasLimit: 1n,
    verificationGasLimit: 1n,
    preVerificationGas: 1n,
    maxFeePerGas: 1n,
    maxPriorityFeePerGas: 1n,
    chainId: CHAIN_ID,
    entryPointAddress,
  } as const;

  const error = await refused(paymaster.getPaymasterData(operation), ClientError, "entry_point_unknown");

  assert.match(error.hint ?? "", /entryPointVersion/);
});

test("touches by hand approve what getIntentHash computes, and that is what relay and TEE accept", async () => {
  const authenticator = new SoftwareAuthenticator();
  const { tee, account } = await newAccount(authenticator);
  const { accountId } = tee;
  const unsponsored = createBundlerClient({ account, client: chain, transport: http(urls.bundler) });
  const gas = { callGasLimit: 100_000n, verificationGasLimit: 500_000n, preVerificationGas: 60_000n };
  const fees = await steadyFees.estimateFeesPerGas();
  const prepared: unknown = await unsponsored.prepareUserOperation({ calls: [call(1)], ...gas, ...fees });
  const userOperation = prepared as UserOperation;
  const place = { chainId: CHAIN_ID, entryPointAddress: entryPoint.address, entryPointVersion: entryPoint.version };
  const challenge: Hex = getIntentHash({ ...place, userOperation, accountId });

  const [first, second] = await Promise.all(
    [1, 2].map(() => requestTouch({ challenge, webauthn: { rpId: RP_ID }, authenticator })),
  );

  const approved = Buffer.from(hexToBytes(challenge)).toString("base64url");
  assert.deepEqual(authenticator.approved, [approved, approved]);
  assert.equal(first?.id, second?.id);
  const parameters = [formatUserOperationRequest(userOperation), accountId, first, { entryPoint: entryPoint.address }];
  const { verificationProof } = await askRelay<Sponsored>("pm_sponsor_with_tee", parameters);
  assert.equal(verificationProof.userPasskeyVerified, true);
});
