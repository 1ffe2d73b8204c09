//! The relay keys: who may sign, and within which ceilings.

use proto::command::{self, Phase};
use proto::signers::AuthorisedSigner;
use proto::{Address, Permissions, Signature, TeeId};
use serde::{Deserialize, Serialize};

use super::same_fields;
use super::setup::Ceilings;
use crate::json;

/// Asks for [`Signers`].
#[derive(Clone, Copy, Debug)]
pub struct GetSigners;

/// What provisioning and admin commands made. What is `None` is so before provisioning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signers {
    /// Which TEE it is.
    pub tee_id: TeeId,
    /// Admin commands that took effect; the next is signed for one more.
    pub counter: u64,
    /// Which commands are accepted.
    pub phase: Phase,
    /// Whose signature admin commands need.
    pub admin: Option<Address>,
    /// Address of the key that signs for the paymasters.
    pub paymaster_signer: Option<Address>,
    /// Address of the key that is to sign after it, if one was prepared.
    pub standby_paymaster_signer: Option<Address>,
    /// The relay keys.
    pub signers: Vec<Signer>,
    /// Accounts made.
    pub accounts: Option<u32>,
    /// Accounts that may be made.
    pub max_accounts: Option<u32>,
    /// The relying party whose passkeys it registers; `None` from a gateway that does not tell it.
    pub rp_id: Option<String>,
    /// The bounds in force.
    pub ceilings: Option<Ceilings>,
}

/// The record of a relay key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// The record's number.
    pub record: u64,
    /// The address that the record was made for.
    pub authorised_as: Address,
    /// The address of the key that is in it now.
    pub address: Address,
    /// Names of what it may do, also of a later version.
    pub permissions: Vec<String>,
    /// How often the key was rotated.
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

/// Permissions of a later version are left out.
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

/// Admits a relay key: makes a record of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthorizeSigner {
    /// The only TEE that takes it.
    pub tee_id: TeeId,
    /// The relay key's address.
    pub signer: Address,
    /// What it may do: a list of names.
    pub permissions: Permissions,
    /// One more than [`Signers::counter`]. The number of the record.
    #[serde(deserialize_with = "json::number")]
    pub counter: u64,
    /// The admin's.
    pub signature: Signature,
}

/// Removes the record of a relay key, with whichever key is in it by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeSigner {
    /// The only TEE that takes it.
    pub tee_id: TeeId,
    /// The record's number.
    #[serde(deserialize_with = "json::number")]
    pub record: u64,
    /// The address that the record was made for.
    pub authorised_as: Address,
    /// One more than [`Signers::counter`].
    #[serde(deserialize_with = "json::number")]
    pub counter: u64,
    /// The admin's.
    pub signature: Signature,
}

/// Puts a new relay key in the place of another, in the same record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotateSigner {
    /// The only TEE that takes it.
    pub tee_id: TeeId,
    /// The record's number.
    #[serde(deserialize_with = "json::number")]
    pub record: u64,
    /// One more than the record's rotations so far.
    #[serde(deserialize_with = "json::number")]
    pub rotation: u64,
    /// The key that leaves.
    pub current: Address,
    /// The key that takes its place.
    pub next: Address,
    /// By `current`.
    pub current_signature: Signature,
    /// By `next`.
    pub next_signature: Signature,
    /// The admin's, unless the record has the permission to rotate.
    pub admin_signature: Option<Signature>,
}

same_fields! {
    AuthorizeSigner { tee_id, signer, permissions, counter, signature }
    RevokeSigner { tee_id, record, authorised_as, counter, signature }
    RotateSigner { tee_id, record, rotation, current, next, current_signature, next_signature, admin_signature }
}
