//! Which TEE is served. One that lost all it had looks like a new one, and would take whoever comes first for its admin.

use std::sync::OnceLock;

use proto::Address;
use proto::command::SecurityState;
use thiserror::Error;

/// The TEE that is served, known by the address of the paymaster key that it alone holds. Until one was, any is; from then
/// on no other.
#[derive(Debug, Default)]
pub struct ServedTee(OnceLock<Address>);

/// The TEE is not the one that was served before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the TEE of paymaster signer {served} was served here, and now it {}: see \"A TEE that lost its state\" in docs/operations.md",
    now(*found)
)]
pub struct TeeStateLost {
    /// Its paymaster signer.
    pub served: Address,
    /// The paymaster signer there is now. `None`: it is not provisioned.
    pub found: Option<Address>,
}

impl ServedTee {
    /// Holds what a TEE reports against the one that is served.
    ///
    /// # Errors
    /// It is not provisioned, or another.
    pub fn check(&self, state: &SecurityState) -> Result<(), TeeStateLost> {
        let found = state.provisioned.as_ref().map(|provisioned| provisioned.paymaster_signer);
        match self.0.get() {
            Some(&served) if found != Some(served) => Err(TeeStateLost { served, found }),
            _ => Ok(()),
        }
    }

    /// From now on no other is served. Has no effect when one is already.
    pub fn keep_to(&self, paymaster_signer: Address) {
        self.0.get_or_init(|| paymaster_signer);
    }

    /// Whether one is.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.0.get().is_some()
    }
}

fn now(found: Option<Address>) -> String {
    found.map_or_else(|| "is not provisioned: it lost its state".into(), |other| format!("has the signer {other}"))
}
