// A relay that answers what the test says, to requests that it does not look at.
import {
  type Authenticator,
  type CreateTeePaymasterParameters,
  createTeePaymaster,
  getIntentHash,
} from "@super-relay/client";
import { entryPoint07Address, getUserOperationHash, type UserOperation } from "viem/account-abstraction";
import { type Received, startHost } from "./host.js";

export const ADDRESS = "0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
export const account = { accountId: "alice" };
const place = { chainId: 1, entryPointAddress: entryPoint07Address } as const;
const userOperation: UserOperation<"0.7"> = {
  sender: ADDRESS,
  nonce: 0n,
  callData: "0x",
  callGasLimit: 1n,
  verificationGasLimit: 1n,
  preVerificationGas: 1n,
  maxFeePerGas: 1n,
  maxPriorityFeePerGas: 1n,
  signature: "0x",
};
export const draft = { ...place, ...userOperation };
export const fields = {
  paymaster: ADDRESS,
  paymasterData: "0x",
  paymasterVerificationGasLimit: "0x1",
  paymasterPostOpGasLimit: "0x0",
};

export const authenticator: Authenticator = {
  create: async () => ({ id: "AAAA", rawId: "AAAA", type: "public-key", clientExtensionResults: {} }) as never,
  get: async () => ({}) as never,
};

/** What a paymaster of a relay with that answer does. */
export async function withRelay<Result>(
  answer: (received: Received) => unknown,
  use: (paymaster: ReturnType<typeof createTeePaymaster>) => Promise<Result>,
  options: Partial<CreateTeePaymasterParameters> = {},
): Promise<Result> {
  const host = await startHost(answer);
  const paymaster = createTeePaymaster({ rpcUrl: host.url, account, authenticator, retryDelay: 1, ...options });
  return use(paymaster).finally(host.stop);
}

const intentHash = getIntentHash({ ...place, entryPointVersion: "0.7", userOperation, ...account });
export const intent = {
  intentHash,
  webauthn: { rpId: "localhost", allowCredentials: [{ type: "public-key", id: "AAAA" }] },
};
export const hashWith = (paymasterFields: object) =>
  getUserOperationHash({ ...place, entryPointVersion: "0.7", userOperation: { ...userOperation, ...paymasterFields } });
export const paid = { ...fields, paymasterVerificationGasLimit: 1n, paymasterPostOpGasLimit: 0n } as const;
export const sponsored = { userOperation: fields, userOpHash: hashWith(paid), signature: `0x${"11".repeat(65)}` };

/** A relay that answers an intent with the one, and a sponsorship with the other. */
export const relayOf = (intent: unknown, sponsored: unknown) => (received: Received) => ({
  result: received.body.includes("pm_getSponsorshipIntent") ? intent : sponsored,
});
