import { concat, type Hex, keccak256, stringToHex } from "viem";
import { ClientError } from "../errors/client.js";
import { type FinalOperation, hashWith } from "./operation.js";

/** Parameters of {@link getIntentHash}. */
export interface GetIntentHashParameters extends FinalOperation {
  accountId: string;
}

/**
 * What a passkey approves: keccak256 of the operation's hash without any paymaster, and the
 * account's id (docs/api.md, "Digests"). Every field has to be final.
 */
export function getIntentHash({ accountId, ...operation }: GetIntentHashParameters): Hex {
  return keccak256(concat([hashWith({}, operation), stringToHex(accountId)]));
}

/** What one touch can approve together. */
export const MOST_INTENTS = 16;

const LIST_DOMAIN = keccak256(stringToHex("SuperRelay intents v1"));

/**
 * What a passkey approves for 2 to 16 operations at once: the hash of the list of their intent
 * hashes (docs/api.md, "Several operations with one touch"). The assertion has to carry the same
 * list as `intents`.
 *
 * @throws {@link ClientError} `too_many_operations`; `intents_invalid` for fewer than two, for
 * duplicates, and for what is no hash.
 */
export function getIntentListHash(intents: readonly Hex[]): Hex {
  if (intents.length > MOST_INTENTS) throw tooMany(intents.length);
  const different = new Set(intents.map((intent) => intent.toLowerCase()));
  if (intents.length < 2 || different.size < intents.length || !intents.every(isHash)) {
    const details = `expected 2 to ${MOST_INTENTS} different hashes of 32 bytes, found ${JSON.stringify(intents)}`;
    throw new ClientError("intents_invalid", details);
  }
  return keccak256(concat([LIST_DOMAIN, ...intents]));
}

export function tooMany(count: number): ClientError {
  const details = `one touch approves ${MOST_INTENTS} operations at most, and these are ${count}`;
  return new ClientError("too_many_operations", details);
}

const isHash = (intent: Hex): boolean => /^0x[0-9a-fA-F]{64}$/.test(intent);
