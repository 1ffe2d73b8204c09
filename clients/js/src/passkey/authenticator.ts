import type { AuthenticationResponse, CreationOptions, RegistrationResponse, RequestOptions } from "./webauthn.js";

/**
 * What registers passkeys and asks for touches. {@link browserAuthenticator} is the browser's; back
 * ends, native apps and tests bring their own. Each method may throw what
 * `navigator.credentials` would: an error's `name` decides the reason of the {@link PasskeyError}.
 */
export interface Authenticator {
  /** Registers a passkey (`navigator.credentials.create`). */
  create(options: CreationOptions): Promise<RegistrationResponse>;
  /** Has the user approve a challenge (`navigator.credentials.get`): one touch. */
  get(options: RequestOptions): Promise<AuthenticationResponse>;
}
