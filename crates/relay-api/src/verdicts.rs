//! What each rule says of an operation that is not sponsored yet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether an operation would be sponsored, and what each rule says. Nothing was charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    /// Always true.
    pub dry_run: bool,
    /// The policy.
    pub policy_id: String,
    /// Whether every rule and check passed.
    pub sponsors: bool,
    /// The rules of the policy, in the order of checking, and then the checks of every policy.
    pub verdicts: Vec<Verdict>,
}

/// What one rule says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The rule's setting; or `operation` (what EntryPoint and chain refuse in any case), `tee`
    /// (permissions of the relay's key, ceilings), `reservations`, `simulate`, `webhook`.
    pub rule: String,
    /// What it says.
    pub outcome: Outcome,
    /// The stable reason of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For people: the refusal, or why the rule was not evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The rule's bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The value that exceeds it, if the caller may know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<String>,
    /// Unix seconds: when the rule's window begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<u64>,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The rule holds, or is not set.
    Passed,
    /// The rule refuses the operation.
    Refused,
    /// The rule would refuse the operation, but is in shadow: it is not enforced.
    Shadowed,
    /// Another refusal leaves nothing to judge.
    NotEvaluated,
}
