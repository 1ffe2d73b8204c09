// API keys as clients carry them, and what a client shows its user when the relay refuses.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FetchRequest, JsonRpcProvider, Network } from "ethers";
import { createClient, http } from "viem";
import { createPaymasterClient } from "viem/account-abstraction";
import { recipe } from "./support/docs.mjs";
import { browser } from "./support/passkey.mjs";
import { entryPoint, origin, urls } from "./support/world.mjs";

const KEY = process.env.API_KEY;
const WRONG = "srk_0000000000000000000000000000000000000000000";
const REASON = /API key/;
const CHAIN_ID = 31337;

/** Where a key may be: a URL and headers. */
const carriers = {
  "Authorization: Bearer": (key) => ({ url: urls.rpc, headers: { Authorization: `Bearer ${key}` } }),
  "x-api-key": (key) => ({ url: urls.rpc, headers: { "x-api-key": key } }),
  "the path": (key) => ({ url: `${urls.rpc}/rpc/${key}`, headers: {} }),
  "the path, after the chain": (key) => ({ url: `${urls.rpc}/rpc/${CHAIN_ID}/${key}`, headers: {} }),
};

const transport = ({ url, headers }) => http(url, { fetchOptions: { headers } });

const ethers = ({ url, headers }, options) => {
  const request = new FetchRequest(url);
  for (const [name, value] of Object.entries(headers)) request.setHeader(name, value);
  return new JsonRpcProvider(request, undefined, options);
};

/** What web3.py sees. */
async function web3({ url, headers }) {
  const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
  const script = path("support/web3_client.py");
  const python = path(".venv/bin/python");
  const { stdout } = await promisify(execFile)(python, [script, url, ...Object.entries(headers).flat()]);
  return JSON.parse(stdout);
}

for (const [carrier, carry] of Object.entries(carriers)) {
  test(`viem, ethers and web3.py carry a key in ${carrier}`, async () => {
    const viem = createPaymasterClient({ transport: transport(carry(KEY)) });
    const provider = ethers(carry(KEY));

    assert.deepEqual(await viem.request({ method: "pm_supportedEntryPoints" }), [entryPoint.address]);
    assert.equal((await provider.getNetwork()).chainId, BigInt(CHAIN_ID));
    assert.deepEqual(await provider.send("pm_supportedEntryPoints", []), [entryPoint.address]);
    const seen = await web3(carry(KEY));
    assert.equal(seen.connected, true);
    assert.equal(seen.chainId, CHAIN_ID);
    assert.match(seen.clientVersion, /^super-relay\//);
    provider.destroy();
  });

  test(`viem, ethers and web3.py show why a wrong key in ${carrier} is refused`, async () => {
    const viem = createClient({ transport: transport(carry(WRONG)) });
    // Without a static network ethers asks for the chain first, again and again, and shows no error
    // at all.
    const provider = ethers(carry(WRONG), { staticNetwork: Network.from(CHAIN_ID) });

    await assert.rejects(viem.request({ method: "pm_chainId" }), (error) => {
      assert.match(String(error), REASON);
      return true;
    });
    await assert.rejects(provider.send("pm_chainId", []), (error) => {
      assert.match(String(error), REASON);
      return true;
    });
    assert.match((await web3(carry(WRONG))).refused, REASON);
    provider.destroy();
  });
}

test("twenty calls at once of an ethers provider are one batch, and all pass", async () => {
  const provider = ethers(carriers["x-api-key"](KEY));

  const answers = await Promise.all(Array.from({ length: 20 }, () => provider.send("pm_chainId", [])));

  assert.deepEqual(new Set(answers), new Set(["0x7a69"]));
  provider.destroy();
});

test("a page makes an account with an invitation that its server asked for", async () => {
  browser(origin);
  const { createAccount } = await recipe();
  const server = createClient({ transport: transport(carriers["x-api-key"](KEY)) });

  await assert.rejects(createAccount(urls.kms, "mallory"), /creation_unauthorised/);
  const { invitation } = await server.request({ method: "pm_createAccountInvitation", params: [] });
  const made = await createAccount(urls.kms, "alice", { invitation });

  assert.match(made.sender, /^0x/);
  await assert.rejects(createAccount(urls.kms, "mallory", { invitation }), /invitation_used_up/);
});

test("an unknown method is refused with those that there are", async () => {
  const viem = createClient({ transport: transport(carriers["x-api-key"](KEY)) });

  await assert.rejects(viem.request({ method: "pm_sponsorOperation", params: [] }), (error) => {
    assert.match(String(error), /pm_getPaymasterData/);
    return true;
  });
});
