//! Verifies that a passkey approved an intent: challenge, presence, verification and signature
//! (WebAuthn Level 3, section 7.2).
//!
//! The trusted application repeats all of it, and also checks origin, relying party and counter.
//! The check here ensures that nobody is charged for an operation that its account did not approve,
//! and that a new gesture for a known intent costs the TEE nothing.

use host_crypto::check_assertion;
pub(super) use host_crypto::signed_hash;
use proto::command::{PasskeyAssertion, PasskeyPublicKey};
use proto::webauthn::{AuthenticatorData, Ceremony, ClientData};
use proto::{IntentHash, Status};

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
    check_assertion(assertion, key)
}
