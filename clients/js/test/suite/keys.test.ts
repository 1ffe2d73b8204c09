// API keys, invitations and rates: a second node on the same chain, whose operator requires them.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { createTeeAccount, createTeePaymaster, KmsError, RelayError } from "@super-relay/client";
import { refused } from "../support/refused.js";
import { askRelay } from "../support/relay.js";
import { SoftwareAuthenticator } from "../support/software-authenticator.js";
import { CHAIN_ID, configuration, entryPoint, superRelay } from "../support/world.js";
import { type Started, start, stop } from "../world/processes.js";

const CALLS_PER_MINUTE = 4;
let folder: string;
let node: Started;
let rpcUrl: string;
let kmsUrl: string;
let key: string;

/** The configuration of the suite's node with other data, and stricter. */
function settings(): string[] {
  const changed = {
    "listen.rpc": "127.0.0.1:0",
    "listen.ops": "127.0.0.1:0",
    "listen.kms": "127.0.0.1:0",
    "shutdown.drain_seconds": 0,
    "log.format": "json",
    "log.filter": "info",
    "relay.database": join(folder, "relay.sqlite"),
    "relay.relay_key.file": join(folder, "relay-key.json"),
    "relay.relay_key.passphrase_file": join(folder, "relay-key.passphrase"),
    "relay.rpc.anonymous_calls_per_minute": CALLS_PER_MINUTE,
    "kms.data_dir": join(folder, "kms"),
    "kms.account_creation": "authorised",
    "bootstrap.admin_key_file": join(folder, "admin.key"),
  };
  const sets = Object.entries(changed).flatMap(([name, value]) => ["--set", `${name}=${value}`]);
  return ["--config", configuration, ...sets];
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "super-relay-keys-"));
  await writeFile(join(folder, "relay-key.passphrase"), "of the tests of clients/js");
  node = await start(superRelay, ["node", ...settings()], /"message":"(not )?ready/);
  const address = (server: string) => node.said.match(new RegExp(`"${server}":"([^"]+)"`))?.[1];
  [rpcUrl, kmsUrl] = [`http://${address("rpc")}`, `http://${address("kms")}`];
  const generate = ["api-key", ...settings(), "generate", "--label", "server"];
  key = (await promisify(execFile)(superRelay, generate)).stdout.trim();
});

after(async () => {
  await stop(node);
  await rm(folder, { recursive: true, force: true });
});

const create = (invitation?: string) =>
  createTeeAccount({ kmsUrl, userName: "alice", invitation, authenticator: new SoftwareAuthenticator() });

/** What the page's server does. */
async function invite(): Promise<string> {
  const server = { url: rpcUrl, headers: { authorization: `Bearer ${key}` } };
  return (await askRelay<{ invitation: string }>("pm_createAccountInvitation", [], server)).invitation;
}

test("an account needs an invitation, which is good for one", async () => {
  const error = await refused(create(), KmsError, "creation_unauthorised");
  assert.equal(error.status, 401);
  assert.match(error.hint ?? "", /pm_createAccountInvitation/);

  const invitation = await invite();
  assert.match((await create(invitation)).accountId, /^pk_/);

  await refused(create(invitation), KmsError, "invitation_used_up");
});

test("a caller over the rate is told when to come back, and one with a key is not", async () => {
  const draft = {
    sender: "0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
    nonce: 0n,
    callData: "0x",
    chainId: CHAIN_ID,
    entryPointAddress: entryPoint.address,
  } as const;
  const account = { accountId: "nobody" };
  const ask = async () => {
    for (let calls = 0; calls <= CALLS_PER_MINUTE; calls += 1) {
      const asking = createTeePaymaster({ rpcUrl, account }).getPaymasterStubData(draft);
      await asking.catch((error) => {
        if (error.reason === "rate_limited") throw error;
      });
    }
  };

  const error = await refused(ask(), RelayError, "rate_limited");
  assert.equal(error.code, -32504);
  assert.equal(error.retryable, true);
  assert.ok(Number(error.limits.limit) <= CALLS_PER_MINUTE);
  assert.ok((error.limits.retryAfter ?? 0) > 0);

  // Not over the rate, but still nobody.
  for (const options of [{ headers: { "x-api-key": key } }, { rpcUrl: `${rpcUrl}/rpc/${CHAIN_ID}/${key}` }]) {
    const paymaster = createTeePaymaster({ rpcUrl, account, ...options });
    await refused(paymaster.getPaymasterStubData(draft), RelayError, "account_unknown");
  }
});
