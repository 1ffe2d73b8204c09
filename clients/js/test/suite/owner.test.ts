// The owner whose key is in the TEE signs sponsored operations and nothing else.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { ClientError, createTeeAccount, toTeeOwner } from "@super-relay/client";
import { to7702SimpleSmartAccount } from "permissionless/accounts";
import { type Hex, keccak256, toHex } from "viem";
import {
  getUserOperationTypedData,
  type SmartAccount,
  toSimple7702SmartAccount,
  type UserOperation,
} from "viem/account-abstraction";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { signAuthorization } from "viem/actions";
import { bundlerOf, newAccount, paymasterOf, register, simpleAccount } from "../support/accounts.js";
import { lyingRelay, withoutPaymaster } from "../support/lying-host.js";
import { call, callsOf, mined } from "../support/mined.js";
import { refused } from "../support/refused.js";
import { SoftwareAuthenticator } from "../support/software-authenticator.js";
import { anvil, CHAIN_ID, chain, entryPoint, urls } from "../support/world.js";

const HASH = keccak256("0x1234");
let shared: Awaited<ReturnType<typeof newAccount>>;

before(async () => {
  shared = await newAccount(new SoftwareAuthenticator());
});

const refusals: Record<string, () => Promise<unknown>> = {
  text: () => shared.owner.signMessage({ message: "hello" }),
  "32 bytes": () => shared.owner.signMessage({ message: { raw: HASH } }),
  "bytes in an array": () => shared.owner.signMessage({ message: { raw: new Uint8Array(32) } }),
  "a hash": () => shared.owner.sign({ hash: HASH }),
  "a transaction": () => shared.owner.signTransaction({ chainId: CHAIN_ID, type: "eip1559" }),
  "an authorization": () =>
    shared.owner.signAuthorization({ chainId: CHAIN_ID, nonce: 0, address: shared.tee.ownerAddress }),
  "typed data": () =>
    shared.owner.signTypedData({
      types: { Permit: [{ name: "owner", type: "address" }] },
      primaryType: "Permit",
      message: { owner: shared.tee.ownerAddress },
    }),
  "an operation that nobody sponsored": () =>
    shared.owner.signTypedData(
      getUserOperationTypedData({
        chainId: CHAIN_ID,
        entryPointAddress: entryPoint.address,
        userOperation: { sender: shared.account.address, callData: "0x" } as object as UserOperation<"0.8">,
      }),
    ),
};

for (const [what, ask] of Object.entries(refusals)) {
  test(`the owner does not sign ${what}`, async () => {
    const error = await refused(ask(), ClientError, "signature_not_available");

    assert.equal(error.retryable, false);
    assert.match(error.hint ?? "", /same paymaster/);
    assert.match(error.details, new RegExp(shared.tee.ownerAddress));
  });
}

test("the owner has the address of the key in the TEE", () => {
  assert.equal(shared.owner.address.toLowerCase(), shared.tee.ownerAddress.toLowerCase());
  assert.equal(shared.owner.type, "local");
});

test("an account of the other signature scheme fails before it is sent", async () => {
  const authenticator = new SoftwareAuthenticator();
  const other = shared.tee.signatureScheme === "raw" ? "eip191" : "raw";
  const tee = await createTeeAccount({ kmsUrl: urls.kms, userName: "bob", signatureScheme: other, authenticator });
  const paymaster = paymasterOf(tee, authenticator);
  // The KMS names no factory whose contracts verify another scheme.
  assert.equal(tee.factory, null);
  const { factory } = shared.tee;
  const account = await simpleAccount({ ...tee, factory }, toTeeOwner({ account: tee, paymaster }));

  const sending = bundlerOf(account, paymaster).sendUserOperation({ calls: [call(1)] });

  const error = await refused(sending, ClientError, "signature_scheme_mismatch");
  assert.match(error.details, new RegExp(`verifies ${shared.tee.signatureScheme}.* signs ${other}`));
});

if (entryPoint.version === "0.8") {
  const DELEGATE: Hex = "0xe6Cae83BdE06E4c305530e199D7217f42808555B";

  test("the owner is a Simple7702 account of its own, once its address is delegated", async () => {
    const authenticator = new SoftwareAuthenticator();
    const tee = await register(authenticator);
    const paymaster = paymasterOf(tee, authenticator);
    const owner = toTeeOwner({ account: tee, paymaster });
    // The TEE signs no authorization: this is what one would have left on chain.
    await anvil("anvil_setCode", [owner.address, `0xef0100${DELEGATE.slice(2)}`]);
    const account = await toSimple7702SmartAccount({ client: chain, owner });
    const bundler = bundlerOf(account, paymaster);

    const single = await bundler.sendUserOperation({ calls: [call(1)] });
    await mined(owner.address, 1, paymaster);
    const batch = await bundler.sendUserOperation({ calls: [call(2), call(3)] });

    const events = await mined(owner.address, 2, paymaster);
    assert.deepEqual(
      events.map(({ args }) => args.userOpHash),
      [single, batch],
    );
    assert.deepEqual(await callsOf(events[1]?.transactionHash ?? toHex(0)), [2, 3]);
  });

  test("an account with a key of its own signs nothing where the relay names no paymaster", async () => {
    const authenticator = new SoftwareAuthenticator();
    const relay = await lyingRelay(withoutPaymaster({ inStub: true }));
    const paymaster = paymasterOf(await register(authenticator), authenticator, { rpcUrl: relay.url });
    const local = privateKeyToAccount(generatePrivateKey());
    const signed: unknown[] = [];
    const signTypedData: typeof local.signTypedData = (typedData) => {
      signed.push(typedData);
      return local.signTypedData(typedData);
    };
    const owner = { ...local, signTypedData };
    const account = await toSimple7702SmartAccount({ client: chain, owner });
    const authorization = await signAuthorization(chain, { account: owner, contractAddress: DELEGATE });

    // With gas, so that no bundler has to estimate it: that of a hostile relay may be its own.
    const gas = { callGasLimit: 100_000n, verificationGasLimit: 500_000n, preVerificationGas: 60_000n };
    const sending = bundlerOf(account, paymaster).sendUserOperation({ calls: [call(1)], authorization, ...gas });

    await refused(sending, ClientError, "answer_invalid").finally(relay.stop);
    assert.deepEqual(signed, []);
  });

  const libraries = {
    viem: (owner: PrivateKeyAccount) => toSimple7702SmartAccount({ client: chain, owner }),
    "permissionless.js": (owner: PrivateKeyAccount) => to7702SimpleSmartAccount({ client: chain, owner }),
  };
  for (const [library, toAccount] of Object.entries(libraries)) {
    test(`a passkey sponsors a Simple7702 account of ${library} that signs with its own key`, async () => {
      const authenticator = new SoftwareAuthenticator();
      const paymaster = paymasterOf(await register(authenticator), authenticator);
      const owner = privateKeyToAccount(generatePrivateKey());
      const account = (await toAccount(owner)) as SmartAccount;
      const authorization = await signAuthorization(chain, { account: owner, contractAddress: DELEGATE });

      await bundlerOf(account, paymaster).sendUserOperation({ calls: [call(1)], authorization });

      await mined(owner.address, 1, paymaster);
      assert.deepEqual(authenticator.touches, ["create", "get"]);
    });
  }
}
