import { type Address, type Hex, hexToBigInt } from "viem";
import type { GetPaymasterDataReturnType } from "viem/account-abstraction";
import { ClientError } from "../errors/client.js";

/** The paymaster fields of the relay's answers: packed on v0.6, apart on later versions. */
export interface RpcPaymasterFields {
  paymasterAndData?: Hex;
  paymaster?: Address;
  paymasterData?: Hex;
  paymasterVerificationGasLimit?: Hex;
  paymasterPostOpGasLimit?: Hex;
  /** v0.9: outside of the hash. */
  paymasterSignature?: Hex;
}

/** viem's form of paymaster fields. */
export type PaymasterFields = Extract<GetPaymasterDataReturnType, { paymaster: Address }> & {
  paymasterSignature?: Hex;
  paymasterPostOpGasLimit: bigint;
};

/**
 * The paymaster fields of an answer and nothing else: viem spreads them into the operation.
 *
 * @throws {@link ClientError} `answer_invalid` if fields are missing.
 */
export function paymasterFields(answer: RpcPaymasterFields): { paymasterAndData: Hex } | PaymasterFields {
  const { paymaster, paymasterData, paymasterVerificationGasLimit, paymasterPostOpGasLimit } = answer;
  if (paymaster && paymasterData && paymasterVerificationGasLimit && paymasterPostOpGasLimit) {
    return {
      paymaster,
      paymasterData,
      paymasterVerificationGasLimit: hexToBigInt(paymasterVerificationGasLimit),
      paymasterPostOpGasLimit: hexToBigInt(paymasterPostOpGasLimit),
      ...(answer.paymasterSignature && { paymasterSignature: answer.paymasterSignature }),
    };
  }
  if (answer.paymasterAndData) return { paymasterAndData: answer.paymasterAndData };
  throw new ClientError("answer_invalid", "the relay answered without paymaster fields");
}
