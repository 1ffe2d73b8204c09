// The hosts of the page: the relay on its own origin, a node of the chain.
import type { HostSettings } from "@super-relay/client";
import { type Chain, createPublicClient, defineChain, type HttpTransport, http, type PublicClient } from "viem";
import { type Facts, rpcUrl } from "./facts.js";

export type ChainClient = PublicClient<HttpTransport, Chain>;

export interface Connection {
  facts: Facts;
  /** A node of the chain. */
  chain: ChainClient;
  /** The relay's JSON-RPC, to which the bundler's methods belong too. */
  relayUrl: string;
  relayHeaders: Record<string, string>;
}

/** @throws Error if the operator has named no node that browsers reach. */
export function connect(facts: Facts, apiKey: string): Connection {
  if (facts.nodeUrl === null) {
    throw new Error("this page knows no node of the chain: the operator sets relay.page.node_url");
  }
  const chain = defineChain({
    id: facts.chainId,
    name: `chain ${facts.chainId}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [facts.nodeUrl] } },
  });
  const client = createPublicClient({ chain, transport: http(facts.nodeUrl), pollingInterval: 500 });
  const relayHeaders: Record<string, string> = apiKey === "" ? {} : { authorization: `Bearer ${apiKey}` };
  return { facts, chain: client, relayUrl: rpcUrl(facts), relayHeaders };
}

export const hostSettings = ({ relayHeaders }: Connection): HostSettings => ({ headers: relayHeaders });
