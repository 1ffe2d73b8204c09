import type { Address } from "viem";
import {
  type EntryPointVersion,
  type GetPaymasterDataParameters,
  getUserOperationHash,
  type UserOperation,
} from "viem/account-abstraction";

/** An operation that viem has completed, with the EntryPoint and chain that it is for. */
export interface FinalOperation {
  chainId: number;
  entryPointAddress: Address;
  entryPointVersion: EntryPointVersion;
  userOperation: UserOperation;
}

/** What viem's paymaster actions get, taken apart. */
export interface PaymasterRequest {
  chainId: number;
  entryPointAddress: Address;
  /** viem's `paymasterContext`. */
  context: unknown;
  /** The fields of the operation, among others of viem's own. */
  userOperation: UserOperation;
}

/** Takes the parameters of viem's paymaster actions apart. */
export function toPaymasterRequest(parameters: GetPaymasterDataParameters): PaymasterRequest {
  const { chainId, entryPointAddress, context, ...userOperation } = parameters;
  return { chainId, entryPointAddress, context, userOperation: userOperation as UserOperation };
}

/** `getUserOpHash` of the operation with these paymaster fields in place of its own, if any. */
export function hashWith(paymasterFields: object, operation: FinalOperation) {
  const { userOperation, ...place } = operation;
  const withFields = { ...userOperation, ...NO_PAYMASTER, ...paymasterFields, signature: "0x" } as UserOperation;
  return getUserOperationHash({ ...place, userOperation: withFields });
}

const NO_PAYMASTER = {
  paymaster: undefined,
  paymasterData: undefined,
  paymasterVerificationGasLimit: undefined,
  paymasterPostOpGasLimit: undefined,
  paymasterSignature: undefined,
  paymasterAndData: undefined,
};
