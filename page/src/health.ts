// The state of each part, as this page can reach it.
import { formatEther, parseAbi } from "viem";
import { call, relayBundler } from "./bundler.js";
import type { Connection } from "./connection.js";
import { unlockedAccounts } from "./handle-ops.js";
import { problemOf } from "./problem.js";

export type State = "ok" | "warning" | "failed";

export interface Health {
  part: string;
  state: State;
  /** One sentence, or a few words. */
  said: string;
}

type Look = (connection: Connection) => Promise<Omit<Health, "part">>;

const ok = (said: string) => ({ state: "ok", said }) as const;
const warning = (said: string) => ({ state: "warning", said }) as const;
const failed = (said: string) => ({ state: "failed", said }) as const;

const PARTS: [string, Look][] = [
  ["Relay", relay],
  ["KMS and TEE", kms],
  ["Chain", chain],
  ["Paymaster", paymaster],
  ["Bundler", bundler],
];

/** Every part, in the order of the page. None of them delays another. */
export const healthOf = (connection: Connection): Promise<Health[]> =>
  Promise.all(
    PARTS.map(async ([part, look]) => {
      const found = await look(connection).catch((error) => failed(problemOf(error).what));
      return { part, ...found };
    }),
  );

async function relay(connection: Connection) {
  const { result, error } = await call(connection, "web3_clientVersion");
  return error === undefined ? ok(String(result)) : failed(error.message);
}

async function kms({ facts }: Connection) {
  const answer = await fetch(`${facts.kmsUrl}/health`);
  const { status, teeMode, protection } = (await answer.json()) as {
    status: string;
    teeMode: string;
    protection: { storage: string } | null;
  };
  if (status !== "healthy") return failed(`TEE ${teeMode}: ${status}`);
  return protection?.storage === "none"
    ? warning(`healthy, but the TEE is the ${teeMode}: it protects nothing`)
    : ok(`healthy, TEE ${teeMode}`);
}

async function chain({ chain, facts }: Connection) {
  const [id, block] = await Promise.all([chain.getChainId(), chain.getBlockNumber()]);
  return id === facts.chainId
    ? ok(`chain ${id}, block ${block}`)
    : failed(`this node is of chain ${id}, and the relay's is ${facts.chainId}`);
}

const SUPER_PAYMASTER = parseAbi([
  "function getDeposit() view returns (uint256)",
  "function paused() view returns (bool)",
]);

async function paymaster({ chain, facts }: Connection) {
  const contract = { address: facts.paymaster, abi: SUPER_PAYMASTER } as const;
  const [deposit, paused] = await Promise.all([
    chain.readContract({ ...contract, functionName: "getDeposit" }),
    chain.readContract({ ...contract, functionName: "paused" }),
  ]);
  if (paused) return failed("it is paused");
  return deposit === 0n ? failed("it has no deposit") : ok(`deposit ${shortEther(deposit)} ETH`);
}

async function bundler(connection: Connection) {
  const entryPoints = await relayBundler(connection);
  if (entryPoints !== undefined) {
    const { entryPoint } = connection.facts;
    const serves = entryPoints.some((address) => address.toLowerCase() === entryPoint.toLowerCase());
    return serves ? ok("answers through the relay") : failed("it does not serve this EntryPoint");
  }
  return (await unlockedAccounts(connection.chain)).length > 0
    ? warning("none: an account of the chain's node calls handleOps instead")
    : failed("none: the relay has no relay.bundler.urls");
}

/** At most six decimals. */
export const shortEther = (wei: bigint) => formatEther(wei).replace(/(\.\d{6})\d+$/, "$1");
