import {
  type Address,
  type Hex,
  hashMessage,
  hashTypedData,
  isAddressEqual,
  type PrivateKeyAccount,
  recoverAddress,
  type SignableMessage,
  size,
  type TypedDataDefinition,
} from "viem";
import { toAccount } from "viem/accounts";
import type { SignatureScheme, TeeAccount } from "./account/account.js";
import { ClientError } from "./errors/client.js";
import { bytesOf } from "./message/digest.js";
import type { TeeMessages } from "./message/messages.js";
import { messageOfPersonalSign } from "./message/personal-sign.js";
import type { TeePaymaster } from "./paymaster.js";

/** Parameters of {@link toTeeOwner}. */
export interface ToTeeOwnerParameters {
  /** The account that owns the contract, of {@link createTeeAccount} or {@link findTeeAccount}. */
  account: Pick<TeeAccount, "ownerAddress" | "signatureScheme">;
  /** The paymaster of the same bundler client: the signatures came with its answers. */
  paymaster: Pick<TeePaymaster, "signatureOf">;
  /** Signs messages too, each with a touch. By default it signs none. */
  messages?: Pick<TeeMessages, "sign"> | undefined;
}

/**
 * An owner for the account constructors of viem and permissionless.js. It has the type that viem's
 * `toSimple7702SmartAccount` asks for, but no private key: that is in the TEE.
 */
export type TeeOwner = PrivateKeyAccount;

/**
 * An owner whose signatures come from the TEE. Accounts ask it to sign the hash of an operation,
 * and it returns the signature that the paymaster's answer had: as a message for EntryPoint v0.6
 * and v0.7, as typed data or a bare hash for later ones. With `messages` it signs messages as well,
 * except those of 32 bytes, and the PersonalSign of ERC-7739.
 *
 * Its methods throw {@link ClientError}: `signature_not_available` for anything else,
 * `signature_scheme_mismatch` if the contract verifies the other scheme, `signature_invalid` if
 * relay or KMS answered with a signature by another key.
 */
export function toTeeOwner({ account, paymaster, messages }: ToTeeOwnerParameters): TeeOwner {
  const { ownerAddress, signatureScheme } = account;

  const refuse = (what: string): never => {
    throw new ClientError("signature_not_available", `the key of ${ownerAddress} in the TEE does not sign ${what}`);
  };
  const signatureOf = async (hash: Hex, what: string, verified: SignatureScheme): Promise<Hex> => {
    const signature = paymaster.signatureOf(hash) ?? refuse(`${what} ${hash}, which is no sponsored operation`);
    if (verified !== signatureScheme) {
      const details = `this account's contract verifies ${verified}, and its key in the TEE signs ${signatureScheme}`;
      throw new ClientError("signature_scheme_mismatch", details);
    }
    const signed = verified === "eip191" ? hashMessage({ raw: hash }) : hash;
    if (await isSignedBy(ownerAddress, signed, signature)) return signature;
    throw new ClientError("signature_invalid", `the signature of ${what} ${hash} is not by the key of ${ownerAddress}`);
  };

  const owner = toAccount({
    address: ownerAddress,
    signMessage: async ({ message }) => {
      const hash = operationHash(message);
      if (hash !== undefined) return signatureOf(hash, "the message", "eip191");
      return messages?.sign({ message }) ?? refuse("messages");
    },
    signTypedData: async (typedData) => {
      const formed = messages && messageOfPersonalSign(typedData as object as TypedDataDefinition);
      return formed ? messages.sign(formed) : signatureOf(hashTypedData(typedData), "typed data with the hash", "raw");
    },
    sign: async ({ hash }) => signatureOf(hash, "the hash", "raw"),
    signTransaction: async () => refuse("transactions"),
    signAuthorization: async () => refuse("EIP-7702 authorizations"),
  });
  return owner as object as TeeOwner;
}

async function isSignedBy(address: Address, hash: Hex, signature: Hex): Promise<boolean> {
  try {
    return isAddressEqual(await recoverAddress({ hash, signature }), address);
  } catch {
    return false; // r is of no point
  }
}

/** A message that can be the hash of an operation: 32 bytes that are no text. */
function operationHash(message: SignableMessage): Hex | undefined {
  return typeof message !== "string" && size(message.raw) === 32 ? bytesOf(message) : undefined;
}
