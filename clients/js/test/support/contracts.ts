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

/** Deploys a contract and gives its address, which depends on nothing else. */
export async function deploy({ abi, bytecode }: Contract, args: unknown[] = []): Promise<Address> {
  const data = encodeDeployData({ abi, bytecode, args });
  const address = getContractAddress({ opcode: "CREATE2", from: FACTORY, salt: zeroHash, bytecode: data });
  if (await chain.getCode({ address })) return address;
  await anvil("anvil_setBalance", [DEPLOYER, numberToHex(10n ** 20n)]);
  await transact(DEPLOYER, FACTORY, concat([zeroHash, data]));
  return address;
}
