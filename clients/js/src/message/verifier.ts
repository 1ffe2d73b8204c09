import {
  type Address,
  BaseError,
  type Client,
  ContractFunctionRevertedError,
  ContractFunctionZeroDataError,
  CounterfactualDeploymentFailedError,
  type Hex,
  hexToNumber,
  isAddressEqual,
  parseAbi,
  slice,
} from "viem";
import { getChainId, getEip712Domain, readContract } from "viem/actions";
import { ClientError } from "../errors/client.js";
import type { AccountDomain } from "./digest.js";

/** An account's contract, and how it is deployed if it is not yet. */
export interface Contract {
  address: Address;
  factory?: Address | undefined;
  factoryData?: Hex | undefined;
}

const ERC1271 = parseAbi(["function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)"]);

/** Asks for the version of ERC-7739 ("Determining ERC-7739 support"). */
const ERC7739_HASH: Hex = `0x${"7739".repeat(16)}`;
const ERC7739_MAGIC: Hex = "0x7739";

/** The fields of ERC-5267: name, version, chainId and verifyingContract; and salt. */
const COMMON_FIELDS = 0x0f;
const SALT = 0x10;

/**
 * The domain in which the contract verifies PersonalSign; undefined if it is not one of ERC-7739.
 *
 * @throws {@link ClientError} `messages_not_supported` if it verifies no messages at all, or has
 * the domain of another contract: what is signed there would be valid for that one.
 */
export async function personalSignDomain(client: Client, contract: Contract): Promise<AccountDomain | undefined> {
  const { address, factory, factoryData } = contract;
  const place = factory && factoryData ? { address, factory, factoryData } : { address };
  const args = [ERC7739_HASH, "0x"] as const;
  const answer = await readContract(client, { ...place, abi: ERC1271, functionName: "isValidSignature", args }).catch(
    (error: unknown) => {
      if (isDue(error, CounterfactualDeploymentFailedError)) {
        // Such as a factory that only the EntryPoint's SenderCreator may call.
        throw unsupported(
          address,
          "is not deployed, and its factory does not deploy it when it is asked to (ERC-6492)",
        );
      }
      if (!isAnswer(error)) throw error;
      // Reverting at an empty signature is right too, for a contract of ERC-1271 alone.
      if (isMissing(error)) throw unsupported(address, "does not answer isValidSignature (ERC-1271)");
      return undefined;
    },
  );
  if (answer === undefined || slice(answer, 0, 2) !== ERC7739_MAGIC) return undefined;

  const { fields, domain } = await getEip712Domain(client, place);
  const bits = hexToNumber(fields);
  const { name, version, chainId, verifyingContract, salt } = domain;
  if ((bits & COMMON_FIELDS) !== COMMON_FIELDS) throw unsupported(address, `has a domain with the fields ${fields}`);
  const expected = client.chain?.id ?? (await getChainId(client));
  if (!isAddressEqual(verifyingContract, address) || Number(chainId) !== expected) {
    throw unsupported(
      address,
      `has the domain of ${verifyingContract} on chain ${chainId}, not its own on ${expected}`,
    );
  }
  return { name, version, chainId: expected, verifyingContract, ...((bits & SALT) !== 0 && { salt }) };
}

/** The contract ran, and gave no value. */
function isAnswer(error: unknown): error is BaseError {
  return isDue(error, ContractFunctionRevertedError) || isDue(error, ContractFunctionZeroDataError);
}

/** Whether an error of viem's is of that class, or has one of it as its cause. */
function isDue(error: unknown, kind: abstract new (...parameters: never[]) => BaseError): error is BaseError {
  return error instanceof BaseError && error.walk((cause) => cause instanceof kind) !== null;
}

/** There is no such function, nor another that is called in its place. */
function isMissing(error: BaseError): boolean {
  const reverted = error.walk((cause) => cause instanceof ContractFunctionRevertedError);
  return !(reverted instanceof ContractFunctionRevertedError) || (reverted.raw ?? "0x") === "0x";
}

function unsupported(address: Address, problem: string): ClientError {
  return new ClientError(
    "messages_not_supported",
    `the account ${address} verifies no messages: its contract ${problem}`,
  );
}
