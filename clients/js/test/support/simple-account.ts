// The SimpleAccount of a TEE's account, as a dApp makes it. Also in the page, so without the
// environment of the tests.
import { simpleAccountParameters, type TeeAccount, type TeeOwner } from "@super-relay/client";
import { toSimpleSmartAccount } from "permissionless/accounts";
import type { Address, PublicClient } from "viem";
import type { EntryPointVersion, SmartAccount } from "viem/account-abstraction";

export async function toAccount(
  client: PublicClient,
  entryPoint: { address: Address; version: EntryPointVersion },
  tee: TeeAccount,
  owner: TeeOwner,
): Promise<SmartAccount> {
  // permissionless.js 0.4 knows no v0.9: its SimpleAccount signs and batches as that of v0.8.
  const version = entryPoint.version === "0.9" ? "0.8" : entryPoint.version;
  return (await toSimpleSmartAccount({
    client,
    owner,
    entryPoint: { address: entryPoint.address, version },
    ...simpleAccountParameters(tee),
  })) as SmartAccount;
}
