//! Permissions to create accounts, within the hourly limits of their authorisers and the uses of
//! invitations.

use async_trait::async_trait;
use proto::Hash;

use super::StoreError;

/// A request for permission to create the account of one credential.
#[derive(Clone, Debug)]
pub struct PermitRequest {
    /// The id of the passkey's credential.
    pub credential_id: Vec<u8>,
    /// The authoriser, to whose limit it counts.
    pub authoriser: String,
    /// The invitation, and its maximum number of accounts.
    pub invitation: Option<(Hash, u32)>,
    /// Maximum number of accounts for this authoriser in an hour.
    pub per_hour: u32,
    /// Unix seconds.
    pub now: u64,
}

/// The outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Granted now.
    Given,
    /// Granted before, for the same credential: nothing is counted.
    GivenBefore,
    /// The invitation's accounts are used up.
    UsedUp,
    /// The hourly limit is reached.
    Rationed {
        /// At least 1.
        retry_after_seconds: u64,
    },
}

/// The permissions that were granted.
#[async_trait]
pub trait Permits: Send + Sync {
    /// Counts an account against its authoriser's limit and its invitation, and grants permission
    /// to create it, in one step, so that concurrent requests exceed neither. Permission for a
    /// credential is granted and counted once. A used-up invitation stays so until it expires.
    ///
    /// # Errors
    /// [`StoreError`]: it is unknown whether it was granted; asking again counts nothing twice.
    async fn permit(&self, request: PermitRequest) -> Result<Permit, StoreError>;

    /// Accounts that were created with an invitation, or may still be.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn uses_of_invitation(&self, digest: &Hash) -> Result<u32, StoreError>;
}
