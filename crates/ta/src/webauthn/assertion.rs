//! Assertions (WebAuthn Level 3, section 7.2).

use core::cmp::Ordering;

use p256::ecdsa::Signature;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use proto::command::{PasskeyAssertion, PasskeyPublicKey, RelyingParty};
use proto::webauthn::{AuthenticatorData, Ceremony, ClientData};
use proto::{Hash, IntentHash, Status};
use sha2::{Digest, Sha256};

use super::public_key::verifying_key;
use super::{check_origin, sha256};
use crate::accounts::Passkey;

/// A user's approval of exactly the expected challenge. Only [`verify`] constructs one.
#[derive(Clone, Copy)]
pub(crate) struct Gesture {
    sign_count: u32,
    challenge: Hash,
}

impl Gesture {
    /// The authenticator's sign count for this assertion.
    pub(crate) fn sign_count(&self) -> u32 {
        self.sign_count
    }

    /// SHA-256 of the challenge.
    pub(crate) fn challenge(&self) -> Hash {
        self.challenge
    }
}

/// How an assertion is held against an intent: [`verify_operation`] or [`verify_assertion`].
pub(crate) type Verify = fn(&PasskeyAssertion, &Passkey, &[RelyingParty], &IntentHash) -> Result<Gesture, Status>;

/// Checks that `passkey` approved the operation of `intent`, alone or in a list.
pub(crate) fn verify_operation(
    assertion: &PasskeyAssertion,
    passkey: &Passkey,
    relying_parties: &[RelyingParty],
    intent: &IntentHash,
) -> Result<Gesture, Status> {
    match assertion.intents {
        None => verify_assertion(assertion, passkey, relying_parties, intent),
        Some(_) => verify(assertion, passkey, relying_parties, &assertion.challenge_for(intent)?.0),
    }
}

/// Checks that `passkey` approved `intent` and nothing else. A list approves operations only
/// ([`verify_operation`]), so an assertion with a list is refused.
pub(crate) fn verify_assertion(
    assertion: &PasskeyAssertion,
    passkey: &Passkey,
    relying_parties: &[RelyingParty],
    intent: &IntentHash,
) -> Result<Gesture, Status> {
    if assertion.intents.is_some() {
        return Err(Status::ChallengeMismatch);
    }
    verify(assertion, passkey, relying_parties, &intent.0)
}

/// Checks that `passkey` signed `challenge`, at one of its relying party's origins, with user
/// verification.
fn verify(
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
    check_origin(client_data.origin(), &data.rp_id_hash, relying_parties)?;
    data.check_flags()?;
    data.check_no_credential()?;
    if data.backup_eligible() != passkey.backup_eligible {
        return Err(Status::BackupEligibilityChanged);
    }
    check_signature(assertion, &passkey.public_key)?;
    // Only after the signature is verified: an unsigned count says nothing about a clone.
    let gesture = Gesture { sign_count: data.sign_count, challenge: sha256(challenge) };
    check_sign_count(passkey, gesture)?;
    Ok(gesture)
}

/// Checks that the holder of that key approved this intent and nothing else, with user presence and
/// verification: what a host can check before it calls. `verify_assertion` also checks relying
/// party, origin, backup eligibility and counter.
///
/// # Errors
/// The status with which the trusted application would refuse it.
pub fn check_approval(assertion: &PasskeyAssertion, key: &PasskeyPublicKey, intent: &IntentHash) -> Result<(), Status> {
    if assertion.intents.is_some() {
        return Err(Status::ChallengeMismatch);
    }
    ClientData::parse(&assertion.client_data_json, Ceremony::Assertion)?.check_challenge(&intent.0)?;
    let data = AuthenticatorData::parse(&assertion.authenticator_data)?;
    data.check_flags()?;
    data.check_no_credential()?;
    check_signature(assertion, key)
}

/// The signature over authenticatorData ‖ SHA-256(clientDataJSON). A high s is accepted:
/// authenticators do not normalise, and nothing here treats a second signature as a second
/// approval.
fn check_signature(assertion: &PasskeyAssertion, key: &PasskeyPublicKey) -> Result<(), Status> {
    let signed = Sha256::new()
        .chain_update(&*assertion.authenticator_data)
        .chain_update(Sha256::digest(&*assertion.client_data_json))
        .finalize();
    let signature = Signature::from_der(&assertion.signature).map_err(|_| Status::PasskeySignatureMalformed)?;
    verifying_key(key)?.verify_prehash(&signed, &signature).map_err(|_| Status::PasskeySignatureInvalid)
}

/// Synced passkeys do not count: they always report 0. A counting passkey never decreases, and uses
/// each count once: the same count with another challenge comes from a clone, with the same
/// challenge it is a replay, which gives the same bytes. A lower count is from before the last
/// approval. It may be an older approval or come from a clone: the record cannot tell which.
fn check_sign_count(passkey: &Passkey, gesture: Gesture) -> Result<(), Status> {
    match gesture.sign_count.cmp(&passkey.sign_count) {
        Ordering::Less => Err(Status::SignCountDecreased),
        Ordering::Greater => Ok(()),
        Ordering::Equal if gesture.sign_count == 0 => Ok(()),
        Ordering::Equal => {
            // A record in the previous layout does not store the challenge of the count.
            let is_same = passkey.last_challenge.is_none_or(|challenge| challenge == gesture.challenge);
            is_same.then_some(()).ok_or(Status::SignCountRepeated)
        }
    }
}
