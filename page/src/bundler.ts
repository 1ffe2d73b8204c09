// Who sends the operation: the relay's bundler, or an account of the chain's own node.
import { type Address, http, type Transport } from "viem";
import type { Connection } from "./connection.js";
import { handleOpsTransport, unlockedAccounts } from "./handle-ops.js";

export interface Route {
  transport: Transport;
  /** For people. */
  name: string;
}

/** @throws Error if neither is there. */
export async function findRoute(connection: Connection): Promise<Route> {
  const entryPoints = await relayBundler(connection);
  if (entryPoints !== undefined) return { transport: relayTransport(connection), name: "the relay's bundler" };
  const [sender] = await unlockedAccounts(connection.chain);
  if (sender === undefined) {
    throw new Error("nobody can send the operation: the relay has no bundler (relay.bundler.urls)");
  }
  const { chain, facts } = connection;
  return { transport: handleOpsTransport(chain, facts, sender), name: "handleOps by an account of the node" };
}

/** The JSON-RPC of the relay, for the bundler's methods. */
export const relayTransport = ({ relayUrl, relayHeaders }: Connection): Transport =>
  http(relayUrl, { fetchOptions: { headers: relayHeaders }, retryCount: 1 });

/** The EntryPoints of the relay's bundler; undefined if it has none. */
export async function relayBundler(connection: Connection): Promise<readonly Address[] | undefined> {
  const answer = await call(connection, "eth_supportedEntryPoints");
  if (answer.error === undefined) return answer.result as Address[];
  if (answer.error.data?.reason === "bundler_not_configured") return undefined;
  throw new Error(answer.error.message);
}

interface Answer {
  result?: unknown;
  error?: { message: string; data?: { reason?: string } };
}

/** A call of the relay without parameters. */
export async function call({ relayUrl, relayHeaders }: Connection, method: string): Promise<Answer> {
  const answer = await fetch(relayUrl, {
    method: "POST",
    headers: { "content-type": "application/json", ...relayHeaders },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: [] }),
  });
  return (await answer.json()) as Answer;
}
