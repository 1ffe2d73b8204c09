//! The trusted application answers with a status alone. Where it refused for a ceiling, the refusal
//! is told with the ceiling as it last said it.

use proto::Status;
use proto::command::Ceilings;

use super::{GatewayError, Inner};

impl Inner {
    /// The same refusal with the ceiling that it is about, if it is about one and the TEE tells.
    pub(super) async fn with_ceiling(&self, error: GatewayError) -> GatewayError {
        let GatewayError::Refused(status) = error else { return error };
        if !is_about_ceiling(status) {
            return error;
        }
        // Of a few seconds ago at most: the ceiling may be another than when the gateway started.
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
