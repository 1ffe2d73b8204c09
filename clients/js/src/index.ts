export {
  type AccountPasskey,
  type SignatureScheme,
  simpleAccountParameters,
  type TeeAccount,
} from "./account/account.js";
export { type CreateTeeAccountParameters, createTeeAccount } from "./account/create.js";
export { type FindTeeAccountParameters, findTeeAccount } from "./account/find.js";
export { ClientError, type ClientReason } from "./errors/client.js";
export { type ErrorSource, SuperRelayError } from "./errors/error.js";
export { findSuperRelayError } from "./errors/find.js";
export { KmsError } from "./errors/kms.js";
export { PasskeyError, type PasskeyReason } from "./errors/passkey.js";
export { RelayError, type RelayLimits } from "./errors/relay.js";
export type { KmsSettings } from "./hosts/kms.js";
export type { HostSettings } from "./hosts/settings.js";
export {
  type AccountDomain,
  type FormedMessage,
  type GetMessageIntentHashParameters,
  getMessageIntentHash,
} from "./message/digest.js";
export {
  type CreateTeeMessagesParameters,
  createTeeMessages,
  type SignTeeMessageParameters,
  type TeeMessages,
} from "./message/messages.js";
export { approveTogether, type Sender, type Settled, type SharedTouch } from "./operation/approve.js";
export { type GetIntentHashParameters, getIntentHash, getIntentListHash } from "./operation/intent.js";
export type { FinalOperation } from "./operation/operation.js";
export { type TeeOwner, type ToTeeOwnerParameters, toTeeOwner } from "./owner.js";
export type { Authenticator } from "./passkey/authenticator.js";
export { browserAuthenticator } from "./passkey/browser.js";
export { type RequestTouchParameters, requestTouch } from "./passkey/touch.js";
export type {
  AuthenticationResponse,
  CreationOptions,
  CredentialDescriptor,
  RegistrationResponse,
  RequestOptions,
} from "./passkey/webauthn.js";
export {
  type CreateTeePaymasterParameters,
  createTeePaymaster,
  type TeePaymaster,
  type TeePaymasterContext,
} from "./paymaster.js";
