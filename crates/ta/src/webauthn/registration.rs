//! Registrations (WebAuthn Level 3, section 7.1).

use proto::Status;
use proto::command::{Registration, RelyingParty};
use proto::webauthn::{AuthenticatorData, Ceremony, ClientData};

use super::public_key::verifying_key;
use super::{check_origin, sha256};
use crate::accounts::Passkey;

/// The passkey created by a registration.
///
/// With attestation "none" nothing here is signed: the first assertion is the first proof that
/// someone holds the key. The challenge belongs to the ceremony, which the gateway ran. Only its
/// encoding is checked, so that a client whose approvals would be refused for their encoding learns
/// that now. A forged registration gains a host nothing: it creates an account that belongs to
/// whoever holds that key.
pub(crate) fn verify_registration(
    registration: &Registration,
    relying_parties: &[RelyingParty],
) -> Result<Passkey, Status> {
    let client_data = ClientData::parse(&registration.client_data_json, Ceremony::Registration)?;
    let challenge = client_data.challenge()?;
    let data = AuthenticatorData::parse(&registration.authenticator_data)?;
    check_origin(client_data.origin(), &data.rp_id_hash, relying_parties)?;
    data.check_flags()?;
    let credential = data.credential()?;
    verifying_key(&credential.public_key)?;
    Ok(Passkey {
        credential_id: proto::Bounded::new(credential.id.to_vec()).map_err(|_| Status::AuthenticatorDataMalformed)?,
        public_key: credential.public_key,
        rp_id_hash: data.rp_id_hash,
        backup_eligible: data.backup_eligible(),
        sign_count: data.sign_count,
        last_challenge: Some(sha256(&challenge)),
    })
}
