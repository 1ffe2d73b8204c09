// What relay and TEE refuse, as typed errors with the limits that were exceeded.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Authenticator, createTeePaymaster, RelayError } from "@super-relay/client";
import { type Address, type Hex, numberToHex } from "viem";
import { newAccount, paymasterOf, register } from "../support/accounts.js";
import { call, mined } from "../support/mined.js";
import { refused } from "../support/refused.js";
import { type Fault, SoftwareAuthenticator } from "../support/software-authenticator.js";
import { CHAIN_ID, entryPoint, paymasterAddress, urls } from "../support/world.js";

const SOMEBODY: Address = "0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
const OTHER_ENTRY_POINT: Address = "0x5afe5afe5afe5afe5afe5afe5afe5afe5afe5afe";

/** An operation of nobody's, as viem hands it to a paymaster. */
const draft = (context?: object, entryPointAddress = entryPoint.address) => ({
  sender: SOMEBODY,
  nonce: 0n,
  callData: "0x" as Hex,
  callGasLimit: 100_000n,
  verificationGasLimit: 100_000n,
  preVerificationGas: 50_000n,
  maxFeePerGas: 4_000_000_000n,
  maxPriorityFeePerGas: 1_000_000_000n,
  ...(entryPoint.version === "0.6" ? { initCode: "0x" as Hex } : {}),
  chainId: CHAIN_ID,
  entryPointAddress,
  context,
});

test("an operation that costs too much is refused before the touch, with the limit in wei", async () => {
  const authenticator = new SoftwareAuthenticator();
  const { bundler } = await newAccount(authenticator);

  const sending = bundler.sendUserOperation({ calls: [call(1)], callGasLimit: 6_000_000n });

  const error = await refused(sending, RelayError, "cost_above_policy");
  assert.equal(error.code, -32501);
  assert.equal(error.retryable, false);
  assert.equal(error.limits.policyId, "demo");
  assert.equal(error.limits.rule, "max_cost_per_operation");
  assert.equal(error.limits.limit, "20000000000000000");
  assert.ok(BigInt(error.limits.used ?? 0) > 20_000_000_000_000_000n);
  assert.ok(error.requestId);
  assert.match(error.hint ?? "", /maxFeePerGas/);
  assert.deepEqual(authenticator.touches, ["create"]);
});

test("a fee below the base fee is refused with the least that would do", async () => {
  const { bundler } = await newAccount(new SoftwareAuthenticator());

  const sending = bundler.sendUserOperation({ calls: [call(1)], maxFeePerGas: 1n, maxPriorityFeePerGas: 1n });

  const error = await refused(sending, RelayError, "fee_too_low");
  assert.equal(error.code, -32602);
  assert.equal(error.retryable, true);
  assert.ok(BigInt(error.limits.least ?? 0) > 1n);
});

test("a nonce that is not the next is refused with the one that is", async () => {
  const { bundler } = await newAccount(new SoftwareAuthenticator());

  const sending = bundler.sendUserOperation({ calls: [call(1)], nonce: 5n });

  const error = await refused(sending, RelayError, "account_nonce_invalid");
  assert.equal(error.code, -32500);
  assert.equal(BigInt(error.limits.expected ?? -1), 0n);
});

test("a chain that the relay does not serve is refused with those that it does", async () => {
  const rpcUrl = `${urls.rpc}/rpc/1`;
  const paymaster = createTeePaymaster({ rpcUrl, account: { accountId: "nobody" } });

  const error = await refused(paymaster.getPaymasterStubData(draft()), RelayError, "wrong_chain");

  assert.deepEqual(error.limits.supported, [String(CHAIN_ID)]);
});

test("an EntryPoint that the relay does not serve is refused with those that it does", async () => {
  const paymaster = createTeePaymaster({ rpcUrl: urls.rpc, account: { accountId: "nobody" } });

  const asking = paymaster.getPaymasterStubData(draft(undefined, OTHER_ENTRY_POINT));

  const error = await refused(asking, RelayError, "entry_point_not_supported");
  assert.deepEqual(error.limits.supported, [entryPoint.address]);
});

test("an option that does not exist is refused by name", async () => {
  const { paymaster } = await newAccount(new SoftwareAuthenticator());

  const error = await refused(paymaster.getPaymasterStubData(draft({ gasless: true })), RelayError, "invalid_field");

  assert.match(error.limits.field ?? "", /gasless/);
});

test("an account that does not exist is refused before the touch", async () => {
  const authenticator = new SoftwareAuthenticator();
  const tee = await register(authenticator);
  const paymaster = paymasterOf({ ...tee, accountId: "nobody" }, authenticator);

  const error = await refused(paymaster.getPaymasterData(draft()), RelayError, "account_unknown");

  assert.equal(error.retryable, true);
  assert.deepEqual(authenticator.touches, ["create"]);
});

test("another paymaster's operation is refused with the relay's paymaster", async () => {
  const { paymaster } = await newAccount(new SoftwareAuthenticator());
  const others = entryPoint.version === "0.6" ? { paymasterAndData: SOMEBODY } : { paymaster: SOMEBODY };

  const asking = paymaster.getPaymasterStubData({ ...draft(), ...others } as ReturnType<typeof draft>);

  const error = await refused(asking, RelayError, "paymaster_not_ours");
  assert.equal(error.limits.paymaster?.toLowerCase(), paymasterAddress.toLowerCase());
});

/** What an authenticator does wrong, and what the TEE says. */
const faults: Record<string, Fault> = {
  challenge_mismatch: { challenge: "A".repeat(43) },
  origin_not_allowed: { origin: "https://dapp.example" },
  user_not_verified: { userVerified: false },
};

for (const [reason, fault] of Object.entries(faults)) {
  test(`an assertion with ${reason} is refused, and the next one is not`, async () => {
    const authenticator = new SoftwareAuthenticator();
    const { bundler, account, paymaster } = await newAccount(authenticator);
    authenticator.fail(fault);

    const error = await refused(bundler.sendUserOperation({ calls: [call(1)] }), RelayError, reason);

    assert.equal(error.code, -32507);
    assert.equal(error.retryable, false);
    assert.notEqual(error.hint, undefined);
    await bundler.sendUserOperation({ calls: [call(1)] });
    await mined(account.address, 1, paymaster);
  });
}

test("another's passkey is refused", async () => {
  const [alice, mallory] = [new SoftwareAuthenticator(), new SoftwareAuthenticator()];
  await register(mallory);
  const stolen: Authenticator = {
    create: (options) => alice.create(options),
    get: ({ allowCredentials: _, ...options }) => mallory.get(options),
  };
  const { bundler } = await newAccount(stolen);

  const error = await refused(bundler.sendUserOperation({ calls: [call(1)] }), RelayError, "credential_unknown");

  assert.equal(error.code, -32507);
});

test("an account that reserves too much is refused with the rule, and can go on when it sends", async () => {
  const { bundler } = await newAccount(new SoftwareAuthenticator());
  // Each reserves almost as much as the policy allows, and none is sent.
  const reserve = (key: bigint) =>
    bundler.prepareUserOperation({ calls: [call(1)], callGasLimit: 3_000_000n, nonce: key << 64n });
  const reserveAll = async () => {
    for (let key = 0n; key < 16n; key += 1n) await reserve(key);
  };

  const error = await refused(reserveAll(), RelayError, "account_reservations_exceeded");

  assert.equal(error.code, -32501);
  assert.equal(error.retryable, true);
  assert.match(error.limits.rule ?? "", /max_percent_per_account/);
  assert.ok(Number(error.limits.limit) > 0);
});

for (const [where, options] of Object.entries({
  "a header": { headers: { authorization: `Bearer srk_${"0".repeat(43)}` } },
  "the URL": { rpcUrl: `${urls.rpc}/rpc/srk_${"0".repeat(43)}` },
})) {
  test(`an unknown API key in ${where} is refused, and is in no message`, async () => {
    const { paymaster } = await newAccount(new SoftwareAuthenticator(), options);

    const error = await refused(paymaster.getPaymasterStubData(draft()), RelayError, "unauthorised");

    assert.equal(error.code, -32050);
    assert.ok(!`${error.stack}${JSON.stringify(error)}`.includes("srk_0"));
  });
}

test("the chain id may be a part of the URL", async () => {
  const rpcUrl = `${urls.rpc}/rpc/${numberToHex(CHAIN_ID)}`;
  const { bundler, account, paymaster } = await newAccount(new SoftwareAuthenticator(), { rpcUrl });

  await bundler.sendUserOperation({ calls: [call(1)] });

  await mined(account.address, 1, paymaster);
});
