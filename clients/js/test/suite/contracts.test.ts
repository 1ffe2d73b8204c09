// Accounts of other makers, owned by a key in the TEE, through permissionless.js: their contracts
// are compiled from the sources on npm. The makers published them for EntryPoint v0.6.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { type TeeOwner, toTeeOwner } from "@super-relay/client";
import { toBiconomySmartAccount, toThirdwebSmartAccount } from "permissionless/accounts";
import { type Address, encodeFunctionData, parseAbi, zeroAddress } from "viem";
import type { SmartAccount } from "viem/account-abstraction";
import { bundlerOf, paymasterOf, register } from "../support/accounts.js";
import { compile, deploy } from "../support/contracts.js";
import { call, callsOf, eventsOf, mined } from "../support/mined.js";
import { SoftwareAuthenticator } from "../support/software-authenticator.js";
import { chain, entryPoint } from "../support/world.js";

/** The account of that owner, or the one at that address. */
type ToAccount = (owner: TeeOwner, address?: Address) => Promise<SmartAccount>;

const v06 = { address: entryPoint.address, version: "0.6" } as const;

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

async function newOwner() {
  const authenticator = new SoftwareAuthenticator();
  const tee = await register(authenticator);
  const paymaster = paymasterOf(tee, authenticator);
  return { authenticator, paymaster, owner: toTeeOwner({ account: tee, paymaster }) };
}

if (entryPoint.version === "0.6") {
  for (const [name, deployed] of Object.entries({ "Thirdweb's": thirdweb, "Biconomy's v2": biconomy })) {
    let toAccount: ToAccount;
    before(async () => {
      toAccount = await deployed();
    });

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
}
