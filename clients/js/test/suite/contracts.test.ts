// Accounts of other makers, owned by a key in the TEE, through permissionless.js: their contracts
// are those on npm. Thirdweb and Biconomy published sources, for EntryPoint v0.6. Of Kernel and
// Nexus there is creation code in Rhinestone's kit, for v0.7, and no validator but one that takes
// every signature: what Kernel's and Nexus' own check is checked here.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { type TeeOwner, toTeeOwner } from "@super-relay/client";
import {
  toBiconomySmartAccount,
  toKernelSmartAccount,
  toNexusSmartAccount,
  toThirdwebSmartAccount,
} from "permissionless/accounts";
import { type Address, encodeFunctionData, parseAbi, recoverMessageAddress, zeroAddress, zeroHash } from "viem";
import type { SmartAccount } from "viem/account-abstraction";
import { bundlerOf, paymasterOf, register } from "../support/accounts.js";
import { compile, constant, deploy, place } from "../support/contracts.js";
import { call, callsOf, eventsOf, mined } from "../support/mined.js";
import { SoftwareAuthenticator } from "../support/software-authenticator.js";
import { chain, entryPoint } from "../support/world.js";

/** The account of that owner, or the one at that address. */
type ToAccount = (owner: TeeOwner, address?: Address) => Promise<SmartAccount>;

const v06 = { address: entryPoint.address, version: "0.6" } as const;
const v07 = { address: entryPoint.address, version: "0.7" } as const;
/** Who may do with a factory what its owner may; nobody does. */
const OPERATOR = "0x00000000000000000000000000000000000de911";

async function thirdweb(): Promise<ToAccount> {
  const source = "@thirdweb-dev/contracts/prebuilts/account/non-upgradeable/AccountFactory.sol";
  const factoryAddress = await deploy(compile(source)[source], [zeroAddress, entryPoint.address]);

  return async (owner, address) =>
    (await toThirdwebSmartAccount({
      client: chain,
      owner,
      entryPoint: v06,
      factoryAddress,
      ...(address && { address }),
    })) as SmartAccount;
}

async function biconomy(): Promise<ToAccount> {
  const sources = "@biconomy-devx/account-contracts-v2/contracts/smart-account" as const;
  const account = `${sources}/SmartAccount.sol` as const;
  const factory = `${sources}/factory/SmartAccountFactory.sol` as const;
  const module = `${sources}/modules/EcdsaOwnershipRegistryModule.sol` as const;
  const contracts = compile(account, factory, module);
  const accountLogicAddress = await deploy(contracts[account], [entryPoint.address]);
  const ecdsaModuleAddress = await deploy(contracts[module]);
  const factoryAddress = await deploy(contracts[factory], [accountLogicAddress, ecdsaModuleAddress]);
  const abi = parseAbi([
    "function initForSmartAccount(address owner)",
    "function getAddressForCounterFactualAccount(address module, bytes setup, uint256 index) view returns (address)",
  ]);
  // permissionless.js computes it from the code that Biconomy's own compiler made.
  const addressOf = (owner: TeeOwner) => {
    const setup = encodeFunctionData({ abi, functionName: "initForSmartAccount", args: [owner.address] });
    const args = [ecdsaModuleAddress, setup, 0n] as const;
    return chain.readContract({
      address: factoryAddress,
      abi,
      functionName: "getAddressForCounterFactualAccount",
      args,
    });
  };

  return async (owner, address) =>
    (await toBiconomySmartAccount({
      client: chain,
      owners: [owner],
      entryPoint: v06,
      address: address ?? (await addressOf(owner)),
      factoryAddress,
      accountLogicAddress,
      ecdsaModuleAddress,
    })) as SmartAccount;
}

const KIT = "@rhinestone/modulekit/src";
const ENTRY_POINT = "constructor(address entryPoint)";

async function anyValidator(): Promise<Address> {
  const source = `${KIT}/module-bases/mocks/MockValidator.sol` as const;
  return deploy(compile(source)[source]);
}

async function kernel(): Promise<ToAccount> {
  const source = `${KIT}/deployment/precompiles/KernelPrecompiles.sol`;
  const validatorAddress = await anyValidator();
  const accountLogicAddress = await place(constant(source, "KERNEL_BYTECODE", ENTRY_POINT), [entryPoint.address]);
  const factory = constant(source, "KERNEL_FACTORY_BYTECODE", "constructor(address kernel)");
  const factoryAddress = await deploy(factory, [accountLogicAddress]);

  return async (owner) =>
    (await toKernelSmartAccount({
      client: chain,
      owners: [owner],
      entryPoint: v07,
      version: "0.3.1",
      useMetaFactory: false,
      validatorAddress,
      accountLogicAddress,
      factoryAddress,
    })) as SmartAccount;
}

async function nexus(): Promise<ToAccount> {
  const source = `${KIT}/deployment/precompiles/NexusPrecompiles.sol`;
  const validatorAddress = await anyValidator();
  const logic = await deploy(constant(source, "NEXUS_BYTECODE", ENTRY_POINT), [entryPoint.address]);
  const code = constant(source, "NEXUS_ACCOUNT_FACTORY_BYTECODE", "constructor(address nexus, address owner)");
  const factory = await deploy(code, [logic, OPERATOR]);
  const bootstrap = await deploy(constant(source, "NEXUS_BOOTSTRAP_BYTECODE", "constructor()"));
  const abi = parseAbi([
    "struct Module { address module; bytes data; }",
    "function getInitNexusWithSingleValidatorCalldata(Module validator, address registry, address[] attesters, uint8 threshold) view returns (bytes)",
    "function createAccount(bytes init, bytes32 salt)",
    "function computeAccountAddress(bytes init, bytes32 salt) view returns (address)",
  ]);

  // permissionless.js calls another factory of Nexus', which is not on npm.
  return async (owner) => {
    const validator = { module: validatorAddress, data: owner.address };
    const init = await chain.readContract({
      abi,
      address: bootstrap,
      functionName: "getInitNexusWithSingleValidatorCalldata",
      args: [validator, zeroAddress, [], 0],
    });
    const address = await chain.readContract({
      abi,
      address: factory,
      functionName: "computeAccountAddress",
      args: [init, zeroHash],
    });
    const account = await toNexusSmartAccount({
      client: chain,
      owners: [owner],
      entryPoint: v07,
      version: "1.0.0",
      address,
      validatorAddress,
    });
    const factoryData = encodeFunctionData({ abi, functionName: "createAccount", args: [init, zeroHash] });
    const getFactoryArgs = async () => ((await account.isDeployed()) ? {} : { factory, factoryData });
    return { ...account, getFactoryArgs } as SmartAccount;
  };
}

async function newOwner() {
  const authenticator = new SoftwareAuthenticator();
  const tee = await register(authenticator);
  const paymaster = paymasterOf(tee, authenticator);
  return { authenticator, paymaster, owner: toTeeOwner({ account: tee, paymaster }) };
}

const makers: Record<string, Record<string, () => Promise<ToAccount>>> = {
  "0.6": { "Thirdweb's": thirdweb, "Biconomy's v2": biconomy },
  "0.7": { "Kernel's v3": kernel, "Nexus'": nexus },
};

const ours = Object.entries(makers[entryPoint.version] ?? {});
const constructors: Record<string, ToAccount> = {};

before(async () => {
  for (const [name, deployed] of ours) constructors[name] = await deployed();
});

for (const [name] of ours) {
  const toAccount: ToAccount = (...parameters) => (constructors[name] as ToAccount)(...parameters);

  test(`one touch makes an account of ${name}, and one sends its batch`, async () => {
    const { authenticator, paymaster, owner } = await newOwner();
    const account = await toAccount(owner);
    const bundler = bundlerOf(account, paymaster);
    assert.equal(await chain.getCode({ address: account.address }), undefined);

    await bundler.sendUserOperation({ calls: [call(1)] });
    await mined(account.address, 1, paymaster);
    await bundler.sendUserOperation({ calls: [call(2), call(3)] });

    const [created, batch] = await mined(account.address, 2, paymaster);
    assert.ok(created && batch);
    assert.deepEqual(authenticator.touches, ["create", "get", "get"]);
    assert.deepEqual(await callsOf(created.transactionHash), [1]);
    assert.deepEqual(await callsOf(batch.transactionHash), [2, 3]);
  });

  if (entryPoint.version === "0.7") {
    test(`an operation of ${name} has the signature that its own validator would check`, async () => {
      const { paymaster, owner } = await newOwner();
      const bundler = bundlerOf(await toAccount(owner), paymaster);

      const hash = await bundler.sendUserOperation({ calls: [call(1)] });
      await bundler.waitForUserOperationReceipt({ hash });

      const { signature } = (await bundler.getUserOperation({ hash })).userOperation;
      assert.equal(await recoverMessageAddress({ message: { raw: hash }, signature }), owner.address);
    });
    continue;
  }

  test(`an account of ${name} takes no signature of another key in the TEE`, async () => {
    const [owner, other] = [await newOwner(), await newOwner()];
    const account = await toAccount(owner.owner);
    await bundlerOf(account, owner.paymaster).sendUserOperation({ calls: [call(1)] });
    await mined(account.address, 1, owner.paymaster);
    const stolen = await toAccount(other.owner, account.address);

    const sending = bundlerOf(stolen, other.paymaster).sendUserOperation({ calls: [call(2)] });

    await assert.rejects(sending, /account signature check failed/);
    assert.equal((await eventsOf(account.address)).length, 1);
  });
}
