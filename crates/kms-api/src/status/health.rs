//! A gateway's health as one word.

use core::convert::Infallible;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::reason::ReceivedReason;

const HEALTHY: &str = "healthy";
const UNINITIALISED: &str = "uninitialised";

/// In JSON `healthy`, `uninitialised`, or the reason for which requests are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthStatus {
    /// The TEE answers, has the required protection, and is provisioned.
    Healthy,
    /// The TEE is not provisioned yet.
    Uninitialised,
    /// Requests are refused: `tee_unavailable`, `tee_busy`, `tee_protection_insufficient`,
    /// `tee_state_lost` or `store_unavailable`.
    Unhealthy(ReceivedReason),
}

impl HealthStatus {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Healthy => HEALTHY,
            Self::Uninitialised => UNINITIALISED,
            Self::Unhealthy(reason) => reason.as_str(),
        }
    }
}

impl FromStr for HealthStatus {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            HEALTHY => Self::Healthy,
            UNINITIALISED => Self::Uninitialised,
            reason => Self::Unhealthy(reason.parse()?),
        })
    }
}

impl Serialize for HealthStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for HealthStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Ok(status) = String::deserialize(deserializer)?.parse();
        Ok(status)
    }
}
