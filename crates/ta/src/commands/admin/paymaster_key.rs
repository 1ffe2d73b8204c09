//! The key that signs for the paymasters, and the standby that replaces it.

use proto::Status;
use proto::command::{PreparePaymasterKey, Provisioned, RotatePaymasterKey};

use super::{AdminCommand, Change};

impl AdminCommand for PreparePaymasterKey {
    fn change(&self, _: &Provisioned) -> Result<Change, Status> {
        Ok(Change::NewStandby)
    }
}

/// The command must name the current standby.
impl AdminCommand for RotatePaymasterKey {
    fn change(&self, current: &Provisioned) -> Result<Change, Status> {
        let is_there = current.standby_paymaster_signer == Some(self.next);
        is_there.then_some(Change::StandbyInUse).ok_or(Status::StandbyKeyMismatch)
    }
}
