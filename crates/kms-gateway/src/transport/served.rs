//! Which TEE is served. One that lost all it had looks like a new one, and would take whoever comes
//! first for its admin.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use proto::command::SecurityState;
use proto::{Address, TeeId};
use thiserror::Error;

/// What a TEE is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TeeName {
    /// Its id, which never changes.
    Id(TeeId),
    /// The paymaster signer it had before TEEs had ids. Only a gateway that has not started since
    /// then knows one by that.
    PaymasterSigner(Address),
}

/// The TEE that is served. Until one was, any is; from then on no other.
#[derive(Debug, Default)]
pub struct ServedTee(RwLock<Option<TeeName>>);

/// The TEE is not the one that was served before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "{served} was served here, and now it {}: see \"A TEE that lost its state\" in docs/operations.md",
    now(*found, *is_provisioned)
)]
pub struct TeeStateLost {
    /// Which one was.
    pub served: TeeName,
    /// The id of the one that there is now.
    pub found: TeeId,
    /// Whether that one is provisioned.
    pub is_provisioned: bool,
}

impl ServedTee {
    /// Holds what a TEE reports against the one that is served.
    ///
    /// # Errors
    /// It is not provisioned, or another.
    pub fn check(&self, state: &SecurityState) -> Result<(), TeeStateLost> {
        let Some(served) = self.name() else { return Ok(()) };
        let is_it = state.provisioned.as_ref().is_some_and(|provisioned| match served {
            TeeName::Id(id) => state.tee_id == id,
            TeeName::PaymasterSigner(signer) => provisioned.paymaster_signer == signer,
        });
        let is_provisioned = state.provisioned.is_some();
        is_it.then_some(()).ok_or(TeeStateLost { served, found: state.tee_id, is_provisioned })
    }

    /// From now on no other is served. An id that is known stays.
    pub fn keep_to(&self, name: TeeName) {
        let mut served = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*served, Some(TeeName::Id(_))) {
            *served = Some(name);
        }
    }

    /// What the one that is served is known by, if one is.
    #[must_use]
    pub fn name(&self) -> Option<TeeName> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for TeeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "TEE {id}"),
            Self::PaymasterSigner(signer) => write!(f, "the TEE of paymaster signer {signer}"),
        }
    }
}

fn now(found: TeeId, is_provisioned: bool) -> String {
    if is_provisioned { format!("is TEE {found}") } else { "is not provisioned: it lost its state".into() }
}
