//! The trusted application answers with a status only. If it refused because of a ceiling, the
//! refusal is completed with that ceiling as last reported.

use proto::Status;
use proto::command::Ceilings;

use super::{GatewayError, Inner};

impl Inner {
    /// Adds the ceiling that the refusal concerns, if there is one and the TEE reports it.
    pub(super) async fn with_ceiling(&self, error: GatewayError) -> GatewayError {
        let GatewayError::Refused(status) = error else { return error };
        if !is_about_ceiling(status) {
            return error;
        }
        // At most a few seconds old: the ceiling may have changed since the gateway started.
        let state = self.known.commanded(&self.tee).await.ok();
        let provisioned = state.as_ref().and_then(|state| state.provisioned.as_ref());
        provisioned.and_then(|provisioned| above(status, &provisioned.ceilings)).unwrap_or(error)
    }
}

const fn is_about_ceiling(status: Status) -> bool {
    matches!(status, Status::TooManyAccounts | Status::CostAboveCeiling | Status::WindowTooWide)
}

fn above(status: Status, ceilings: &Ceilings) -> Option<GatewayError> {
    let (ceiling, limit) = match status {
        Status::TooManyAccounts => ("maxAccounts", ceilings.max_accounts.to_string()),
        Status::CostAboveCeiling => ("maxCost", ceilings.max_cost.to_string()),
        Status::WindowTooWide => ("maxWindow", format!("{} s", ceilings.max_window)),
        _ => return None,
    };
    Some(GatewayError::AboveCeiling { status, ceiling, limit })
}
