// Messages that the key in the TEE signs, as contracts on the chain verify them.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { ClientError, createTeeMessages, KmsError, type TeeAccount, toTeeOwner } from "@super-relay/client";
import { type Hex, hashMessage, isErc6492Signature, size } from "viem";
import { toSimple7702SmartAccount } from "viem/account-abstraction";
import { signMessage } from "viem/experimental/erc7739";
import { newAccount, paymasterOf, register } from "../support/accounts.js";
import { erc7739Account } from "../support/erc7739-account.js";
import { lyingKms } from "../support/lying-host.js";
import { call, mined } from "../support/mined.js";
import { refused } from "../support/refused.js";
import { SoftwareAuthenticator } from "../support/software-authenticator.js";
import { anvil, chain, entryPoint, RP_ID, urls } from "../support/world.js";

const TEXT = "wallet.example wants you to sign in with your Ethereum account";
const BYTES = { raw: `0x${"32".repeat(33)}` } as const;
/** As long as the hash of an operation. */
const HASH = { raw: `0x${"32".repeat(32)}` } as const;
let authenticator: SoftwareAuthenticator;
let tee: TeeAccount;

const messagesOf = (options: Partial<Parameters<typeof createTeeMessages>[0]> = {}) =>
  createTeeMessages({ kmsUrl: urls.kms, account: tee, rpId: RP_ID, authenticator, ...options });

before(async () => {
  authenticator = new SoftwareAuthenticator();
  tee = await register(authenticator);
});

test("a contract of ERC-7739 verifies a message before it is deployed and after", async () => {
  const smartAccount = await erc7739Account(tee.ownerAddress);
  const { address } = smartAccount;
  const messages = messagesOf();
  assert.equal(messages.address, tee.ownerAddress);
  const touches = authenticator.touches.length;

  const early = await messages.signMessage({ client: chain, smartAccount, message: TEXT });

  assert.ok(isErc6492Signature(early));
  assert.equal(authenticator.touches.length, touches + 1);
  assert.equal(await chain.verifyMessage({ address, message: TEXT, signature: early }), true);
  assert.equal(await chain.verifyMessage({ address, message: `${TEXT}.`, signature: early }), false);
  const other = await erc7739Account(smartAccount.address);
  assert.equal(await chain.verifyMessage({ address: other.address, message: TEXT, signature: early }), false);

  await smartAccount.deploy();
  assert.equal(await chain.verifyMessage({ address, message: TEXT, signature: early }), true);
  for (const message of [TEXT, BYTES]) {
    const signature = await messages.signMessage({ client: chain, smartAccount, message });
    assert.equal(size(signature), 65);
    assert.equal(await chain.verifyMessage({ address, message, signature }), true);
    // The same key's contract at another address does not take it.
    assert.equal(await chain.verifyMessage({ address: tee.ownerAddress, message, signature }), false);
  }
});

test("the owner signs what viem has it sign for a contract of ERC-7739", async () => {
  const smartAccount = await erc7739Account(tee.ownerAddress);
  await smartAccount.deploy();
  const owner = toTeeOwner({ account: tee, paymaster: paymasterOf(tee, authenticator), messages: messagesOf() });

  for (const message of ["1", "hello 10", TEXT, BYTES, "é".repeat(5000)]) {
    const signature = await signMessage(chain, { account: owner, message, verifier: smartAccount.address });

    assert.equal(await chain.verifyMessage({ address: smartAccount.address, message, signature }), true);
  }
});

test("the owner's address verifies a message as any externally owned account does", async () => {
  const address = tee.ownerAddress;
  const smartAccount = { address, getFactoryArgs: async () => ({}) };

  const signature = await messagesOf().signMessage({ client: chain, smartAccount, message: TEXT });

  assert.equal(size(signature), 65);
  assert.equal(await chain.verifyMessage({ address, message: TEXT, signature }), true);
});

test("a SimpleAccount verifies no messages, which is said before the touch", async () => {
  const touching = new SoftwareAuthenticator();
  const { tee: account, account: smartAccount, bundler, paymaster } = await newAccount(touching);
  const messages = messagesOf({ account, authenticator: touching });
  const ask = () => messages.signMessage({ client: chain, smartAccount, message: TEXT });

  const error = await refused(ask(), ClientError, "messages_not_supported");
  // Factories of v0.8 and later deploy for the EntryPoint only: nothing is known of the contract.
  assert.match(error.details, ["0.6", "0.7"].includes(entryPoint.version) ? /isValidSignature/ : /factory/);
  assert.match(error.hint ?? "", /SimpleAccount/);
  await bundler.sendUserOperation({ calls: [call(1)] });
  await mined(smartAccount.address, 1, paymaster);
  const deployed = await refused(ask(), ClientError, "messages_not_supported");
  assert.match(deployed.details, /isValidSignature/);
  assert.deepEqual(touching.touches, ["create", "get"]);
});

test("no message that could be the hash of an operation is approved or signed", async () => {
  const touches = authenticator.touches.length;
  const messages = messagesOf();
  const smartAccount = await erc7739Account(tee.ownerAddress);
  for (const message of [HASH, "a text that has exactly 32 bytes"]) {
    await refused(messages.sign({ message }), ClientError, "message_is_hash");
    const asked = messages.signMessage({ client: chain, smartAccount, message });
    await refused(asked, ClientError, "message_is_hash");
  }
  assert.equal(authenticator.touches.length, touches);
});

test("an operation's hash that nobody sponsored is refused by an owner that signs messages", async () => {
  const owner = toTeeOwner({ account: tee, paymaster: paymasterOf(tee, authenticator), messages: messagesOf() });

  await refused(owner.signMessage({ message: HASH }), ClientError, "signature_not_available");
  await refused(owner.sign({ hash: hashMessage(TEXT) }), ClientError, "signature_not_available");
  const types = { PersonalSign: [{ name: "prefixed", type: "bytes" }] } as const;
  const domain = { name: "a", version: "1", chainId: 1, verifyingContract: tee.ownerAddress } as const;
  for (const prefixed of ["0x", "0x19", HASH.raw] as Hex[]) {
    const asked = owner.signTypedData({ domain, types, primaryType: "PersonalSign", message: { prefixed } });
    await refused(asked, ClientError, "signature_not_available");
  }
});

test("a contract with another owner does not accept the signature", async () => {
  const smartAccount = await erc7739Account(entryPoint.address);
  const asked = messagesOf().signMessage({ client: chain, smartAccount, message: TEXT });

  await refused(asked, ClientError, "message_not_accepted");
});

test("a KMS that answers with another message's signature is not believed", async () => {
  const signature = await messagesOf().sign({ message: "another" });
  const kms = await lyingKms((_, answer) => ({ ...answer, signature }));

  const asked = messagesOf({ kmsUrl: kms.url }).sign({ message: TEXT });

  await refused(asked, ClientError, "signature_invalid").finally(kms.stop);
});

test("what the KMS refuses is its error", async () => {
  const messages = messagesOf({ account: { ...tee, accountId: "nobody" } });
  await refused(messages.sign({ message: TEXT }), KmsError, "account_unknown");
  const domain = { name: "ERC4337", version: "1", chainId: 1, verifyingContract: tee.ownerAddress };
  await refused(messagesOf().sign({ message: TEXT, domain }), KmsError, "domain_not_allowed");
});

if (entryPoint.version === "0.8") {
  const DELEGATE: Hex = "0xe6Cae83BdE06E4c305530e199D7217f42808555B";

  test("a Simple7702 account of the owner's verifies a message that viem has it sign", async () => {
    const own = await register(authenticator);
    const messages = messagesOf({ account: own });
    const owner = toTeeOwner({ account: own, paymaster: paymasterOf(own, authenticator), messages });
    await anvil("anvil_setCode", [owner.address, `0xef0100${DELEGATE.slice(2)}`]);
    const account = await toSimple7702SmartAccount({ client: chain, owner });

    const signature = await account.signMessage({ message: TEXT });

    assert.equal(await chain.verifyMessage({ address: account.address, message: TEXT, signature }), true);
    const direct = await messages.signMessage({ client: chain, smartAccount: account, message: TEXT });
    assert.equal(direct, signature);
  });
}
