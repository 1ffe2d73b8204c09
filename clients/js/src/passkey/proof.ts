import { p256 } from "@noble/curves/nist.js";
import { concat, type Hex, hexToBytes, sha256 } from "viem";
import { decodeBase64Url } from "./base64url.js";
import type { AuthenticationResponse } from "./webauthn.js";

/**
 * Whether an assertion was made with that key, of 65 bytes (WebAuthn Level 3, section 7.2, steps 19
 * to 21). Needs no WebCrypto, which native apps don't have.
 */
export function isMadeWith(publicKey: Hex, { response }: AuthenticationResponse): boolean {
  try {
    const hash = sha256(decodeBase64Url(response.clientDataJSON), "bytes");
    const signed = sha256(concat([decodeBase64Url(response.authenticatorData), hash]), "bytes");
    const signature = decodeBase64Url(response.signature);
    // Authenticators don't keep to the lower s.
    return p256.verify(signature, signed, hexToBytes(publicKey), { format: "der", lowS: false, prehash: false });
  } catch {
    // No point of the curve, or no base64url.
    return false;
  }
}
