//! The allowance of a deployment.

use proto::Status;
use proto::command::{Provisioned, SetAllowance};

use super::{AdminCommand, Change};

/// Only for a deployment of the ceilings: a typing error would otherwise take one of the places.
impl AdminCommand for SetAllowance {
    fn change(&self, current: &Provisioned) -> Result<Change, Status> {
        let is_there = current.ceilings.deployments.contains(&self.deployment);
        is_there.then_some(Change::Allowance(self.deployment, self.total)).ok_or(Status::DeploymentNotAllowed)
    }
}
