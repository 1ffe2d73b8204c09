import { PasskeyError } from "../errors/passkey.js";
import type { Authenticator } from "./authenticator.js";
import { decodeBase64Url, encodeBase64Url } from "./base64url.js";
import type {
  AuthenticationResponse,
  CreationOptions,
  CredentialDescriptor,
  RegistrationResponse,
  RequestOptions,
} from "./webauthn.js";

/** The page's `navigator.credentials`. Converts by itself what older browsers can't. */
export const browserAuthenticator: Authenticator = {
  async create(options) {
    const publicKey = creationOptions(options);
    return registration(publicKeyCredential(await credentials().create({ publicKey })));
  },
  async get(options) {
    const publicKey = requestOptions(options);
    return authentication(publicKeyCredential(await credentials().get({ publicKey })));
  },
};

function credentials(): CredentialsContainer {
  const container = globalThis.navigator?.credentials;
  if (container !== undefined) return container;
  throw new PasskeyError("webauthn_unavailable", "there is no navigator.credentials: no browser, or no secure context");
}

function publicKeyCredential(credential: Credential | null): PublicKeyCredential {
  if (credential?.type === "public-key") return credential as PublicKeyCredential;
  throw new PasskeyError("touch_failed", "the browser returned no passkey");
}

function creationOptions(options: CreationOptions): PublicKeyCredentialCreationOptions {
  return {
    ...(options as object as PublicKeyCredentialCreationOptions),
    challenge: decodeBase64Url(options.challenge),
    user: { ...options.user, id: decodeBase64Url(options.user.id) },
    excludeCredentials: descriptors(options.excludeCredentials ?? []),
  };
}

function requestOptions({ challenge, allowCredentials, ...others }: RequestOptions): PublicKeyCredentialRequestOptions {
  return {
    ...others,
    challenge: decodeBase64Url(challenge),
    ...(allowCredentials && { allowCredentials: descriptors(allowCredentials) }),
  };
}

function descriptors(credentials: CredentialDescriptor[]): PublicKeyCredentialDescriptor[] {
  return credentials.map(({ id, transports }) => ({
    type: "public-key",
    id: decodeBase64Url(id),
    ...(transports && { transports: transports as AuthenticatorTransport[] }),
  }));
}

function registration(credential: PublicKeyCredential): RegistrationResponse {
  const { clientDataJSON, attestationObject } = credential.response as AuthenticatorAttestationResponse;
  return {
    ...envelope(credential),
    response: {
      clientDataJSON: encodeBase64Url(clientDataJSON),
      attestationObject: encodeBase64Url(attestationObject),
    },
  };
}

function authentication(credential: PublicKeyCredential): AuthenticationResponse {
  const response = credential.response as AuthenticatorAssertionResponse;
  return {
    ...envelope(credential),
    response: {
      clientDataJSON: encodeBase64Url(response.clientDataJSON),
      authenticatorData: encodeBase64Url(response.authenticatorData),
      signature: encodeBase64Url(response.signature),
      ...(response.userHandle && { userHandle: encodeBase64Url(response.userHandle) }),
    },
  };
}

function envelope({ id, rawId, type, authenticatorAttachment }: PublicKeyCredential) {
  return {
    id,
    rawId: encodeBase64Url(rawId),
    type,
    // None is used, and results of some extensions have no JSON form.
    clientExtensionResults: {},
    ...(authenticatorAttachment && { authenticatorAttachment }),
  };
}
