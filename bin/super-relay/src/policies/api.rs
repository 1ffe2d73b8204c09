//! Messages about policies, on the admin socket and at the admin API.

use paymaster_relay::register::PolicyVersion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// GET lists the newest version of every policy ([`Listed`]); POST applies several at once
/// ([`Apply`], [`Listed`]).
pub const POLICIES: &str = "/admin/policies";
/// POST checks documents without a change ([`Check`], [`Checked`]).
pub const CHECK: &str = "/admin/policy-check";
/// GET returns the newest version and what the configuration file says ([`Shown`]); PUT applies one
/// ([`ApplyOne`], [`PolicyVersion`]).
pub const POLICY: &str = "/admin/policies/{id}";
/// GET returns every version, oldest first ([`Listed`]).
pub const VERSIONS: &str = "/admin/policies/{id}/versions";
/// POST changes the state ([`Why`], [`PolicyVersion`]).
pub const ENABLE: &str = "/admin/policies/{id}/enable";
/// The same.
pub const DISABLE: &str = "/admin/policies/{id}/disable";
/// The same.
pub const ARCHIVE: &str = "/admin/policies/{id}/archive";
/// POST makes a new version with the text of an old one ([`RollBack`], [`PolicyVersion`]).
pub const ROLLBACK: &str = "/admin/policies/{id}/rollback";

/// Policies, or versions of one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// In their order.
    pub policies: Vec<PolicyVersion>,
}

/// A policy.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shown {
    /// Its newest version.
    pub current: PolicyVersion,
    /// What the node's configuration file says, with every field; null if it does not name the
    /// policy.
    pub in_file: Option<Value>,
}

/// Policies to apply: all or none.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Apply {
    /// With the keys of `relay.policies`.
    pub policies: Vec<Value>,
    /// Whether new and archived ones become drafts instead of enabled.
    #[serde(default)]
    pub draft: bool,
    /// Why, for the history.
    #[serde(default)]
    pub note: Option<String>,
}

/// A policy to apply.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyOne {
    /// With the keys of `relay.policies`; its `id` may be left out.
    pub policy: Value,
    /// Whether a new or archived one becomes a draft instead of enabled.
    #[serde(default)]
    pub draft: bool,
    /// Its place: the lowest of a chain is its default. Default: as it was, or the last.
    #[serde(default)]
    pub position: Option<i64>,
    /// Why, for the history.
    #[serde(default)]
    pub note: Option<String>,
}

/// Why a state is changed.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Why {
    /// For the history.
    #[serde(default)]
    pub note: Option<String>,
}

/// A version to return to.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollBack {
    /// The version whose text becomes the newest.
    pub version: u64,
    /// Why, for the history.
    #[serde(default)]
    pub note: Option<String>,
}

/// Documents to check.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// With the keys of `relay.policies`.
    pub policies: Vec<Value>,
}

/// Valid documents, in the order of the request.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// Each with every field.
    pub policies: Vec<Value>,
}

/// A refusal.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// Stable: `invalid_policy`, `version_conflict` and so on.
    pub reason: String,
    /// A message for people.
    pub error: String,
}
