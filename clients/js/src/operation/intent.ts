import { concat, type Hex, keccak256, stringToHex } from "viem";
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
