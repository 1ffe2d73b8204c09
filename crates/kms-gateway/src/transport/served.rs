//! The TEE that is served. One that lost its state looks like a new one, and would accept the first
//! sender of `Provision` as its admin.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use proto::command::SecurityState;
use proto::{Address, TeeId};
use thiserror::Error;

/// The name of a TEE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TeeName {
    /// Its id, which never changes.
    Id(TeeId),
    /// The paymaster signer it had before TEEs had ids. Only a gateway that has not been started
    /// since then uses it as the name.
    PaymasterSigner(Address),
}

/// The TEE that is served. Before the first one, any is accepted; from then on no other.
#[derive(Debug, Default)]
pub struct ServedTee(RwLock<Option<TeeName>>);

/// The TEE is not the one that was served before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "this gateway served {served}, and now the TEE {}: see \"A TEE that lost its state\" in docs/operations.md",
    now(*found, *is_provisioned)
)]
pub struct TeeStateLost {
    /// The TEE that was served.
    pub served: TeeName,
    /// The id of the current one.
    pub found: TeeId,
    /// Whether the current one is provisioned.
    pub is_provisioned: bool,
}

impl ServedTee {
    /// Compares a TEE's report with the one that is served.
    ///
    /// # Errors
    /// It is not provisioned, or is another TEE.
    pub fn check(&self, state: &SecurityState) -> Result<(), TeeStateLost> {
        let Some(served) = self.name() else { return Ok(()) };
        let is_it = state.provisioned.as_ref().is_some_and(|provisioned| match served {
            TeeName::Id(id) => state.tee_id == id,
            TeeName::PaymasterSigner(signer) => provisioned.paymaster_signer == signer,
        });
        let is_provisioned = state.provisioned.is_some();
        is_it.then_some(()).ok_or(TeeStateLost { served, found: state.tee_id, is_provisioned })
    }

    /// From now on no other TEE is served. A known id is kept.
    pub fn keep_to(&self, name: TeeName) {
        let mut served = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*served, Some(TeeName::Id(_))) {
            *served = Some(name);
        }
    }

    /// The name of the served TEE, if there is one.
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
