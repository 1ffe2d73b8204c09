// An account that verifies messages of its owner (ERC-1271, ERC-7739), with its factory.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type Address, encodeFunctionData, type Hex, parseAbi } from "viem";
import { transact } from "./anvil.js";
import { anvil, chain } from "./world.js";

const ARTIFACT = "../../../../contracts/out/Erc7739Account.sol/Erc7739AccountFactory.json";
const SALT: Hex = `0x${"00".repeat(32)}`;
const DEPLOYER: Address = "0xdede00000000000000000000000000000000dede";
const FACTORY = parseAbi([
  "function create(address owner, bytes32 salt) returns (address)",
  "function addressOf(address owner, bytes32 salt) view returns (address)",
]);

/** What viem's account constructors return of an account, and how to deploy it. */
export interface Erc7739Account {
  address: Address;
  getFactoryArgs(): Promise<{ factory?: Address; factoryData?: Hex }>;
  deploy(): Promise<void>;
}

/** The account of that owner, which is not deployed yet. */
export async function erc7739Account(owner: Address): Promise<Erc7739Account> {
  const factory = await deployedFactory();
  const parameters = { abi: FACTORY, args: [owner, SALT] as const };
  const address = await chain.readContract({ ...parameters, address: factory, functionName: "addressOf" });
  const factoryData = encodeFunctionData({ ...parameters, functionName: "create" });
  const isDeployed = async () => (await chain.getCode({ address })) !== undefined;
  return {
    address,
    getFactoryArgs: async () => ((await isDeployed()) ? {} : { factory, factoryData }),
    async deploy() {
      await transact(DEPLOYER, factory, factoryData);
      assert.ok(await isDeployed());
    },
  };
}

async function deployedFactory(): Promise<Address> {
  const { bytecode } = JSON.parse(readFileSync(new URL(ARTIFACT, import.meta.url), "utf8")) as {
    bytecode: { object: Hex };
  };
  await anvil("anvil_impersonateAccount", [DEPLOYER]);
  await anvil("anvil_setBalance", [DEPLOYER, "0xde0b6b3a7640000"]);
  const hash = (await anvil("eth_sendTransaction", [{ from: DEPLOYER, data: bytecode.object }])) as Hex;
  const { contractAddress } = await chain.waitForTransactionReceipt({ hash, pollingInterval: 50 });
  assert.ok(contractAddress);
  return contractAddress;
}
