//! The relay keys: who may sign, and within which ceilings.

use proto::command::{self, Phase};
use proto::signers::AuthorisedSigner;
use proto::{Address, Permissions, Signature, TeeId};
use serde::{Deserialize, Serialize};

use super::allowance::Allowance;
use super::same_fields;
use super::setup::Ceilings;
use crate::json;

/// Requests [`Signers`].
#[derive(Clone, Copy, Debug)]
pub struct GetSigners;

/// The state set by provisioning and admin commands. `None` values are absent before provisioning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signers {
    /// The TEE's id.
    pub tee_id: TeeId,
    /// Admin commands that took effect; the next one is signed for one more.
    pub counter: u64,
    /// The phase, which decides the accepted commands.
    pub phase: Phase,
    /// The key whose signature admin commands need.
    pub admin: Option<Address>,
    /// Address of the key that signs for the paymasters.
    pub paymaster_signer: Option<Address>,
    /// Address of the standby key that is to replace it, if one was prepared.
    pub standby_paymaster_signer: Option<Address>,
    /// The relay keys.
    pub signers: Vec<Signer>,
    /// Number of accounts created.
    pub accounts: Option<u32>,
    /// Maximum number of accounts.
    pub max_accounts: Option<u32>,
    /// The relying party whose passkeys it registers; `None` from a gateway that does not report
    /// it.
    pub rp_id: Option<String>,
    /// The current bounds.
    pub ceilings: Option<Ceilings>,
    /// The allowances: none if the admin has never set one; `None` if they are not reported.
    pub allowances: Option<Vec<Allowance>>,
}

/// The record of a relay key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// The record's number.
    pub record: u64,
    /// The address that the record was created for.
    pub authorised_as: Address,
    /// The address of the current key.
    pub address: Address,
    /// Names of its permissions, including those of later versions.
    pub permissions: Vec<String>,
    /// Number of rotations so far.
    pub rotations: u64,
}

impl From<&AuthorisedSigner> for Signer {
    fn from(signer: &AuthorisedSigner) -> Self {
        Self {
            record: signer.record,
            authorised_as: signer.authorised_as,
            address: signer.address,
            permissions: signer.permissions.names().map(str::to_owned).collect(),
            rotations: signer.rotations,
        }
    }
}

/// Permissions of later versions are omitted.
impl From<&Signer> for AuthorisedSigner {
    fn from(signer: &Signer) -> Self {
        let permissions = signer.permissions.iter().filter_map(|name| Permissions::named(name));
        Self {
            record: signer.record,
            authorised_as: signer.authorised_as,
            address: signer.address,
            permissions: permissions.fold(Permissions::default(), |all, one| all | one),
            rotations: signer.rotations,
        }
    }
}

/// Authorises a relay key: creates a record for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthorizeSigner {
    /// The only TEE that accepts it.
    pub tee_id: TeeId,
    /// The relay key's address.
    pub signer: Address,
    /// Its permissions: a list of names.
    pub permissions: Permissions,
    /// One more than [`Signers::counter`]. It becomes the record's number.
    #[serde(deserialize_with = "json::number")]
    pub counter: u64,
    /// The admin's signature.
    pub signature: Signature,
}

/// Removes the record of a relay key, whichever key it then holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeSigner {
    /// The only TEE that accepts it.
    pub tee_id: TeeId,
    /// The record's number.
    #[serde(deserialize_with = "json::number")]
    pub record: u64,
    /// The address that the record was created for.
    pub authorised_as: Address,
    /// One more than [`Signers::counter`].
    #[serde(deserialize_with = "json::number")]
    pub counter: u64,
    /// The admin's signature.
    pub signature: Signature,
}

/// Replaces a relay key in the same record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotateSigner {
    /// The only TEE that accepts it.
    pub tee_id: TeeId,
    /// The record's number.
    #[serde(deserialize_with = "json::number")]
    pub record: u64,
    /// One more than the number of rotations of the record so far.
    #[serde(deserialize_with = "json::number")]
    pub rotation: u64,
    /// The current key.
    pub current: Address,
    /// The new key.
    pub next: Address,
    /// The signature of `current`.
    pub current_signature: Signature,
    /// The signature of `next`.
    pub next_signature: Signature,
    /// The admin's signature, unless the record has the permission to rotate.
    pub admin_signature: Option<Signature>,
}

same_fields! {
    AuthorizeSigner { tee_id, signer, permissions, counter, signature }
    RevokeSigner { tee_id, record, authorised_as, counter, signature }
    RotateSigner { tee_id, record, rotation, current, next, current_signature, next_signature, admin_signature }
}
