// Safe 1.4.1 and its 4337 module, deployed from the artifacts that Safe publishes on npm.
import { readFile } from "node:fs/promises";
import { toSafeSmartAccount } from "permissionless/accounts";
import { concat, encodeDeployData, getContractAddress, keccak256, numberToHex, toHex, zeroHash } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { chain, entryPoint } from "./world.mjs";

/**
 * Safe's factory, by which its contracts have the same address on every chain, and one of the same
 * code that anvil starts with. The transaction that makes Safe's needs its owner's key, so the code
 * is set instead.
 */
const SAFE_FACTORY = "0x914d7Fec6aaC8cd542e72Bca78B30650d45643d7";
const ANVIL_FACTORY = "0x4e59b44847b379578588920cA78FbF26c0B4956C";
/** Any account: anvil sends for it. */
const DEPLOYER = "0x00000000000000000000000000000000000de910";

/** The owner of every Safe here, so that their addresses are known before there is a node. */
const owners = [privateKeyToAccount(keccak256(toHex("owner of Safes")))];

const anvil = (method, params) => chain.request({ method, params });

/** What the compiler made of the contract in that source, named like its file. */
async function artifact(name, source) {
  const contract = source.split("/").at(-1);
  const path = `../node_modules/@safe-global/${name}/build/artifacts/contracts/${source}.sol/${contract}.json`;
  return JSON.parse(await readFile(new URL(path, import.meta.url), "utf8"));
}

/** Deploys a contract with Safe's factory and no salt, unless it is there; gives its address. */
async function deploy(name, source, args = []) {
  const { abi, bytecode } = await artifact(name, source);
  const data = encodeDeployData({ abi, bytecode, args });
  const address = getContractAddress({ opcode: "CREATE2", from: SAFE_FACTORY, salt: zeroHash, bytecode: data });
  if (await chain.getCode({ address })) return address;
  const transaction = { from: DEPLOYER, to: SAFE_FACTORY, data: concat([zeroHash, data]) };
  const hash = await anvil("eth_sendTransaction", [transaction]);
  const { status } = await chain.waitForTransactionReceipt({ hash, pollingInterval: 50 });
  if (status !== "success" || !(await chain.getCode({ address }))) throw new Error(`${source} is not deployed`);
  return address;
}

/**
 * Those contracts with another 4337 module: the same source, and another EntryPoint in its code,
 * which is any caller that its deployer likes.
 */
export async function withOtherModule(contracts) {
  return { ...contracts, safe4337ModuleAddress: await deploy("safe-4337", "Safe4337Module", [DEPLOYER]) };
}

/** The Safe with that number, deployed or not; the contracts are those of `deploySafe`. */
export const safe = (number, contracts) =>
  toSafeSmartAccount({
    client: chain,
    owners,
    version: "1.4.1",
    entryPoint,
    saltNonce: BigInt(number),
    ...contracts,
  });

/**
 * Deploys what a Safe needs. Safe's contracts get the canonical addresses, where permissionless.js
 * looks for them. The module and its setup, as compiled for npm, get others, which are returned for
 * `toSafeSmartAccount`.
 */
export async function deploySafe() {
  await anvil("anvil_setCode", [SAFE_FACTORY, await chain.getCode({ address: ANVIL_FACTORY })]);
  await anvil("anvil_setBalance", [DEPLOYER, numberToHex(10n ** 20n)]);
  await anvil("anvil_impersonateAccount", [DEPLOYER]);
  await deploy("safe-contracts", "Safe");
  await deploy("safe-contracts", "proxies/SafeProxyFactory");
  await deploy("safe-contracts", "libraries/MultiSend");
  await deploy("safe-contracts", "libraries/MultiSendCallOnly");
  return {
    safeModuleSetupAddress: await deploy("safe-4337", "SafeModuleSetup"),
    safe4337ModuleAddress: await deploy("safe-4337", "Safe4337Module", [entryPoint.address]),
  };
}
