//! The allowances of the deployments: queries that anyone may send.

use serde::{Deserialize, Serialize};

use super::admin::Deployment;
use crate::bytes::BoundedList;
use crate::limits;
use crate::number::Wei;

/// Requests all allowances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetAllowances;

/// All allowances. None: the admin has never set one, and what is signed has no total.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowances {
    /// In the order in which they were first set. Deployments that the ceilings no longer name stay
    /// listed.
    pub allowances: BoundedList<Allowance, { limits::MAX_ALLOWANCES }>,
}

/// The allowance of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// The only deployment it is for.
    pub deployment: Deployment,
    /// Wei, a total. The sum of the worst cases that may ever be signed.
    pub granted: Wei,
    /// Wei. The sum of the worst cases signed so far, and of those lost when the trusted
    /// application was killed.
    pub spent: Wei,
    /// Wei, at least `spent`. What counts as spent if the trusted application is killed now.
    pub sealed: Wei,
}

impl Allowance {
    /// Wei. The sum of the worst cases that may still be signed.
    #[must_use]
    pub const fn remaining(&self) -> Wei {
        Wei(self.granted.0.saturating_sub(self.spent.0))
    }
}

impl Allowances {
    /// What may still be signed for the deployment; `None` if there is no total.
    #[must_use]
    pub fn remaining(&self, deployment: &Deployment) -> Option<Wei> {
        if self.allowances.is_empty() {
            return None;
        }
        let known = self.allowances.iter().find(|allowance| allowance.deployment == *deployment);
        Some(known.map_or(Wei(0), Allowance::remaining))
    }
}

/// Requests that the exact spent amounts are sealed, so that a restart loses nothing. A host sends
/// it before it stops; at any other time the only effect is that the next sponsorship seals again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealAllowances;
