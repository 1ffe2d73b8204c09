//! Commands of the admin, each signed elsewhere as EIP-712 typed data, and the rotation of a relay
//! key.

mod setup;
mod signers;

use proto::command;
use proto::{Address, Permissions, Signature, TeeId};
use serde::{Deserialize, Serialize};

use crate::json;

pub use setup::{Ceilings, Deployment, RelyingParty, TeeSetup};
pub use signers::{GetSigners, Signer, Signers};

/// The command took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// True.
    pub success: bool,
}

/// The first command of a new TEE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provision {
    /// The only TEE that takes it.
    pub tee_id: TeeId,
    /// Whose signature admin commands need from now on, this one included.
    pub admin: Address,
    /// Where passkeys may come from.
    pub relying_parties: Vec<RelyingParty>,
    /// What is never exceeded.
    pub ceilings: Ceilings,
    /// 1.
    #[serde(deserialize_with = "json::number")]
    pub counter: u64,
    /// The admin's.
    pub signature: Signature,
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

/// Replaces the ceilings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetCeilings {
    /// The only TEE that takes it.
    pub tee_id: TeeId,
    /// The new ones.
    pub ceilings: Ceilings,
    /// One more than [`Signers::counter`].
    #[serde(deserialize_with = "json::number")]
    pub counter: u64,
    /// The admin's.
    pub signature: Signature,
}

/// Makes a standby for the paymaster key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreparePaymasterKey {
    /// The only TEE that takes it.
    pub tee_id: TeeId,
    /// One more than [`Signers::counter`].
    #[serde(deserialize_with = "json::number")]
    pub counter: u64,
    /// The admin's.
    pub signature: Signature,
}

/// Has the standby sign for the paymasters from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotatePaymasterKey {
    /// The only TEE that takes it.
    pub tee_id: TeeId,
    /// The standby's address.
    pub next: Address,
    /// One more than [`Signers::counter`].
    #[serde(deserialize_with = "json::number")]
    pub counter: u64,
    /// The admin's.
    pub signature: Signature,
}

/// Commands whose fields are the same as the trusted application's, both ways.
macro_rules! same_fields {
    ($($command:ident { $($field:ident),* })*) => {
        $(
            impl From<&command::$command> for $command {
                fn from(command: &command::$command) -> Self {
                    Self { $($field: command.$field),* }
                }
            }

            impl From<$command> for command::$command {
                fn from(body: $command) -> Self {
                    Self { $($field: body.$field),* }
                }
            }
        )*
    };
}

same_fields! {
    AuthorizeSigner { tee_id, signer, permissions, counter, signature }
    RevokeSigner { tee_id, record, authorised_as, counter, signature }
    RotateSigner { tee_id, record, rotation, current, next, current_signature, next_signature, admin_signature }
    PreparePaymasterKey { tee_id, counter, signature }
    RotatePaymasterKey { tee_id, next, counter, signature }
}

impl From<&command::Provision> for Provision {
    fn from(command: &command::Provision) -> Self {
        Self {
            tee_id: command.tee_id,
            admin: command.admin,
            relying_parties: command.relying_parties.iter().map(RelyingParty::from).collect(),
            ceilings: (&command.ceilings).into(),
            counter: command.counter,
            signature: command.signature,
        }
    }
}

impl From<&command::SetCeilings> for SetCeilings {
    fn from(command: &command::SetCeilings) -> Self {
        let command::SetCeilings { tee_id, ceilings, counter, signature } = command;
        Self { tee_id: *tee_id, ceilings: ceilings.into(), counter: *counter, signature: *signature }
    }
}
