import {
  type Address,
  encodeAbiParameters,
  type Hex,
  hashMessage,
  hashTypedData,
  keccak256,
  type SignableMessage,
  stringToHex,
  toHex,
  toPrefixedMessage,
} from "viem";

/** The EIP-712 domain of an account's contract, as its `eip712Domain()` returns it (ERC-5267). */
export interface AccountDomain {
  name: string;
  version: string;
  chainId: number;
  /** The account's contract. */
  verifyingContract: Address;
  /** Only if the contract's domain has one. */
  salt?: Hex | undefined;
}

/** A message and its form. */
export interface FormedMessage {
  /** Text, or bytes as `raw`. */
  message: SignableMessage;
  /** The form PersonalSign of ERC-7739 in this domain; without one EIP-191. */
  domain?: AccountDomain | undefined;
}

/** Parameters of {@link getMessageIntentHash}. */
export interface GetMessageIntentHashParameters extends FormedMessage {
  accountId: string;
}

/** The only type of PersonalSign (ERC-7739). */
export const PERSONAL_SIGN = { PersonalSign: [{ name: "prefixed", type: "bytes" }] } as const;

const INTENT_DOMAIN = keccak256(toHex("SuperRelay message v1"));
const INTENT = [{ type: "bytes32" }, { type: "bytes32" }, { type: "string" }] as const;

/** What the account's key signs. */
export function messageDigest({ message, domain }: FormedMessage): Hex {
  if (domain === undefined) return hashMessage(message);
  const { salt, ...unsalted } = domain;
  return hashTypedData({
    domain: salt === undefined ? unsalted : { ...unsalted, salt },
    types: PERSONAL_SIGN,
    primaryType: "PersonalSign",
    message: { prefixed: toPrefixedMessage(message) },
  });
}

/** What a passkey approves for a message (docs/api.md, "Digests"). */
export function getMessageIntentHash({ accountId, ...message }: GetMessageIntentHashParameters): Hex {
  return keccak256(encodeAbiParameters(INTENT, [INTENT_DOMAIN, messageDigest(message), accountId]));
}

/** The bytes of a message. */
export function bytesOf(message: SignableMessage): Hex {
  if (typeof message === "string") return stringToHex(message);
  return typeof message.raw === "string" ? message.raw : toHex(message.raw);
}
