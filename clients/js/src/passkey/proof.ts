import { concat, type Hex, hexToBytes, pad } from "viem";
import { decodeBase64Url } from "./base64url.js";
import type { AuthenticationResponse } from "./webauthn.js";

/**
 * Whether an assertion was made with that key, of 65 bytes (WebAuthn Level 3, section 7.2, steps 19
 * to 21).
 */
export async function isMadeWith(publicKey: Hex, { response }: AuthenticationResponse): Promise<boolean> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  try {
    const point = new Uint8Array(hexToBytes(publicKey));
    const key = await crypto.subtle.importKey("raw", point, algorithm, false, ["verify"]);
    const hash = await crypto.subtle.digest("SHA-256", decodeBase64Url(response.clientDataJSON));
    const signed = concat([decodeBase64Url(response.authenticatorData), new Uint8Array(hash)]);
    const signature = plainSignature(decodeBase64Url(response.signature));
    return await crypto.subtle.verify(algorithm, key, signature, new Uint8Array(signed));
  } catch {
    // No point of the curve, or no signature of it.
    return false;
  }
}

/** r and s of 32 bytes each, for WebCrypto, of a DER signature (RFC 3279, section 2.2.3). */
function plainSignature(der: Uint8Array): Uint8Array<ArrayBuffer> {
  const r = integer(der, 2);
  const s = integer(der, 4 + (der[3] ?? 0));
  return new Uint8Array(concat([r, s]));
}

/** The integer at that offset, whose length is one byte here; it may begin with a zero. */
function integer(der: Uint8Array, offset: number): Uint8Array {
  const begin = offset + 2;
  return pad(der.slice(begin, begin + (der[offset + 1] ?? 0)).slice(-32), { size: 32 });
}
