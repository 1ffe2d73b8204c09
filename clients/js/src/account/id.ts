import { keccak256 } from "viem";
import { decodeBase64Url } from "../passkey/base64url.js";

/** The id of an account that was created without one: named after its passkey. */
export function accountIdOf(credentialId: string): string {
  return `pk_${keccak256(decodeBase64Url(credentialId)).slice(2, 42)}`;
}
