// What the node tells its page: crates/paymaster-relay/src/rpc/page.rs.
import type { Address } from "viem";
import type { EntryPointVersion } from "viem/account-abstraction";

export interface Facts {
  version: string;
  /** Of the JSON-RPC, on the page's own origin. */
  rpcPath: string;
  chainId: number;
  entryPoint: Address;
  entryPointVersion: EntryPointVersion;
  paymaster: Address;
  kmsUrl: string;
  /** Of a node of the chain; null if the operator named none that is public. */
  nodeUrl: string | null;
  rpId: string;
  /** The relay's key at this moment: it rotates. */
  relaySigner: Address;
}

export async function loadFacts(): Promise<Facts> {
  const answer = await fetch("/page/facts.json");
  if (!answer.ok) throw new Error(`the node does not say where its parts are (HTTP ${answer.status})`);
  return (await answer.json()) as Facts;
}

/** The whole URL of the relay's JSON-RPC. */
export const rpcUrl = (facts: Facts) => new URL(facts.rpcPath, location.origin).href;

/** The page's address at the host that passkeys of this relying party work on, if it is another. */
export function betterPlace({ rpId }: Facts): string | undefined {
  const { hostname } = location;
  if (hostname === rpId || hostname.endsWith(`.${rpId}`)) return undefined;
  const place = new URL(location.href);
  place.hostname = rpId;
  return place.href;
}
