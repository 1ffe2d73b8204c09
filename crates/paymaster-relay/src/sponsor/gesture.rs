//! Verifies that a passkey approved an intent: challenge, presence, verification and signature
//! (WebAuthn Level 3, section 7.2).
//!
//! The trusted application repeats all of it, and also checks origin, relying party and counter.
//! The check here ensures that nobody is charged for an operation that its account did not approve,
//! and that a new gesture for a known intent costs the TEE nothing.

use p256::Sec1Point;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use proto::command::{PasskeyAssertion, PasskeyPublicKey};
use proto::webauthn::{AuthenticatorData, Ceremony, ClientData};
use proto::{Hash, IntentHash, Status};
use sha2::{Digest, Sha256};

/// Checks that the holder of that key approved this intent, alone or in a list, with user presence
/// and verification.
///
/// # Errors
/// The [`Status`] with which the trusted application would refuse it.
pub(super) fn verify(assertion: &PasskeyAssertion, key: &PasskeyPublicKey, intent: &IntentHash) -> Result<(), Status> {
    let IntentHash(challenge) = assertion.challenge_for(intent)?;
    ClientData::parse(&assertion.client_data_json, Ceremony::Assertion)?.check_challenge(&challenge)?;
    let data = AuthenticatorData::parse(&assertion.authenticator_data)?;
    data.check_flags()?;
    data.check_no_credential()?;
    check_signature(assertion, key)
}

/// The hash that a passkey signed: SHA-256(authenticatorData ‖ SHA-256(clientDataJSON)). An
/// assertion's signature can be changed to the other s by anyone, but its hash cannot.
pub(super) fn signed_hash(assertion: &PasskeyAssertion) -> Hash {
    let hash = Sha256::new()
        .chain_update(&*assertion.authenticator_data)
        .chain_update(Sha256::digest(&*assertion.client_data_json))
        .finalize();
    Hash(hash.into())
}

/// Authenticators do not normalise s, so a high one is accepted.
fn check_signature(assertion: &PasskeyAssertion, key: &PasskeyPublicKey) -> Result<(), Status> {
    let point = Sec1Point::from_affine_coordinates(&key.x.into(), &key.y.into(), false);
    let key = VerifyingKey::from_sec1_point(&point).map_err(|_| Status::PublicKeyInvalid)?;
    let signature = Signature::from_der(&assertion.signature).map_err(|_| Status::PasskeySignatureMalformed)?;
    key.verify_prehash(&signed_hash(assertion).0, &signature).map_err(|_| Status::PasskeySignatureInvalid)
}
