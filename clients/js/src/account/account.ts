import type { Address, Hex } from "viem";
import { ClientError } from "../errors/client.js";

/**
 * How the TEE signs an operation's hash: as a personal message (EIP-191), which SimpleAccount of
 * EntryPoint v0.6 and v0.7 verifies, or as it is, for v0.8 and later.
 */
export type SignatureScheme = "eip191" | "raw";

/** A passkey that may approve for an account. */
export interface AccountPasskey {
  /** Base64url without padding. */
  credentialId: string;
  /** 65 bytes of the curve P-256: 04, x, y. */
  publicKey: Hex;
}

/**
 * An account whose key lives in the TEE. Contains no secret and is plain JSON: keep it in the
 * page's storage, or get it again with {@link findTeeAccount}.
 */
export interface TeeAccount {
  /** The account's name at relay and KMS. */
  accountId: string;
  /** The address of the key in the TEE: the owner of the account's contract. */
  ownerAddress: Address;
  /** Fixed when the account is created. */
  signatureScheme: SignatureScheme;
  /** The factory of its contract; null if the operator has configured none for this scheme. */
  factory: Address | null;
  /** keccak256 of the first passkey's credential id: the factory's salt. */
  salt: Hex | null;
  /** The passkeys that may approve. */
  passkeys: readonly AccountPasskey[];
  /** The address of its contract, where the KMS said so: only when it is created, if at all. */
  sender?: Address | undefined;
}

/**
 * `factoryAddress` and `index` for permissionless' `toSimpleSmartAccount`.
 *
 * @throws {@link ClientError} `factory_missing` if the operator has configured no factory for the
 * account's signature scheme.
 */
export function simpleAccountParameters({ accountId, factory, salt }: TeeAccount): {
  factoryAddress: Address;
  index: bigint;
} {
  if (factory === null || salt === null) {
    throw new ClientError("factory_missing", `the KMS knows no account factory for ${accountId}`);
  }
  return { factoryAddress: factory, index: BigInt(salt) };
}
