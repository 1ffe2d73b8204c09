import { type Address, isAddressEqual } from "viem";
import {
  type EntryPointVersion,
  entryPoint06Address,
  entryPoint07Address,
  entryPoint08Address,
  entryPoint09Address,
} from "viem/account-abstraction";
import { ClientError } from "../errors/client.js";

const PUBLISHED: readonly [Address, EntryPointVersion][] = [
  [entryPoint06Address, "0.6"],
  [entryPoint07Address, "0.7"],
  [entryPoint08Address, "0.8"],
  [entryPoint09Address, "0.9"],
];

/**
 * The version of an EntryPoint at its published address.
 *
 * @throws {@link ClientError} `entry_point_unknown` for another address.
 */
export function entryPointVersionAt(address: Address): EntryPointVersion {
  const found = PUBLISHED.find(([published]) => isAddressEqual(published, address));
  if (found !== undefined) return found[1];
  throw new ClientError("entry_point_unknown", `the version of the EntryPoint at ${address} is unknown`);
}
