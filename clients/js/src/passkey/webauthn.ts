/** The JSON forms of WebAuthn Level 3, section 5.1. Binary values are base64url without padding. */

/** PublicKeyCredentialDescriptorJSON. */
export interface CredentialDescriptor {
  type: string;
  id: string;
  transports?: string[];
}

/** PublicKeyCredentialCreationOptionsJSON, as far as this package reads it. */
export interface CreationOptions {
  rp: { id?: string; name: string };
  user: { id: string; name: string; displayName: string };
  challenge: string;
  pubKeyCredParams: { type: string; alg: number }[];
  /** Milliseconds. */
  timeout?: number;
  excludeCredentials?: CredentialDescriptor[];
  authenticatorSelection?: Record<string, unknown>;
  attestation?: string;
  extensions?: Record<string, unknown>;
}

/** PublicKeyCredentialRequestOptionsJSON. */
export interface RequestOptions {
  challenge: string;
  rpId?: string;
  /** Without it the user chooses among the passkeys of the relying party. */
  allowCredentials?: CredentialDescriptor[];
  userVerification?: "required" | "preferred" | "discouraged";
  /** Milliseconds. */
  timeout?: number;
}

interface ResponseEnvelope<Response> {
  id: string;
  rawId: string;
  type: string;
  authenticatorAttachment?: string;
  clientExtensionResults: Record<string, unknown>;
  response: Response;
}

/** RegistrationResponseJSON. */
export type RegistrationResponse = ResponseEnvelope<{
  clientDataJSON: string;
  attestationObject: string;
  authenticatorData?: string;
  publicKey?: string;
  publicKeyAlgorithm?: number;
  transports?: string[];
}>;

/** AuthenticationResponseJSON: what `pm_sponsor_with_tee` takes as `passkey`. */
export type AuthenticationResponse = ResponseEnvelope<{
  clientDataJSON: string;
  authenticatorData: string;
  signature: string;
  userHandle?: string;
}>;
