import { type Hex, hexToBytes } from "viem";
import type { Authenticator } from "./authenticator.js";
import { encodeBase64Url } from "./base64url.js";
import { browserAuthenticator } from "./browser.js";
import { ceremony } from "./ceremony.js";
import { queueOf } from "./queue.js";
import type { AuthenticationResponse, RequestOptions } from "./webauthn.js";

/** Parameters of {@link requestTouch}. */
export interface RequestTouchParameters {
  /** 32 bytes to approve: the intent hash of an operation ({@link getIntentHash}). */
  challenge: Hex;
  /**
   * `webauthn` of `pm_getSponsorshipIntent`. Its challenge is ignored, so that a hostile relay can
   * have nothing else approved; so are extensions.
   */
  webauthn: Pick<RequestOptions, "rpId" | "allowCredentials" | "timeout">;
  /** By default the browser's. */
  authenticator?: Authenticator | undefined;
}

/**
 * Asks the user to approve a challenge with a passkey: one touch, with user verification. Requests
 * to one authenticator are served one at a time, in order.
 *
 * @returns The assertion, as `pm_sponsor_with_tee` takes it.
 * @throws {@link PasskeyError} if the user or the authenticator refuses.
 */
export function requestTouch(parameters: RequestTouchParameters): Promise<AuthenticationResponse> {
  const { authenticator = browserAuthenticator } = parameters;
  return queueOf(authenticator).run(() => touch({ ...parameters, authenticator }));
}

/** The same for callers who hold the authenticator's queue already. */
export function touch({
  challenge,
  webauthn: { rpId, allowCredentials, timeout },
  authenticator,
}: RequestTouchParameters & { authenticator: Authenticator }): Promise<AuthenticationResponse> {
  const options: RequestOptions = {
    challenge: encodeBase64Url(hexToBytes(challenge)),
    userVerification: "required",
    ...(rpId !== undefined && { rpId }),
    ...(allowCredentials && { allowCredentials }),
    ...(timeout !== undefined && { timeout }),
  };
  return ceremony("get", () => authenticator.get(options));
}
