//! Whether a passkey approved an intent: challenge, presence, verification and signature (WebAuthn
//! Level 3, section 7.2).
//!
//! The trusted application checks all of it again, and origin, relying party and counter besides.
//! Here it is checked so that nobody is charged for what its account did not approve, and so that a
//! new gesture of a known intent costs the TEE nothing.

use p256::Sec1Point;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use proto::command::{PasskeyAssertion, PasskeyPublicKey};
use proto::webauthn::{AuthenticatorData, Ceremony, ClientData};
use proto::{Hash, IntentHash, Status};
use sha2::{Digest, Sha256};

/// Checks that the holder of that key approved this intent, present and verified.
///
/// # Errors
/// The [`Status`] that the trusted application would refuse it with.
pub(super) fn verify(assertion: &PasskeyAssertion, key: &PasskeyPublicKey, intent: &IntentHash) -> Result<(), Status> {
    ClientData::parse(&assertion.client_data_json, Ceremony::Assertion)?.check_challenge(&intent.0)?;
    let data = AuthenticatorData::parse(&assertion.authenticator_data)?;
    data.check_flags()?;
    data.check_no_credential()?;
    check_signature(assertion, key)
}

/// What a passkey signed: SHA-256(authenticatorData ‖ SHA-256(clientDataJSON)). Whoever has an
/// assertion can give it another signature, of the other s, but no other hash.
pub(super) fn signed_hash(assertion: &PasskeyAssertion) -> Hash {
    let hash = Sha256::new()
        .chain_update(&*assertion.authenticator_data)
        .chain_update(Sha256::digest(&*assertion.client_data_json))
        .finalize();
    Hash(hash.into())
}

/// Authenticators do not normalise s, so a high one is taken.
fn check_signature(assertion: &PasskeyAssertion, key: &PasskeyPublicKey) -> Result<(), Status> {
    let point = Sec1Point::from_affine_coordinates(&key.x.into(), &key.y.into(), false);
    let key = VerifyingKey::from_sec1_point(&point).map_err(|_| Status::PublicKeyInvalid)?;
    let signature = Signature::from_der(&assertion.signature).map_err(|_| Status::PasskeySignatureMalformed)?;
    key.verify_prehash(&signed_hash(assertion).0, &signature).map_err(|_| Status::PasskeySignatureInvalid)
}
