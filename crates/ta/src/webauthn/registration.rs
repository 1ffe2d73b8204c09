//! Registrations (WebAuthn Level 3, section 7.1).

use proto::Status;
use proto::command::{Registration, RelyingParty};
use proto::webauthn::{AuthenticatorData, Ceremony, ClientData};

use super::public_key::verifying_key;
use super::{check_origin, sha256};
use crate::accounts::Passkey;

/// The passkey that a registration made.
///
/// With attestation "none" nothing here is signed: that somebody holds the key shows only with the
/// first assertion. The challenge belongs to the ceremony, which the gateway ran: only its encoding
/// is checked, so that a client whose approvals would be refused for it learns that now. A false
/// registration gains a host nothing: it makes an account that belongs to whoever holds that key.
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
