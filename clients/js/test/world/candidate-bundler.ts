// A bundler for the release candidate of EntryPoint v0.9, which alto 0.0.20 can't serve: it knows
// versions by their published addresses, takes the candidate for v0.7, and so neither its
// simulation nor its hash is right. This one estimates nothing: it gives gas that is enough, and
// sends each operation with handleOps of the real EntryPoint.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import {
  type Address,
  createPublicClient,
  encodeFunctionData,
  type Hex,
  http,
  numberToHex,
  type PublicClient,
} from "viem";
import { entryPoint08Abi, toPackedUserOperation, type UserOperation } from "viem/account-abstraction";

const SENDER: Address = "0xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0";
const GAS = { callGasLimit: "0x493e0", verificationGasLimit: "0x927c0", preVerificationGas: "0x186a0" };
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

/** A bundler at `url`, until it is stopped. */
export interface CandidateBundler {
  url: string;
  stop(): void;
}

export async function startCandidateBundler(chainUrl: string, entryPoint: Address): Promise<CandidateBundler> {
  const chain = createPublicClient({ transport: http(chainUrl) }) as PublicClient;
  const ask = (method: string, params: unknown[]) => chain.request({ method, params } as never) as Promise<unknown>;
  await ask("anvil_impersonateAccount", [SENDER]);
  await ask("anvil_setBalance", [SENDER, numberToHex(10n ** 20n)]);

  const send = async (sent: Record<string, string>) => {
    const parsed = Object.entries(sent).map(([name, value]) => [
      name,
      QUANTITIES.includes(name) ? BigInt(value) : value,
    ]);
    const packed = toPackedUserOperation(Object.fromEntries(parsed) as UserOperation);
    const place = { address: entryPoint, abi: entryPoint08Abi } as const;
    const hash = await chain.readContract({ ...place, functionName: "getUserOpHash", args: [packed] });
    const data = encodeFunctionData({ ...place, functionName: "handleOps", args: [[packed], SENDER] });
    // Asked first, for the EntryPoint's reason: AA24 and others.
    await chain.simulateContract({ ...place, functionName: "handleOps", args: [[packed], SENDER], account: SENDER });
    await ask("eth_sendTransaction", [{ from: SENDER, to: entryPoint, data, gas: numberToHex(5_000_000) }]);
    return hash;
  };
  const receiptOf = async (userOpHash: Hex) => {
    const [event] = await chain.getContractEvents({
      address: entryPoint,
      abi: entryPoint08Abi,
      eventName: "UserOperationEvent",
      args: { userOpHash },
      fromBlock: 0n,
      strict: true,
    });
    if (event === undefined) return null;
    const receipt = (await ask("eth_getTransactionReceipt", [event.transactionHash])) as { logs: unknown[] };
    const { sender, paymaster, success, nonce, actualGasCost, actualGasUsed } = event.args;
    const [cost, used] = [numberToHex(actualGasCost), numberToHex(actualGasUsed)];
    const costs = { actualGasCost: cost, actualGasUsed: used };
    const about = { userOpHash, entryPoint, sender, paymaster, success, nonce: numberToHex(nonce) };
    return { ...about, ...costs, logs: receipt.logs, receipt };
  };
  const methods: Record<string, (params: never[]) => unknown> = {
    eth_chainId: () => ask("eth_chainId", []),
    eth_estimateUserOperationGas: () => GAS,
    eth_sendUserOperation: ([operation]) => send(operation as never),
    eth_getUserOperationReceipt: ([hash]) => receiptOf(hash as never),
  };

  const server = createServer(async (request, response) => {
    const cors = { "access-control-allow-origin": "*", "access-control-allow-headers": "*" };
    if (request.method === "OPTIONS") return response.writeHead(204, cors).end();
    const { id, method, params } = (await json(request)) as { id: number; method: string; params: never[] };
    let answer: object;
    try {
      answer = { result: await methods[method]?.(params) };
    } catch (error) {
      answer = { error: { code: -32500, message: (error as Error).message } };
    }
    const headers = { "content-type": "application/json", ...cors };
    return response.writeHead(200, headers).end(JSON.stringify({ jsonrpc: "2.0", id, ...answer }));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, stop: () => server.close() };
}
