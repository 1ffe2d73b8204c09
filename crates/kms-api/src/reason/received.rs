//! A reason as a client parses it: later versions of the gateway have reasons that this one does
//! not know.

use core::convert::Infallible;
use core::fmt;
use core::str::FromStr;

use proto::Status;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Reason;

/// A reason known to this version, or the name of an unknown one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReceivedReason {
    /// A reason of the table.
    Known(Reason),
    /// The name, as received: neither shortened nor escaped.
    Unknown(String),
}

impl ReceivedReason {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(reason) => reason.as_str(),
            Self::Unknown(name) => name,
        }
    }

    /// The trusted application's status, if the reason is one.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        match self {
            Self::Known(Reason::Tee(status)) => Some(*status),
            _ => None,
        }
    }

    /// Whether an answer with this HTTP status decides the request. Otherwise the gateway could not
    /// decide, or not yet, and another gateway may. Whether the refusal is retryable is irrelevant
    /// here.
    #[must_use]
    pub fn is_decision(&self, http_status: u16) -> bool {
        match http_status {
            408 | 429 | 500.. => *self == Reason::RotationTooSoon.into(),
            _ => true,
        }
    }
}

impl From<Reason> for ReceivedReason {
    fn from(reason: Reason) -> Self {
        Self::Known(reason)
    }
}

impl From<Status> for ReceivedReason {
    fn from(status: Status) -> Self {
        Self::Known(status.into())
    }
}

impl FromStr for ReceivedReason {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(Reason::named(name).map_or_else(|| Self::Unknown(name.to_owned()), Self::Known))
    }
}

impl fmt::Display for ReceivedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ReceivedReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ReceivedReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(Reason::named(&name).map_or(Self::Unknown(name), Self::Known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_reason_keeps_its_name() {
        let received: ReceivedReason = serde_json::from_str("\"of_tomorrow\"").unwrap();
        assert_eq!(received, ReceivedReason::Unknown("of_tomorrow".into()));
        assert_eq!(serde_json::to_string(&received).unwrap(), "\"of_tomorrow\"");
    }

    #[test]
    fn a_rotation_that_comes_too_soon_is_a_decision_and_other_rate_limits_are_not() {
        let decides = |reason: Reason| ReceivedReason::from(reason).is_decision(reason.http_status());
        assert!(decides(Reason::RotationTooSoon));
        assert!(decides(Status::SignerNotAuthorised.into()));
        for undecided in [Reason::AttestationTooSoon, Reason::BodyNotReceived, Reason::TeeBusy] {
            assert!(!decides(undecided), "{undecided}");
        }
    }
}
