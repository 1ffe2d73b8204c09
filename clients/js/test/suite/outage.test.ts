// Outages of the real chain and of the paymaster's deposit. Last, since everything else needs both.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { RelayError } from "@super-relay/client";
import { encodeFunctionData, parseAbi, parseEther } from "viem";
import { newAccount } from "../support/accounts.js";
import { transact } from "../support/anvil.js";
import { freeze, thaw } from "../support/freeze.js";
import { call, mined } from "../support/mined.js";
import { refused } from "../support/refused.js";
import { SoftwareAuthenticator } from "../support/software-authenticator.js";
import { chain, entryPoint, paymasterAddress } from "../support/world.js";

const abi = parseAbi([
  "function owner() view returns (address)",
  "function withdrawTo(address payable to, uint256 amount)",
  "function depositTo(address account) payable",
]);

test("a deposit that is too low is refused with what it takes, and is enough again later", async () => {
  const { bundler, account, paymaster } = await newAccount(new SoftwareAuthenticator());
  const owner = await chain.readContract({ address: paymasterAddress, abi, functionName: "owner" });
  const deposit = await chain.readContract({
    address: entryPoint.address,
    abi: parseAbi(["function balanceOf(address) view returns (uint256)"]),
    functionName: "balanceOf",
    args: [paymasterAddress],
  });
  const withdraw = encodeFunctionData({ abi, functionName: "withdrawTo", args: [owner, deposit] });
  await transact(owner, paymasterAddress, withdraw);

  const sending = refused(bundler.sendUserOperation({ calls: [call(1)] }), RelayError, "paymaster_deposit_too_low");
  const back = encodeFunctionData({ abi, functionName: "depositTo", args: [paymasterAddress] });
  const error = await sending.finally(() => transact(owner, entryPoint.address, back, parseEther("1")));

  assert.equal(error.code, -32508);
  assert.equal(error.retryable, true);
  // The stub has no gas yet: on v0.6 it costs nothing at all.
  assert.match(error.limits.required ?? "", /^\d+$/);
  await bundler.sendUserOperation({ calls: [call(1)] });
  await mined(account.address, 1, paymaster);
});

test("an outage of the chain is repeated until it is over, or given up as retryable", async () => {
  const { account, paymaster } = await newAccount(new SoftwareAuthenticator(), { retryCount: 0 });
  const patient = await newAccount(new SoftwareAuthenticator(), { retryCount: 20, retryDelay: 10 });
  const draft = async (sender: typeof account) => ({
    sender: sender.address,
    nonce: 0n,
    callData: "0x" as const,
    ...(await initialisation(sender)),
    chainId: chain.chain?.id ?? 0,
    entryPointAddress: entryPoint.address,
  });
  const [once, often] = [await draft(account), await draft(patient.account)];
  const pid = anvilOf(Number(process.env["DEMO_PID"]));
  try {
    await freeze(pid);
    const error = await refused(paymaster.getPaymasterStubData(once), RelayError, "chain_unavailable");
    assert.equal(error.code, -32603);
    assert.equal(error.retryable, true);
    const asking = patient.paymaster.getPaymasterStubData(often);
    setTimeout(() => thaw(pid), 300);
    assert.ok(await asking);
  } finally {
    thaw(pid);
  }
});

async function initialisation(account: Awaited<ReturnType<typeof newAccount>>["account"]) {
  const { factory, factoryData } = await account.getFactoryArgs();
  if (factory === undefined || factoryData === undefined) return {}; // it is deployed
  return entryPoint.version === "0.6"
    ? { initCode: `${factory}${factoryData.slice(2)}` as const }
    : { factory, factoryData };
}

/** The chain's process, a child of the demo. */
function anvilOf(demo: number): number {
  const stats = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  for (const name of stats) {
    try {
      // pid (comm) state ppid …
      const [, comm, ppid] = readFileSync(`/proc/${name}/stat`, "utf8").match(/\((.*)\) \S (\d+)/) ?? [];
      if (comm === "anvil" && Number(ppid) === demo) return Number(name);
    } catch {
      // It has ended.
    }
  }
  throw new Error(`process ${demo} has no anvil`);
}
