import { type Hex, hexToBytes, size, slice, type TypedDataDefinition, toPrefixedMessage } from "viem";
import { type AccountDomain, type FormedMessage, PERSONAL_SIGN } from "./digest.js";

const PREFIX = toPrefixedMessage("").slice(0, -2) as Hex;

/**
 * The message of a PersonalSign (ERC-7739), as accounts have it signed as typed data; undefined if
 * it is other typed data, or its domain is not that of a contract.
 */
export function messageOfPersonalSign({
  domain,
  types,
  primaryType,
  message,
}: TypedDataDefinition): FormedMessage | undefined {
  const fields = (types as Record<string, unknown>)["PersonalSign"];
  if (primaryType !== "PersonalSign" || JSON.stringify(fields) !== JSON.stringify(PERSONAL_SIGN.PersonalSign)) {
    return undefined;
  }
  const raw = withoutPrefix((message as { prefixed: Hex }).prefixed);
  const account = accountDomain(domain ?? {});
  return raw && account && { message: { raw }, domain: account };
}

/** The message after its EIP-191 prefix: the length in the prefix says where it begins. */
function withoutPrefix(prefixed: Hex): Hex | undefined {
  if (!prefixed.startsWith(PREFIX)) return undefined;
  const rest = hexToBytes(slice(prefixed, size(PREFIX)));
  for (let digits = 1; digits < rest.length && digits <= 5; digits += 1) {
    const length = rest.length - digits;
    if (String(length) === String.fromCharCode(...rest.slice(0, digits))) return slice(prefixed, size(PREFIX) + digits);
  }
  return undefined;
}

function accountDomain(domain: NonNullable<TypedDataDefinition["domain"]>): AccountDomain | undefined {
  const { name, version, chainId, verifyingContract, salt } = domain as Partial<AccountDomain>;
  if (name === undefined || version === undefined || chainId === undefined || verifyingContract === undefined) {
    return undefined;
  }
  return { name, version, chainId: Number(chainId), verifyingContract, salt };
}
