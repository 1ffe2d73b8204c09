//! A registration response, verified and taken apart for the trusted application.

use ciborium::Value as Cbor;
use proto::bytes::Bounded;
use proto::client_data::{Ceremony, ClientData};
use proto::command::{CredentialId, PasskeyPublicKey, Registration};
use proto::json::passkey::parse_registration;
use proto::{AccountId, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use webauthn_rs::prelude::{
    COSEAlgorithm, COSEKeyType, PasskeyRegistration, RegisterPublicKeyCredential, Webauthn, WebauthnError,
};

use super::{CeremonyError, invalid};

/// A passkey that its authenticator just made, with what proves it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerifiedRegistration {
    /// The credential.
    pub credential_id: CredentialId,
    /// Its public key.
    pub public_key: PasskeyPublicKey,
    /// What the trusted application verifies again.
    pub registration: Registration,
    /// The account id that was asked for when the registration began.
    pub account_id: Option<AccountId>,
}

pub(super) fn verify(
    webauthn: &Webauthn,
    state: &PasskeyRegistration,
    credential: &Value,
    account_id: Option<AccountId>,
) -> Result<VerifiedRegistration, CeremonyError> {
    let response = parse_registration(credential).map_err(CeremonyError::InvalidField)?;
    check_client_data(&response.client_data_json)?;
    let credential = RegisterPublicKeyCredential::deserialize(credential).map_err(invalid)?;
    let passkey = webauthn.finish_passkey_registration(&credential, state).map_err(|error| refusal(&error))?;
    if **passkey.cred_id() != **response.credential_id {
        return Err(invalid("id differs from the credential id in the attestation object"));
    }
    let key = passkey.get_public_key();
    let COSEKeyType::EC_EC2(point) = &key.key else {
        return Err(CeremonyError::Refused(Status::PublicKeyInvalid));
    };
    if key.type_ != COSEAlgorithm::ES256 {
        return Err(CeremonyError::Refused(Status::PublicKeyInvalid));
    }
    let coordinate =
        |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| CeremonyError::Refused(Status::PublicKeyInvalid));
    Ok(VerifiedRegistration {
        credential_id: response.credential_id,
        public_key: PasskeyPublicKey { x: coordinate(point.x.as_ref())?, y: coordinate(point.y.as_ref())? },
        registration: Registration {
            authenticator_data: Bounded::new(authenticator_data(&credential.response.attestation_object)?)
                .map_err(invalid)?,
            client_data_json: response.client_data_json,
        },
        account_id,
    })
}

/// As strict as the trusted application, whose parser it is. webauthn-rs decodes a padded challenge, compares origins as
/// URLs, and takes `topOrigin` for an unknown key.
fn check_client_data(client_data_json: &[u8]) -> Result<(), CeremonyError> {
    let client_data = ClientData::parse(client_data_json, Ceremony::Registration).map_err(CeremonyError::Refused)?;
    client_data.challenge().map_err(CeremonyError::Refused)?;
    let is_serialised =
        Url::parse(client_data.origin()).is_ok_and(|url| url.origin().ascii_serialization() == client_data.origin());
    is_serialised.then_some(()).ok_or(CeremonyError::Refused(Status::OriginNotAllowed))
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

/// The trusted application's word for it, where it has one.
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
