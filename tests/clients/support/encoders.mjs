// The callData that libraries make for their accounts, without the accounts: none is deployed here.
import {
  to7702SimpleSmartAccount,
  toBiconomySmartAccount,
  toEcdsaKernelSmartAccount,
  toEtherspotSmartAccount,
  toLightSmartAccount,
  toNexusSmartAccount,
  toSafeSmartAccount,
  toSimpleSmartAccount,
  toThirdwebSmartAccount,
  toTrustSmartAccount,
} from "permissionless/accounts";
import {
  entryPoint06Address,
  entryPoint07Address,
  entryPoint08Address,
  toCoinbaseSmartAccount,
  toSimple7702SmartAccount,
  toSoladySmartAccount,
} from "viem/account-abstraction";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { encodeExecuteData } from "viem/experimental/erc7821";

const v06 = { address: entryPoint06Address, version: "0.6" };
const v07 = { address: entryPoint07Address, version: "0.7" };
const v08 = { address: entryPoint08Address, version: "0.8" };
const address = "0x00000000000000000000000000000000000ac000";

/** By account: a function from viem's `calls` to callData. */
export async function encoders(client) {
  const owner = privateKeyToAccount(generatePrivateKey());
  const [one, many] = [{ client, owner, address }, { client, owners: [owner], address }];
  const accounts = {
    "SimpleAccount v0.6": toSimpleSmartAccount({ ...one, entryPoint: v06 }),
    "SimpleAccount v0.7": toSimpleSmartAccount({ ...one, entryPoint: v07 }),
    "SimpleAccount v0.8": toSimpleSmartAccount({ ...one, entryPoint: v08 }),
    "Simple7702Account (viem)": toSimple7702SmartAccount({ client, owner }),
    "Simple7702Account (permissionless)": to7702SimpleSmartAccount({ client, owner }),
    "LightAccount 1.1": toLightSmartAccount({ ...one, version: "1.1.0", entryPoint: v06 }),
    "LightAccount 2.0": toLightSmartAccount({ ...one, version: "2.0.0", entryPoint: v07 }),
    Thirdweb: toThirdwebSmartAccount({ ...one, version: "1.5.20", entryPoint: v07 }),
    Trust: toTrustSmartAccount({ ...one, entryPoint: v06 }),
    Solady: toSoladySmartAccount({ ...one, entryPoint: v07 }),
    "Coinbase 1.1": toCoinbaseSmartAccount({ ...many, version: "1.1" }),
    "Biconomy v2": toBiconomySmartAccount({ ...many, entryPoint: v06 }),
    "Kernel 0.2.4": toEcdsaKernelSmartAccount({ ...many, version: "0.2.4", entryPoint: v06 }),
    "Kernel 0.3.1": toEcdsaKernelSmartAccount({ ...many, version: "0.3.1", entryPoint: v07 }),
    Nexus: toNexusSmartAccount({ ...many, version: "1.0.0", entryPoint: v07 }),
    Etherspot: toEtherspotSmartAccount({ ...many, entryPoint: v07 }),
    "Safe 1.4.1": toSafeSmartAccount({ ...many, version: "1.4.1", entryPoint: v07 }),
  };
  const made = await Promise.all(Object.values(accounts));
  const encoders = Object.keys(accounts).map((name, index) => [name, (calls) => made[index].encodeCalls(calls)]);
  return Object.fromEntries([
    ...encoders,
    ["ERC-7821", (calls) => encodeExecuteData({ calls })],
    ["ERC-7821 with opData", (calls) => encodeExecuteData({ calls, opData: "0x1234" })],
  ]);
}
