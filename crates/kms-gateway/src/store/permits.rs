//! By whose leave accounts are made, within the rations of who gives it and the uses of
//! invitations.

use async_trait::async_trait;
use proto::Hash;

use super::StoreError;

/// Leave to make the account of one credential.
#[derive(Clone, Debug)]
pub struct PermitRequest {
    /// Of the passkey.
    pub credential_id: Vec<u8>,
    /// Who gives it, and whose ration it is taken from.
    pub authoriser: String,
    /// The invitation, and the accounts that it is for.
    pub invitation: Option<(Hash, u32)>,
    /// Accounts for this authoriser in an hour.
    pub per_hour: u32,
    /// Unix seconds.
    pub now: u64,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Given now.
    Given,
    /// Given before, for the same credential: nothing is counted.
    GivenBefore,
    /// The invitation was used for as many accounts as it is for.
    UsedUp,
    /// The hour's accounts are made.
    Rationed {
        /// At least 1.
        retry_after_seconds: u64,
    },
}

/// Leave that was given.
#[async_trait]
pub trait Permits: Send + Sync {
    /// Counts an account against its authoriser's ration and its invitation, and gives leave to
    /// make it: in one step, so that neither is exceeded by requests at once. Leave for a
    /// credential is given and counted once. An invitation that is used up stays so for as long as
    /// it is good.
    ///
    /// # Errors
    /// [`StoreError`]: it is unknown whether it was given; asking again counts nothing twice.
    async fn permit(&self, request: PermitRequest) -> Result<Permit, StoreError>;

    /// Accounts that were made by an invitation, or may be by now.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn uses_of_invitation(&self, digest: &Hash) -> Result<u32, StoreError>;
}
