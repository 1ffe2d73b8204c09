import { type Address, type Hex, isAddressEqual, size, slice, zeroAddress } from "viem";
import type { EntryPointVersion } from "viem/account-abstraction";
import { ClientError } from "../errors/client.js";
import type { Answer } from "../hosts/answer.js";

/** viem's form of paymaster fields: packed on v0.6, apart on later versions. */
export type PaymasterFields =
  | { paymasterAndData: Hex }
  | {
      paymaster: Address;
      paymasterData: Hex;
      paymasterVerificationGasLimit: bigint;
      paymasterPostOpGasLimit: bigint;
      /** v0.9: outside of the hash. */
      paymasterSignature?: Hex;
    };

/** What the paymaster fields of an answer have to fit. */
export interface ExpectedPaymaster {
  entryPointVersion: EntryPointVersion;
  /** Every other paymaster is refused; undefined: none is. */
  paymasterAddress: Address | undefined;
}

/**
 * The paymaster fields of an answer and nothing else: viem spreads them into the operation. Fields
 * of another version would not be part of its hash, and without a paymaster the account would pay.
 *
 * @throws {@link ClientError} `answer_invalid` if fields are missing or name no paymaster,
 * `paymaster_mismatch`.
 */
export function paymasterFields(answer: Answer, expected: ExpectedPaymaster): PaymasterFields {
  const fields = fieldsOf(answer, expected.entryPointVersion);
  const paymaster = "paymaster" in fields ? fields.paymaster : packedPaymaster(fields.paymasterAndData);
  if (isAddressEqual(paymaster, zeroAddress)) {
    throw new ClientError("answer_invalid", "the relay answered with the zero address as paymaster: nobody would pay");
  }
  const { paymasterAddress = paymaster } = expected;
  if (isAddressEqual(paymaster, paymasterAddress)) return fields;
  const details = `the relay answered with the paymaster ${paymaster} instead of ${paymasterAddress}`;
  throw new ClientError("paymaster_mismatch", details);
}

function fieldsOf(answer: Answer, version: EntryPointVersion): PaymasterFields {
  if (version === "0.6") return { paymasterAndData: answer.hex("paymasterAndData") };
  return {
    paymaster: answer.address("paymaster"),
    paymasterData: answer.hex("paymasterData"),
    paymasterVerificationGasLimit: answer.quantity("paymasterVerificationGasLimit"),
    paymasterPostOpGasLimit: answer.quantity("paymasterPostOpGasLimit"),
    ...(version === "0.9" && { paymasterSignature: answer.hex("paymasterSignature") }),
  };
}

/** v0.6: the first 20 bytes. */
function packedPaymaster(paymasterAndData: Hex): Address {
  if (size(paymasterAndData) >= 20) return slice(paymasterAndData, 0, 20);
  throw new ClientError("answer_invalid", "the relay answered with a paymasterAndData that has no address");
}
