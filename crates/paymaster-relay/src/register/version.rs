//! A version of a policy, and its life cycle.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The author of what the configuration file says.
pub const FILE: &str = "file";

/// Whether a policy sponsors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PolicyState {
    /// Not in use yet: unknown to callers.
    Draft,
    /// It sponsors.
    Enabled,
    /// It is refused by name, and as the default.
    Disabled,
    /// No longer in use: unknown to callers.
    Archived,
}

impl PolicyState {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Archived => "archived",
        }
    }

    /// Whether callers know a policy in this state.
    #[must_use]
    pub const fn is_offered(self) -> bool {
        matches!(self, Self::Enabled | Self::Disabled)
    }

    /// Whether an operator may move a policy from this state to another.
    pub(super) const fn may_become(self, next: Self) -> bool {
        match next {
            Self::Enabled | Self::Archived => true,
            Self::Disabled => self.is_offered(),
            Self::Draft => false,
        }
    }
}

impl fmt::Display for PolicyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A version of a policy. The newest of an id counts; a version never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyVersion {
    /// The name by which requests choose it.
    pub id: String,
    /// From 1.
    pub version: u64,
    /// Whether it sponsors.
    pub state: PolicyState,
    /// Its place: the lowest of a chain is its default. Of two with the same, the lesser id.
    pub position: i64,
    /// The policy, with every field.
    pub policy: Value,
    /// Who made this version: `file`, `uid <n>` at the admin socket, `key <id>` at the admin API.
    pub author: String,
    /// Why, in the author's words.
    pub note: Option<String>,
    /// Unix seconds.
    pub created_at: u64,
}
