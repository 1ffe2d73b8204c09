//! Verifies a registration response and converts it for the trusted application.

use ciborium::Value as Cbor;
use proto::bytes::Bounded;
use proto::command::{CredentialId, PasskeyPublicKey, Registration};
use proto::json::passkey::parse_registration;
use proto::webauthn::{AuthenticatorData, Ceremony, ClientData};
use proto::{AccountId, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use webauthn_rs::prelude::{PasskeyRegistration, RegisterPublicKeyCredential, Webauthn, WebauthnError};

use super::{CeremonyError, invalid};
use crate::origin::Origin;

/// The offset of the flags in authenticator data, and the extension-data flag (WebAuthn Level 3,
/// section 6.1).
const FLAGS: usize = 32;
const EXTENSIONS: u8 = 1 << 7;

/// A newly created passkey, with its proof.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerifiedRegistration {
    /// The credential.
    pub credential_id: CredentialId,
    /// Its public key.
    pub public_key: PasskeyPublicKey,
    /// The registration, which the trusted application verifies again.
    pub registration: Registration,
    /// The account id requested when the registration began.
    pub account_id: Option<AccountId>,
}

pub(super) fn verify(
    webauthn: &Webauthn,
    origins: &[Origin],
    state: &PasskeyRegistration,
    credential: &Value,
    account_id: Option<AccountId>,
) -> Result<VerifiedRegistration, CeremonyError> {
    let response = parse_registration(credential).map_err(CeremonyError::InvalidField)?;
    check_client_data(&response.client_data_json, origins)?;
    let mut credential = RegisterPublicKeyCredential::deserialize(credential).map_err(invalid)?;
    let authenticator_data =
        Bounded::new(authenticator_data(&credential.response.attestation_object)?).map_err(invalid)?;
    // Our checks run first: webauthn-rs reports the same faults with other errors.
    let public_key = public_key(&authenticator_data, &response.credential_id)?;
    credential.response.attestation_object = plain_attestation_object(&authenticator_data)?;
    webauthn.finish_passkey_registration(&credential, state).map_err(|error| refusal(&error))?;
    Ok(VerifiedRegistration {
        credential_id: response.credential_id,
        public_key,
        registration: Registration { authenticator_data, client_data_json: response.client_data_json },
        account_id,
    })
}

/// As strict as the trusted application, because it uses the same parser. webauthn-rs decodes a
/// padded challenge, compares origins as URLs, and treats `topOrigin` as an unknown key.
fn check_client_data(client_data_json: &[u8], origins: &[Origin]) -> Result<(), CeremonyError> {
    let client_data = ClientData::parse(client_data_json, Ceremony::Registration).map_err(CeremonyError::Refused)?;
    client_data.challenge().map_err(CeremonyError::Refused)?;
    let is_allowed = origins.iter().any(|origin| origin.serialised() == client_data.origin());
    is_allowed.then_some(()).ok_or(CeremonyError::Refused(Status::OriginNotAllowed))
}

/// The key that the trusted application will find too: webauthn-rs accepts encodings and flags that
/// it refuses.
fn public_key(authenticator_data: &[u8], credential_id: &CredentialId) -> Result<PasskeyPublicKey, CeremonyError> {
    let data = AuthenticatorData::parse(authenticator_data).map_err(CeremonyError::Refused)?;
    data.check_flags().map_err(CeremonyError::Refused)?;
    let credential = data.credential().map_err(CeremonyError::Refused)?;
    if *credential.id != **credential_id {
        return Err(invalid("id differs from the credential id in the attestation object"));
    }
    Ok(credential.public_key)
}

/// `authData` of an attestation object (WebAuthn Level 3, section 6.5.4).
fn authenticator_data(attestation_object: &[u8]) -> Result<Vec<u8>, CeremonyError> {
    let object: Cbor = ciborium::from_reader(attestation_object).map_err(invalid)?;
    let auth_data = object
        .into_map()
        .ok()
        .and_then(|entries| entries.into_iter().find(|(key, _)| key.as_text() == Some("authData")))
        .and_then(|(_, value)| value.into_bytes().ok());
    auth_data.ok_or_else(|| invalid("the attestation object has no authData"))
}

/// The attestation object for webauthn-rs, without statement and extensions, which were not
/// requested. Its CBOR library sorts map keys by re-encoding both for each comparison, which takes
/// milliseconds for a statement or extensions chosen by the client.
fn plain_attestation_object(authenticator_data: &[u8]) -> Result<Vec<u8>, CeremonyError> {
    let parsed = AuthenticatorData::parse(authenticator_data).map_err(CeremonyError::Refused)?;
    let extensions = parsed.credential().map_err(CeremonyError::Refused)?.extensions.len();
    let mut data = authenticator_data[..authenticator_data.len() - extensions].to_vec();
    data[FLAGS] &= !EXTENSIONS;
    let entries = [("fmt", Cbor::from("none")), ("attStmt", Cbor::Map(Vec::new())), ("authData", Cbor::Bytes(data))];
    let object = Cbor::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect());
    let mut bytes = Vec::new();
    ciborium::into_writer(&object, &mut bytes).map_err(invalid)?;
    Ok(bytes)
}

/// The trusted application's status for the error, if it has one.
fn refusal(error: &WebauthnError) -> CeremonyError {
    CeremonyError::Refused(match error {
        WebauthnError::InvalidClientDataType => Status::ClientDataTypeWrong,
        WebauthnError::MismatchedChallenge => Status::ChallengeMismatch,
        WebauthnError::InvalidRPOrigin => Status::OriginNotAllowed,
        WebauthnError::InvalidRPIDHash => Status::RpIdMismatch,
        WebauthnError::UserNotPresent => Status::UserNotPresent,
        WebauthnError::UserNotVerified => Status::UserNotVerified,
        WebauthnError::CredentialCrossOrigin => Status::CrossOrigin,
        other => return invalid(other),
    })
}
