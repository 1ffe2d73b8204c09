//! A TEE's initial settings: where passkeys may come from, and the ceilings.

use proto::bytes::BoundedList;
use proto::command;
use proto::json::InvalidField;
use proto::{Address, EntryPoint, EntryPointVersion, Quantity, Signature, TeeId, Wei};
use serde::{Deserialize, Serialize};

use crate::json;

/// The part of [`Provision`] that is stored in a file: config/tee.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TeeSetup {
    /// Where passkeys may come from.
    pub relying_parties: Vec<RelyingParty>,
    /// Bounds that are never exceeded.
    pub ceilings: Ceilings,
}

/// A relying party and the origins its ceremonies run at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelyingParty {
    /// The domain.
    pub id: String,
    /// The origins, as browsers and apps write them.
    pub origins: Vec<String>,
}

/// Bounds on what the trusted application signs and keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ceilings {
    /// The only deployments it signs for.
    pub deployments: Vec<Deployment>,
    /// Wei. Worst case of one sponsored operation.
    pub max_cost: Quantity<u128>,
    /// Seconds from the relay's timestamp to `validUntil`.
    pub max_window: u32,
    /// Maximum number of accounts; 0 allows none.
    pub max_accounts: u32,
}

/// A paymaster and the EntryPoint it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    /// EIP-155 chain id.
    pub chain_id: Quantity<u64>,
    /// The EntryPoint contract.
    pub entry_point: Address,
    /// Its version.
    pub version: EntryPointVersion,
    /// The paymaster contract.
    pub paymaster: Address,
}

/// The first command of a new TEE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provision {
    /// The only TEE that accepts it.
    pub tee_id: TeeId,
    /// The key whose signature admin commands need from now on, including this one.
    pub admin: Address,
    /// Where passkeys may come from.
    pub relying_parties: Vec<RelyingParty>,
    /// Bounds that are never exceeded.
    pub ceilings: Ceilings,
    /// Always 1.
    #[serde(deserialize_with = "json::number")]
    pub counter: u64,
    /// The admin's signature.
    pub signature: Signature,
}

/// Replaces the ceilings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetCeilings {
    /// The only TEE that accepts it.
    pub tee_id: TeeId,
    /// The new ceilings.
    pub ceilings: Ceilings,
    /// One more than [`super::Signers::counter`].
    #[serde(deserialize_with = "json::number")]
    pub counter: u64,
    /// The admin's signature.
    pub signature: Signature,
}

impl From<&command::RelyingParty> for RelyingParty {
    fn from(party: &command::RelyingParty) -> Self {
        let origins = party.origins.iter().map(|origin| (**origin).clone());
        Self { id: (*party.id).clone(), origins: origins.collect() }
    }
}

impl From<&command::Ceilings> for Ceilings {
    fn from(ceilings: &command::Ceilings) -> Self {
        Self {
            deployments: ceilings.deployments.iter().map(Deployment::from).collect(),
            max_cost: Quantity(ceilings.max_cost.0),
            max_window: ceilings.max_window,
            max_accounts: ceilings.max_accounts,
        }
    }
}

/// Fails if there are more deployments than the trusted application accepts.
impl TryFrom<Ceilings> for command::Ceilings {
    type Error = InvalidField;

    fn try_from(ceilings: Ceilings) -> Result<Self, InvalidField> {
        let deployments = ceilings.deployments.into_iter().map(command::Deployment::from).collect();
        let invalid = |problem: proto::bytes::TooLong| InvalidField {
            field: "ceilings.deployments".to_owned(),
            problem: problem.to_string(),
        };
        Ok(Self {
            deployments: BoundedList::new(deployments).map_err(invalid)?,
            max_cost: Wei(ceilings.max_cost.0),
            max_window: ceilings.max_window,
            max_accounts: ceilings.max_accounts,
        })
    }
}

impl From<&command::Deployment> for Deployment {
    fn from(command::Deployment { entry_point, paymaster }: &command::Deployment) -> Self {
        Self {
            chain_id: Quantity(entry_point.chain_id),
            entry_point: entry_point.address,
            version: entry_point.version,
            paymaster: *paymaster,
        }
    }
}

impl From<Deployment> for command::Deployment {
    fn from(deployment: Deployment) -> Self {
        let Deployment { chain_id: Quantity(chain_id), entry_point: address, version, paymaster } = deployment;
        Self { entry_point: EntryPoint { chain_id, address, version }, paymaster }
    }
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

/// Fails if there are more deployments than the trusted application accepts.
impl TryFrom<SetCeilings> for command::SetCeilings {
    type Error = InvalidField;

    fn try_from(body: SetCeilings) -> Result<Self, InvalidField> {
        let SetCeilings { tee_id, ceilings, counter, signature } = body;
        Ok(Self { tee_id, ceilings: ceilings.try_into()?, counter, signature })
    }
}
