//! WebAuthn Level 3, sections 7.1 and 7.2: the steps where the core must not trust anyone else.

mod assertion;
mod public_key;
mod registration;
#[cfg(test)]
mod tests;

pub use assertion::check_approval;
pub(crate) use assertion::{Gesture, Verify, verify_assertion, verify_operation};
pub(crate) use registration::verify_registration;

use proto::command::RelyingParty;
use proto::{Hash, Status};
use sha2::{Digest, Sha256};

fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// The origin must be listed for the relying party that the authenticator data names.
fn check_origin(origin: &str, rp_id_hash: &Hash, relying_parties: &[RelyingParty]) -> Result<(), Status> {
    let party =
        relying_parties.iter().find(|party| sha256(party.id.as_bytes()) == *rp_id_hash).ok_or(Status::RpIdMismatch)?;
    party.origins.iter().any(|allowed| **allowed == *origin).then_some(()).ok_or(Status::OriginNotAllowed)
}
