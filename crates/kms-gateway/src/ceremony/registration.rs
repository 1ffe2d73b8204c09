//! A registration response, verified and taken apart for the trusted application.

use ciborium::Value as Cbor;
use proto::bytes::Bounded;
use proto::command::{CredentialId, PasskeyPublicKey, Registration};
use proto::{AccountId, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;
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

/// What webauthn-rs reads past: it takes `topOrigin` for an unknown key.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Framing {
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<Value>,
}

pub(super) fn verify(
    webauthn: &Webauthn,
    state: &PasskeyRegistration,
    credential: &Value,
    account_id: Option<AccountId>,
) -> Result<VerifiedRegistration, CeremonyError> {
    let credential = RegisterPublicKeyCredential::deserialize(credential).map_err(invalid)?;
    let client_data = &credential.response.client_data_json;
    let framing: Framing =
        serde_json::from_slice(client_data).map_err(|_| CeremonyError::Refused(Status::ClientDataMalformed))?;
    if framing.cross_origin || framing.top_origin.is_some() {
        return Err(CeremonyError::Refused(Status::CrossOrigin));
    }
    let passkey = webauthn.finish_passkey_registration(&credential, state).map_err(|error| refusal(&error))?;
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
        credential_id: Bounded::new(Vec::from(&**passkey.cred_id())).map_err(invalid)?,
        public_key: PasskeyPublicKey { x: coordinate(point.x.as_ref())?, y: coordinate(point.y.as_ref())? },
        registration: Registration {
            authenticator_data: Bounded::new(authenticator_data(&credential.response.attestation_object)?)
                .map_err(invalid)?,
            client_data_json: Bounded::new(client_data.clone()).map_err(invalid)?,
        },
        account_id,
    })
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
