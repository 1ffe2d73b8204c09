//! Assertions (WebAuthn Level 3, section 7.2).

use p256::ecdsa::Signature;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use proto::Status;
use proto::command::{PasskeyAssertion, RelyingParty};
use sha2::{Digest, Sha256};

use super::authenticator_data::AuthenticatorData;
use super::check_origin;
use super::client_data::{Ceremony, ClientData};
use super::public_key::verifying_key;
use crate::accounts::Passkey;

/// A user approved exactly the challenge that was asked about. Only [`verify_assertion`] makes one.
#[derive(Clone, Copy)]
pub(crate) struct Gesture {
    sign_count: u32,
}

impl Gesture {
    /// The authenticator's count with it.
    pub(crate) fn sign_count(&self) -> u32 {
        self.sign_count
    }
}

/// Checks that `passkey` approved `challenge`, at one of its relying party's origins, with user verification.
pub(crate) fn verify_assertion(
    assertion: &PasskeyAssertion,
    passkey: &Passkey,
    relying_parties: &[RelyingParty],
    challenge: &[u8; 32],
) -> Result<Gesture, Status> {
    let client_data = ClientData::parse(&assertion.client_data_json, Ceremony::Assertion)?;
    client_data.check_challenge(challenge)?;
    let data = AuthenticatorData::parse(&assertion.authenticator_data)?;
    if data.rp_id_hash != passkey.rp_id_hash {
        return Err(Status::RpIdMismatch);
    }
    check_origin(client_data.origin, &data.rp_id_hash, relying_parties)?;
    data.check_flags()?;
    data.check_no_credential()?;
    if data.backup_eligible() != passkey.backup_eligible {
        return Err(Status::BackupStateInvalid);
    }
    check_signature(assertion, passkey)?;
    // Only now: a count that nobody signed says nothing about a clone.
    check_sign_count(passkey.sign_count, data.sign_count)?;
    Ok(Gesture { sign_count: data.sign_count })
}

/// Over authenticatorData ‖ SHA-256(clientDataJSON). A high s is fine: authenticators do not normalise, and nothing here
/// takes a second signature for a second approval.
fn check_signature(assertion: &PasskeyAssertion, passkey: &Passkey) -> Result<(), Status> {
    let signed = Sha256::new()
        .chain_update(&*assertion.authenticator_data)
        .chain_update(Sha256::digest(&*assertion.client_data_json))
        .finalize();
    let signature = Signature::from_der(&assertion.signature).map_err(|_| Status::PasskeySignatureInvalid)?;
    verifying_key(&passkey.public_key)?.verify_prehash(&signed, &signature).map_err(|_| Status::PasskeySignatureInvalid)
}

/// Synced passkeys do not count: 0, and 0 again. One that counts never goes back; the same count is a replay, which gives
/// the same bytes.
fn check_sign_count(stored: u32, new: u32) -> Result<(), Status> {
    (new >= stored).then_some(()).ok_or(Status::SignCountDecreased)
}
