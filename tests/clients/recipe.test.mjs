// docs/api.md, "With viem or permissionless.js": its code as it stands, with the packages as
// published.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, test } from "node:test";
import { createSmartAccountClient } from "permissionless";
import { concat, createClient, http } from "viem";
import { createBundlerClient, formatUserOperationRequest } from "viem/account-abstraction";
import { accountOf, bundlerOf, mined, newAccount } from "./support/accounts.mjs";
import { honest, lyingKms, lyingRelay } from "./support/lying-relay.mjs";
import { browser } from "./support/passkey.mjs";
import { block, recipe } from "./support/docs.mjs";
import {
  call,
  chain,
  entryPoint,
  origin,
  paymasterAddress,
  signatureScheme,
  steadyFees,
  urls,
} from "./support/world.mjs";

let docs, touches;

before(async () => {
  docs = await recipe();
  touches = browser(origin);
});

test("the example's page has the module of the docs", async () => {
  const example = await readFile(new URL("../../examples/viem-page/super-relay.mjs", import.meta.url), "utf8");

  assert.equal(example, await block("docs/api.md", "super-relay.mjs"));
});

test("the recipe of the docs sends a new account's first operation", { skip: entryPoint.version !== "0.7" }, async () => {
  const receipt = await docs.sendSponsored(urls, [call]);

  assert.equal(receipt.success, true);
  assert.equal(receipt.paymaster.toLowerCase(), paymasterAddress.toLowerCase());
});

test("one touch for each operation: the first deploys the account, later ones go in parallel", async () => {
  const bundler = await newAccount(docs);
  touches.length = 0;

  const first = await mined(bundler, await bundler.sendUserOperation({ calls: [call] }));
  const pair = [[call], [call, call]].map((calls) => bundler.sendUserOperation({ calls }));
  const later = await Promise.all(pair.map(async (hash) => mined(bundler, await hash)));

  assert.equal(new Set([first, ...later].map(({ nonce }) => nonce)).size, 3);
  assert.deepEqual(touches, ["get", "get", "get"]);
  assert.equal(await chain.getBalance({ address: bundler.account.address }), 0n);
});

test("a page that forgot its account finds it by the passkey", async () => {
  const made = await docs.createAccount(urls.kms, "alice", { signatureScheme });

  const found = await docs.findAccount(urls.kms);
  location.hostname = `app.${location.hostname}`; // where the relying party is the page's parent domain
  await assert.rejects(docs.findAccount(urls.kms), /NotAllowedError/);
  assert.deepEqual(await docs.findAccount(urls.kms, new URL(origin).hostname), found);

  for (const field of ["accountId", "ownerAddress", "signatureScheme", "factory", "salt"]) {
    assert.equal(found[field], made[field], field);
  }
  const { paymaster, ...account } = await accountOf(docs, { ...found, sender: made.sender });
  const bundler = bundlerOf(account, paymaster);
  await mined(bundler, await bundler.sendUserOperation({ calls: [call] }));
});

/** What the error says, or an answer in its place. */
const refusalOf = (asked) => asked.then(JSON.stringify, ({ message }) => message);

test("a page takes no other account from the KMS than its passkey's", async () => {
  const others = await docs.createAccount(urls.kms, "mallory", { signatureScheme });
  const otherPasskey = { credentialId: others.credentialId, passkeys: [others] };
  const lies = {
    "another account": (answer) => ({ ...answer, ...otherPasskey, accountId: others.accountId, ownerAddress: others.ownerAddress }),
    "another id": (answer) => ({ ...answer, accountId: others.accountId }),
    "another's passkey": (answer) => ({ ...answer, ...otherPasskey }),
  };
  for (const [name, lie] of Object.entries(lies)) {
    const kms = await lyingKms((path, answer) => (path.startsWith("/kms/") ? lie(answer) : answer));

    const answers = [
      await refusalOf(docs.createAccount(kms.url, "alice", { signatureScheme })),
      await refusalOf(docs.findAccount(kms.url, new URL(origin).hostname)),
    ];

    kms.stop();
    for (const message of answers) assert.match(message, /another account than pk_\w{40} of this passkey/, name);
  }
});

test("a page takes no account from the KMS whose passkey has its own passkey's id and another key", async () => {
  const [own, others] = [await docs.createAccount(urls.kms, "alice"), await docs.createAccount(urls.kms, "mallory")];
  const kms = await lyingKms((path, answer) => {
    const passkeys = answer.passkeys?.map((passkey) => ({ ...passkey, publicKey: own.publicKey }));
    return passkeys ? { ...answer, passkeys } : answer;
  });

  const message = await refusalOf(docs.findAccount(kms.url, new URL(origin).hostname));

  kms.stop();
  assert.match(message, /somebody else registered this passkey's id as pk_\w{40}/);
  const found = await docs.findAccount(urls.kms, new URL(origin).hostname);
  assert.equal(found.accountId, others.accountId);
});

test("an account that was made with an id of its own is the one that was asked for", async () => {
  const accountId = `alice-${Date.now()}`;

  const made = await docs.createAccount(urls.kms, "alice", { signatureScheme, accountId });

  assert.equal(made.accountId, accountId);
});

test("a relay that wants another operation approved gets no touch", async () => {
  const thief = "5afe".repeat(10);
  const theft = (operation) => ({ ...operation, callData: operation.callData.replace(call.to.slice(2), thief) });
  const relay = await lyingRelay(({ params: [operation, ...rest], ...request }) =>
    honest({ ...request, params: [request.method === "pm_getSponsorshipIntent" ? theft(operation) : operation, ...rest] }),
  );
  const bundler = await newAccount(docs, relay.url);
  touches.length = 0;

  const sending = bundler.sendUserOperation({ calls: [call] });

  await assert.rejects(sending, /another operation approved/).finally(relay.stop);
  assert.deepEqual(touches, []);
});

test("the passkey approves the page's operation whatever challenge the relay sends", async () => {
  let challenge;
  const relay = await lyingRelay(async (request) => {
    const answer = await honest(request);
    if (request.method === "pm_getSponsorshipIntent") answer.result.webauthn.challenge = "5afe".repeat(10) + "5af";
    if (request.method === "pm_sponsor_with_tee") {
      const clientData = Buffer.from(request.params[2].response.clientDataJSON, "base64url");
      challenge = Buffer.from(JSON.parse(clientData).challenge, "base64url");
    }
    return answer;
  });
  const bundler = await newAccount(docs, relay.url);

  const hash = await bundler.sendUserOperation({ calls: [call] }).finally(relay.stop);

  assert.notEqual(challenge.toString("base64url"), "5afe".repeat(10) + "5af");
  await mined(bundler, hash);
});

test("permissionless's own client sends as viem's does", async () => {
  const { account, paymaster, userOperation } = await newAccount(docs);
  const client = createSmartAccountClient({
    account,
    client: chain,
    chain: chain.chain,
    paymaster,
    userOperation,
    bundlerTransport: http(urls.bundler),
    pollingInterval: 100,
  });

  const transaction = await client.sendTransaction(call);

  assert.equal((await chain.getTransactionReceipt({ hash: transaction })).status, "success");
});

test("the operation that pm_sponsor_with_tee answers is sent as it is", async () => {
  const made = await docs.createAccount(urls.kms, "alice", { signatureScheme });
  const account = await accountOf(docs, made);
  const { factory, factoryData } = await account.getFactoryArgs();
  const deploy = entryPoint.version === "0.6" ? { initCode: concat([factory, factoryData]) } : { factory, factoryData };
  const operation = formatUserOperationRequest({
    sender: account.address,
    nonce: 0n,
    ...deploy,
    callData: await account.encodeCalls([call]),
    callGasLimit: 150_000n,
    verificationGasLimit: 500_000n,
    preVerificationGas: 60_000n,
    ...(await steadyFees.estimateFeesPerGas()),
    signature: "0x",
  });
  const relay = createClient({ transport: http(urls.rpc) });
  const params = [operation, made.accountId];

  const { webauthn } = await relay.request({ method: "pm_getSponsorshipIntent", params });
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(webauthn);
  const passkey = (await navigator.credentials.get({ publicKey })).toJSON();
  const sponsored = await relay.request({ method: "pm_sponsor_with_tee", params: [...params, passkey] });

  const bundler = createBundlerClient({ transport: http(urls.bundler), pollingInterval: 100 });
  const ready = [sponsored.userOperation, entryPoint.address];
  const hash = await bundler.request({ method: "eth_sendUserOperation", params: ready });
  assert.equal(hash, sponsored.userOpHash);
  await mined(bundler, hash);
});

test("six accounts at once", async () => {
  const bundlers = await Promise.all(Array.from({ length: 6 }, () => newAccount(docs)));

  const hashes = await Promise.all(bundlers.map((bundler) => bundler.sendUserOperation({ calls: [call] })));

  assert.equal(new Set(hashes).size, 6);
  await Promise.all(bundlers.map((bundler, index) => mined(bundler, hashes[index])));
});
