// Who signed a sponsored operation: recovered from its signatures, and compared with who should.
import { getIntentHash } from "@super-relay/client";
import { type Address, type Hex, hashMessage, isAddressEqual, parseAbi, recoverAddress, slice } from "viem";
import { toPackedUserOperation } from "viem/account-abstraction";
import type { Connection } from "./connection.js";
import { loadFacts } from "./facts.js";
import type { Sponsored } from "./operation.js";
import type { Recorder } from "./recorder.js";

export interface Signature {
  /** Whose key. */
  who: string;
  /** The key, or its address. */
  key: string;
  /** What it says by signing. */
  what: string;
  /** What was signed, if the page knows. */
  hash?: Hex;
  /** How that is known. */
  proof: string;
  /** Undefined if the page can only repeat what it is told. */
  holds: boolean | undefined;
}

export async function signaturesOf(
  connection: Connection,
  sponsored: Sponsored,
  recorder: Recorder,
): Promise<Signature[]> {
  return [
    byPasskey(sponsored, recorder),
    await byRelay(),
    await byPaymasterKey(connection, sponsored),
    await byAccountKey(sponsored),
  ];
}

function byPasskey({ operation, tee }: Sponsored, { approval }: Recorder): Signature {
  const hash = getIntentHash({ ...operation, accountId: tee.accountId });
  const clientData = JSON.parse(atob(fromBase64Url(approval?.response.clientDataJSON ?? "e30"))) as {
    challenge?: string;
  };
  return {
    who: "Your passkey",
    key: approval?.id ?? "",
    what: "I want this operation, whoever pays for it",
    hash,
    proof: "its challenge is the hash that this page computed from the operation",
    holds: clientData.challenge !== undefined && hexOf(clientData.challenge) === hash,
  };
}

async function byRelay(): Promise<Signature> {
  const { relaySigner } = await loadFacts();
  return {
    who: "The relay's key",
    key: relaySigner,
    what: "the policy allows it, and the budget is reserved",
    proof: "told by the relay: the TEE checks this signature, which is not part of the operation",
    holds: undefined,
  };
}

const SUPER_PAYMASTER_V06 = parseAbi([
  "function getHash((address sender, uint256 nonce, bytes initCode, bytes callData, uint256 callGasLimit, uint256 verificationGasLimit, uint256 preVerificationGas, uint256 maxFeePerGas, uint256 maxPriorityFeePerGas, bytes paymasterAndData, bytes signature) userOp, uint48 validUntil, uint48 validAfter) view returns (bytes32)",
]);
const SUPER_PAYMASTER = parseAbi([
  "function getHash((address sender, uint256 nonce, bytes initCode, bytes callData, bytes32 accountGasLimits, uint256 preVerificationGas, bytes32 gasFees, bytes paymasterAndData, bytes signature) userOp, uint48 validUntil, uint48 validAfter) view returns (bytes32)",
  "function isActiveSigner(address signer) view returns (bool)",
]);

/** validUntil and validAfter, and the signature of the paymaster's key. */
export function sponsorship({ operation }: Sponsored): { validUntil: number; validAfter: number; signature: Hex } {
  const op = operation.userOperation as object as Record<string, Hex | undefined>;
  const data = op["paymasterAndData"] ? slice(op["paymasterAndData"], 20) : (op["paymasterData"] ?? "0x");
  const validUntil = Number(slice(data, 0, 6));
  const validAfter = Number(slice(data, 6, 12));
  // On v0.9 it is a field of its own.
  return { validUntil, validAfter, signature: op["paymasterSignature"] ?? slice(data, 12, 77) };
}

async function byPaymasterKey({ chain, facts }: Connection, sponsored: Sponsored): Promise<Signature> {
  const { userOperation } = sponsored.operation;
  const { validUntil, validAfter, signature } = sponsorship(sponsored);
  const hash =
    facts.entryPointVersion === "0.6"
      ? await chain.readContract({
          address: facts.paymaster,
          abi: SUPER_PAYMASTER_V06,
          functionName: "getHash",
          args: [{ initCode: "0x", ...userOperation } as never, validUntil, validAfter],
        })
      : await chain.readContract({
          address: facts.paymaster,
          abi: SUPER_PAYMASTER,
          functionName: "getHash",
          args: [toPackedUserOperation(userOperation), validUntil, validAfter],
        });
  const key = await recoverAddress({ hash, signature });
  return {
    who: "The paymaster's key in the TEE",
    key,
    what: "the paymaster pays for its gas",
    hash,
    proof: "recovered from the signature; the paymaster contract admits this key",
    holds: await chain.readContract({
      address: facts.paymaster,
      abi: SUPER_PAYMASTER,
      functionName: "isActiveSigner",
      args: [key],
    }),
  };
}

async function byAccountKey({ operation, userOpHash, tee }: Sponsored): Promise<Signature> {
  const hash = tee.signatureScheme === "eip191" ? hashMessage({ raw: userOpHash }) : userOpHash;
  const key: Address = await recoverAddress({ hash, signature: operation.userOperation.signature });
  return {
    who: "The account's key in the TEE",
    key,
    what: "the account executes it, in this form only",
    hash: userOpHash,
    proof: "recovered from the signature; it owns the account",
    holds: isAddressEqual(key, tee.ownerAddress),
  };
}

const fromBase64Url = (text: string) => text.replaceAll("-", "+").replaceAll("_", "/");

function hexOf(base64Url: string): Hex {
  const bytes = [...atob(fromBase64Url(base64Url))].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, "0"));
  return `0x${bytes.join("")}`;
}
