// Stands in for a bundler where the relay has none, on a chain for development: its node has
// unlocked accounts (anvil's), and one of them calls handleOps itself. It estimates nothing, and
// gives gas that is enough for the page's operation.
import { type Address, custom, encodeFunctionData, type Hex, numberToHex, type Transport } from "viem";
import {
  entryPoint06Abi,
  entryPoint07Abi,
  entryPoint08Abi,
  type RpcUserOperation,
  toPackedUserOperation,
  type UserOperation,
} from "viem/account-abstraction";
import type { ChainClient } from "./connection.js";
import type { Facts } from "./facts.js";

const GAS = { callGasLimit: "0x249f0", verificationGasLimit: "0x927c0", preVerificationGas: "0x186a0" };
const MOST_GAS = numberToHex(3_000_000);

/** The unlocked accounts of the node: none, unless it is for development. */
export async function unlockedAccounts(chain: ChainClient): Promise<readonly Address[]> {
  try {
    return await ask<Address[]>(chain, "eth_accounts", []);
  } catch {
    return [];
  }
}

/** A method that viem's public client has no type for. */
const ask = <T>(chain: ChainClient, method: string, params: unknown[]) =>
  chain.request({ method, params } as never) as Promise<T>;

/** A transport for viem's bundler client. */
export function handleOpsTransport(chain: ChainClient, facts: Facts, sender: Address): Transport {
  const { entryPoint, entryPointVersion } = facts;

  const send = async (operation: RpcUserOperation): Promise<Hex> => {
    const parsed = fromRpc(operation as object as Record<string, string>);
    const data =
      entryPointVersion === "0.6"
        ? encodeFunctionData({ abi: entryPoint06Abi, functionName: "handleOps", args: [[parsed as never], sender] })
        : encodeFunctionData({
            abi: entryPoint07Abi,
            functionName: "handleOps",
            args: [[toPackedUserOperation(parsed)], sender],
          });
    // Asked first, for the EntryPoint's reason.
    await chain.call({ account: sender, to: entryPoint, data });
    await ask(chain, "eth_sendTransaction", [{ from: sender, to: entryPoint, data, gas: MOST_GAS }]);
    return await hashOf(parsed);
  };

  const hashOf = (parsed: UserOperation): Promise<Hex> =>
    entryPointVersion === "0.6"
      ? chain.readContract({
          address: entryPoint,
          abi: entryPoint06Abi,
          functionName: "getUserOpHash",
          args: [parsed as never],
        })
      : chain.readContract({
          address: entryPoint,
          abi: entryPoint08Abi,
          functionName: "getUserOpHash",
          args: [toPackedUserOperation(parsed)],
        });

  const receiptOf = async (userOpHash: Hex) => {
    const [event] = await chain.getContractEvents({
      address: entryPoint,
      abi: entryPoint07Abi,
      eventName: "UserOperationEvent",
      args: { userOpHash },
      fromBlock: "earliest",
      strict: true,
    });
    if (event === undefined) return null;
    const receipt = await chain.request({ method: "eth_getTransactionReceipt", params: [event.transactionHash] });
    const { sender, paymaster, success, nonce, actualGasCost, actualGasUsed } = event.args;
    const costs = { actualGasCost: numberToHex(actualGasCost), actualGasUsed: numberToHex(actualGasUsed) };
    const about = { userOpHash, entryPoint, sender, paymaster, success, nonce: numberToHex(nonce) };
    return { ...about, ...costs, logs: receipt?.logs ?? [], receipt };
  };

  return custom({
    async request({ method, params }: { method: string; params: never[] }) {
      switch (method) {
        case "eth_chainId":
          return numberToHex(facts.chainId);
        case "eth_estimateUserOperationGas":
          return GAS;
        case "eth_sendUserOperation":
          return send(params[0] as never);
        case "eth_getUserOperationReceipt":
          return receiptOf(params[0] as never);
        default:
          throw new Error(`there is no bundler for ${method}`);
      }
    },
  });
}

const QUANTITIES = [
  "nonce",
  "callGasLimit",
  "verificationGasLimit",
  "preVerificationGas",
  "maxFeePerGas",
  "maxPriorityFeePerGas",
  "paymasterVerificationGasLimit",
  "paymasterPostOpGasLimit",
];

/** With its quantities as numbers. */
function fromRpc(operation: Record<string, string>): UserOperation {
  const parsed = Object.entries(operation).map(([name, value]) => [
    name,
    QUANTITIES.includes(name) ? BigInt(value) : value,
  ]);
  return { initCode: "0x", paymasterAndData: "0x", ...Object.fromEntries(parsed) } as UserOperation;
}
