// The browser's passkeys, and the last approval that one of them gave.
import { type AuthenticationResponse, type Authenticator, browserAuthenticator } from "@super-relay/client";

export class Recorder implements Authenticator {
  approval: AuthenticationResponse | undefined;
  readonly #onAsked: () => void;

  /** `onAsked` runs whenever the browser asks the person for a touch. */
  constructor(onAsked: () => void) {
    this.#onAsked = onAsked;
  }

  create: Authenticator["create"] = (options) => {
    this.#onAsked();
    return browserAuthenticator.create(options);
  };

  get: Authenticator["get"] = async (options) => {
    this.#onAsked();
    this.approval = await browserAuthenticator.get(options);
    return this.approval;
  };
}
