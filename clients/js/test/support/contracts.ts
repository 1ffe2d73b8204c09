// Account contracts as their makers publish them on npm (tests/clients/contracts), compiled with
// the compiler of our own contracts and deployed on the chain of the tests.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import {
  type Abi,
  type Address,
  concat,
  encodeDeployData,
  getContractAddress,
  type Hex,
  numberToHex,
  parseAbi,
  zeroHash,
} from "viem";
import { transact } from "./anvil.js";
import { anvil, chain } from "./world.js";

/** Makes contracts by CREATE2; every anvil starts with it. */
const FACTORY = "0x4e59b44847b379578588920cA78FbF26c0B4956C";
/** Any account: anvil sends for it. */
const DEPLOYER = "0x00000000000000000000000000000000000de910";

const project = fileURLToPath(new URL("../../../../", import.meta.url));
const solc = createRequire(`${project}contracts/package.json`)("solc");

/** Rhinestone's kit expects a checkout of these; they need another OpenZeppelin than others. */
const ERC4337 = "@ERC4337/account-abstraction";
const remappings = [
  `${ERC4337}/contracts/=${ERC4337}/`,
  `${ERC4337}/:@openzeppelin/=${ERC4337}/node_modules/@openzeppelin/`,
];

/** What the compiler makes of a contract. */
export interface Contract {
  abi: Abi;
  bytecode: Hex;
}

/** A source in one of the packages. Some demand one version of the compiler, which is not ours. */
const read = (path: string) =>
  readFileSync(`${project}tests/clients/contracts/node_modules/${path}`, "utf8").replace(
    /pragma solidity (\d+\.\d+\.\d+);/,
    "pragma solidity ^$1;",
  );

/** Compiles the contracts of these sources, which are named like their files. */
export function compile<Path extends string>(...paths: Path[]): Record<Path, Contract> {
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(paths.map((path) => [path, { content: read(path) }])),
    settings: {
      remappings,
      optimizer: { enabled: true, runs: 200 },
      outputSelection: Object.fromEntries(paths.map((path) => [path, { "*": ["abi", "evm.bytecode.object"] }])),
    },
  };
  const imported = { import: (path: string) => ({ contents: read(path) }) };
  const { errors = [], contracts } = JSON.parse(solc.compile(JSON.stringify(input), imported));
  for (const { severity, formattedMessage } of errors) {
    if (severity === "error") throw new Error(formattedMessage);
  }
  const compiled = paths.map((path) => {
    const { abi, evm } = contracts[path][path.replace(/^.*\/|\.sol$/g, "")];
    return [path, { abi, bytecode: `0x${evm.bytecode.object}` }];
  });
  return Object.fromEntries(compiled);
}

/** Creation code that a source has as a constant, and how it is made, as `parseAbi` wants it. */
export function constant(path: string, name: string, made: string): Contract {
  const [, bytecode] = read(path).match(new RegExp(`bytes public constant ${name} =\\s*hex"(\\w+)"`)) ?? [];
  if (!bytecode) throw new Error(`${path} has no ${name}`);
  return { abi: parseAbi([made]) as Abi, bytecode: `0x${bytecode}` };
}

/** Deploys a contract and gives its address, which depends on nothing else. */
export async function deploy(contract: Contract, args: unknown[] = []): Promise<Address> {
  const { address, data } = creation(contract, args);
  if (await chain.getCode({ address })) return address;
  await anvil("anvil_setBalance", [DEPLOYER, numberToHex(10n ** 20n)]);
  await transact(DEPLOYER, FACTORY, concat([zeroHash, data]));
  return address;
}

/**
 * The same for a contract that is larger than chains allow (EIP-170). Its code is what the creation
 * code gives if it runs at that address; what the constructor stores is lost.
 */
export async function place(contract: Contract, args: unknown[] = []): Promise<Address> {
  const { address, data } = creation(contract, args);
  await anvil("anvil_setCode", [address, data]);
  const code = await anvil("eth_call", [{ to: address }, "latest"]);
  await anvil("anvil_setCode", [address, code]);
  return address;
}

function creation({ abi, bytecode }: Contract, args: unknown[]): { address: Address; data: Hex } {
  const data = encodeDeployData({ abi, bytecode, args });
  return { address: getContractAddress({ opcode: "CREATE2", from: FACTORY, salt: zeroHash, bytecode: data }), data };
}
