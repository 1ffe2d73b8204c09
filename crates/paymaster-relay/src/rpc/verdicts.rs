//! The verdicts of rules as answers, with the details that a refusal has.

use relay_api::{DryRun, Outcome, ValidPolicy, Verdict};
use serde_json::Value;

use super::error;
use crate::sponsor;

/// The answer to a dry run.
pub(super) fn dry_run(policy_id: String, verdicts: Vec<sponsor::Verdict>) -> DryRun {
    let sponsors = verdicts.iter().all(sponsor::Verdict::has_passed);
    DryRun { dry_run: true, policy_id, sponsors, verdicts: verdicts.iter().map(shown).collect() }
}

/// A policy with what its rules say.
pub(super) fn of_policy(policy: ValidPolicy, verdicts: &[sponsor::Verdict]) -> ValidPolicy {
    let sponsors = verdicts.iter().all(sponsor::Verdict::has_passed);
    ValidPolicy { sponsors: Some(sponsors), verdicts: Some(verdicts.iter().map(shown).collect()), ..policy }
}

fn shown(verdict: &sponsor::Verdict) -> Verdict {
    let plain = |outcome, message| Verdict {
        rule: verdict.rule.to_owned(),
        outcome,
        reason: None,
        message,
        limit: None,
        used: None,
        reset_at: None,
    };
    match &verdict.outcome {
        sponsor::Outcome::Passed => plain(Outcome::Passed, None),
        sponsor::Outcome::NotEvaluated(why) => plain(Outcome::NotEvaluated, Some(why.to_string())),
        sponsor::Outcome::Refused(refusal) | sponsor::Outcome::Shadowed(refusal) => {
            let outcome = if verdict.has_passed() { Outcome::Shadowed } else { Outcome::Refused };
            let (reason, details) = error::described(refusal);
            let text = |name: &str| details.get(name).and_then(Value::as_str).map(str::to_owned);
            Verdict {
                rule: text("rule").unwrap_or_else(|| verdict.rule.to_owned()),
                reason: Some(reason.to_owned()),
                limit: text("limit"),
                used: text("used"),
                reset_at: details.get("resetAt").and_then(Value::as_u64),
                ..plain(outcome, Some(refusal.to_string()))
            }
        }
    }
}
