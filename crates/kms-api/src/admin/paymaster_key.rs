//! The key that signs for the paymasters, and the standby that replaces it.

use proto::command;
use proto::{Address, Signature, TeeId};
use serde::{Deserialize, Serialize};

use super::same_fields;
use crate::json;

/// Creates a standby for the paymaster key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreparePaymasterKey {
    /// The only TEE that accepts it.
    pub tee_id: TeeId,
    /// One more than [`super::Signers::counter`].
    #[serde(deserialize_with = "json::number")]
    pub counter: u64,
    /// The admin's signature.
    pub signature: Signature,
}

/// Makes the standby sign for the paymasters from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotatePaymasterKey {
    /// The only TEE that accepts it.
    pub tee_id: TeeId,
    /// The standby's address.
    pub next: Address,
    /// One more than [`super::Signers::counter`].
    #[serde(deserialize_with = "json::number")]
    pub counter: u64,
    /// The admin's signature.
    pub signature: Signature,
}

same_fields! {
    PreparePaymasterKey { tee_id, counter, signature }
    RotatePaymasterKey { tee_id, next, counter, signature }
}
