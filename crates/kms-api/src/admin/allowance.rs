//! The allowances of the deployments.

use proto::command::{self, Allowances};
use proto::{Quantity, Signature, TeeId, Wei};
use serde::{Deserialize, Serialize};

use super::Deployment;
use crate::json;

/// Sets how much may be signed for a deployment in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetAllowance {
    /// The only TEE that accepts it.
    pub tee_id: TeeId,
    /// One of the ceilings' deployments.
    pub deployment: Deployment,
    /// Wei, including what is spent already.
    pub total: Quantity<u128>,
    /// One more than [`super::Signers::counter`].
    #[serde(deserialize_with = "json::number")]
    pub counter: u64,
    /// The admin's signature.
    pub signature: Signature,
}

/// The allowance of a deployment. All amounts are in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allowance {
    /// The deployment.
    pub deployment: Deployment,
    /// The sum of the worst cases that may ever be signed.
    pub granted: Quantity<u128>,
    /// The sum of the worst cases signed so far, and of those lost when the TEE was killed.
    pub spent: Quantity<u128>,
    /// What counts as spent if the TEE is killed now.
    pub sealed: Quantity<u128>,
    /// What may still be signed.
    pub remaining: Quantity<u128>,
}

impl From<&command::SetAllowance> for SetAllowance {
    fn from(command: &command::SetAllowance) -> Self {
        let command::SetAllowance { tee_id, deployment, total, counter, signature } = *command;
        Self { tee_id, deployment: (&deployment).into(), total: Quantity(total.0), counter, signature }
    }
}

impl From<SetAllowance> for command::SetAllowance {
    fn from(body: SetAllowance) -> Self {
        let SetAllowance { tee_id, deployment, total, counter, signature } = body;
        Self { tee_id, deployment: deployment.into(), total: Wei(total.0), counter, signature }
    }
}

impl From<&command::Allowance> for Allowance {
    fn from(allowance: &command::Allowance) -> Self {
        Self {
            deployment: (&allowance.deployment).into(),
            granted: Quantity(allowance.granted.0),
            spent: Quantity(allowance.spent.0),
            sealed: Quantity(allowance.sealed.0),
            remaining: Quantity(allowance.remaining().0),
        }
    }
}

impl From<Allowance> for command::Allowance {
    fn from(allowance: Allowance) -> Self {
        Self {
            deployment: allowance.deployment.into(),
            granted: Wei(allowance.granted.0),
            spent: Wei(allowance.spent.0),
            sealed: Wei(allowance.sealed.0),
        }
    }
}

/// The list as a gateway reports it.
#[must_use]
pub fn allowances(told: &Allowances) -> Vec<Allowance> {
    told.allowances.iter().map(Allowance::from).collect()
}
