// The recipe of clients/js, in two halves: sponsor, then send.
import {
  createTeePaymaster,
  type FinalOperation,
  simpleAccountParameters,
  type TeeAccount,
  toTeeOwner,
} from "@super-relay/client";
import { toSimpleSmartAccount } from "permissionless/accounts";
import { type Address, type Hex, parseGwei } from "viem";
import {
  createBundlerClient,
  formatUserOperationRequest,
  getUserOperationHash,
  type SmartAccount,
  type UserOperation,
  type UserOperationReceipt,
} from "viem/account-abstraction";
import { findRoute, type Route, relayTransport } from "./bundler.js";
import { type Connection, hostSettings } from "./connection.js";
import type { Recorder } from "./recorder.js";

/** An operation with every signature, and who sends it. */
export interface Sponsored {
  operation: FinalOperation;
  userOpHash: Hex;
  tee: TeeAccount;
  route: Route;
}

/** The smart account of a TEE's account, deployed or not. */
export async function smartAccount(
  { chain, facts }: Connection,
  tee: TeeAccount,
  owner: ReturnType<typeof toTeeOwner>,
): Promise<SmartAccount> {
  // permissionless.js 0.4 knows no v0.9: its SimpleAccount signs and batches as that of v0.8.
  const version = facts.entryPointVersion === "0.9" ? "0.8" : facts.entryPointVersion;
  const entryPoint = { address: facts.entryPoint, version };
  return (await toSimpleSmartAccount({
    client: chain,
    owner,
    entryPoint,
    ...simpleAccountParameters(tee),
  })) as SmartAccount;
}

/** One touch. */
export async function sponsor(connection: Connection, tee: TeeAccount, recorder: Recorder): Promise<Sponsored> {
  const { facts, chain, relayUrl } = connection;
  const route = await findRoute(connection);
  const paymaster = createTeePaymaster({
    ...hostSettings(connection),
    rpcUrl: relayUrl,
    account: tee,
    entryPointVersion: facts.entryPointVersion,
    paymasterAddress: facts.paymaster,
    authenticator: recorder,
  });
  const account = await smartAccount(connection, tee, toTeeOwner({ account: tee, paymaster }));
  const bundler = createBundlerClient({
    account,
    client: chain,
    paymaster,
    transport: route.transport,
    userOperation: { estimateFeesPerGas: () => fees(connection) },
  });
  const prepared = await bundler.prepareUserOperation({
    calls: [{ to: tee.ownerAddress, value: 0n, data: "0x" }],
  });
  const unsigned = prepared as object as UserOperation;
  const signature = await account.signUserOperation(unsigned as never);
  const operation = {
    chainId: facts.chainId,
    entryPointAddress: facts.entryPoint,
    entryPointVersion: facts.entryPointVersion,
    userOperation: { ...unsigned, signature } as UserOperation,
  };
  return { operation, userOpHash: getUserOperationHash(operation), tee, route };
}

/** Returns once it is mined. */
export async function send(
  { chain }: Connection,
  { operation, route, userOpHash }: Sponsored,
): Promise<UserOperationReceipt> {
  const bundler = createBundlerClient({ client: chain, transport: route.transport, pollingInterval: 500 });
  const sent = formatUserOperationRequest(operation.userOperation);
  await bundler.request({ method: "eth_sendUserOperation", params: [sent, operation.entryPointAddress] });
  return bundler.waitForUserOperationReceipt({ hash: userOpHash, timeout: 120_000 });
}

/** The most that it can cost its paymaster, in wei. */
export function mostItCosts({ operation }: Sponsored): bigint {
  const op = operation.userOperation as object as Record<string, bigint | undefined>;
  const limits = [
    "callGasLimit",
    "verificationGasLimit",
    "preVerificationGas",
    "paymasterVerificationGasLimit",
    "paymasterPostOpGasLimit",
  ];
  const gas = limits.reduce((sum, name) => sum + (op[name] ?? 0n), 0n);
  // The EntryPoint of v0.6 reserves verification gas for the paymaster's two calls, too.
  const extra = operation.entryPointVersion === "0.6" ? 2n * (op["verificationGasLimit"] ?? 0n) : 0n;
  return (gas + extra) * (op["maxFeePerGas"] ?? 0n);
}

interface Fees {
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

/** The bundler's own price where it tells one, or else twice the base fee and a tip. */
async function fees(connection: Connection): Promise<Fees> {
  try {
    const price = await relayTransport(connection)({ chain: connection.chain.chain }).request({
      method: "pimlico_getUserOperationGasPrice",
    });
    const { maxFeePerGas, maxPriorityFeePerGas } = (price as { fast: Record<keyof Fees, Hex> }).fast;
    return { maxFeePerGas: BigInt(maxFeePerGas), maxPriorityFeePerGas: BigInt(maxPriorityFeePerGas) };
  } catch {
    const { baseFeePerGas } = await connection.chain.getBlock();
    const tip = parseGwei("1");
    return { maxFeePerGas: 2n * (baseFeePerGas ?? tip) + tip, maxPriorityFeePerGas: tip };
  }
}

/** Whether something is deployed there. */
export const isDeployed = async ({ chain }: Connection, address: Address): Promise<boolean> =>
  (await chain.getCode({ address })) !== undefined;
