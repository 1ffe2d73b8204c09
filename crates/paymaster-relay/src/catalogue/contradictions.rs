//! Settings of a policy that contradict themselves: it could sponsor nothing.

use proto::json::Excerpt;

use crate::clients::{ApiKeyId, Origins};
use crate::policy::Policy;
use crate::settings::{PolicySettings, Settings, SettingsError};

/// # Errors
/// [`SettingsError::Invalid`] names the key and the policy.
pub(super) fn check(policy: &PolicySettings, settings: &Settings) -> Result<(), SettingsError> {
    let invalid = |key, problem: String| {
        let problem = format!("policy {:?}: {problem}", policy.id);
        Err(SettingsError::Invalid { key, problem })
    };
    for (key, percent) in [
        ("policies.max_pre_verification_percent", policy.max_pre_verification_percent),
        ("policies.max_fee_percent", policy.max_fee_percent),
        ("policies.max_priority_fee_percent", policy.max_priority_fee_percent),
    ] {
        if percent.is_some_and(|percent| percent < 100) {
            return invalid(key, "must be at least 100".to_owned());
        }
    }
    if let (Some(start), Some(end)) = (policy.not_before, policy.not_after)
        && start >= end
    {
        return invalid("policies.not_after", "must be later than not_before".to_owned());
    }
    if let Err(error) = Origins::parse(&policy.origins) {
        return invalid("policies.origins", error.to_string());
    }
    if let Some(id) = policy.api_keys.iter().find(|id| !ApiKeyId::may_be(id)) {
        // It may be a key.
        let length = id.len();
        return invalid("policies.api_keys", format!("one of {length} characters is no id: list ids, not keys"));
    }
    if let Err(problem) = Policy::check_functions(policy) {
        return invalid("policies.targets.functions", problem);
    }
    let known = Policy::shadowable();
    if let Some(name) = policy.shadow.iter().find(|name| !known.contains(&name.as_str())) {
        let problem = format!(
            "{:?} is not one of the rules that can be in shadow: {}",
            Excerpt(name).to_string(),
            known.join(", ")
        );
        return invalid("policies.shadow", problem);
    }
    check_validity(policy, settings).or_else(|problem| invalid("policies.validity_seconds", problem))
}

fn check_validity(policy: &PolicySettings, settings: &Settings) -> Result<(), String> {
    let Some(seconds) = policy.validity_seconds else { return Ok(()) };
    let most = settings.validity_seconds;
    let open = settings.all_chains().iter().filter(|chain| policy.is_open_on(chain.chain_id));
    let shortest = open.map(|chain| settings.min_validity_seconds.saturating_add(chain.block_seconds)).max();
    let least = shortest.unwrap_or_default();
    if (least..=most).contains(&seconds) {
        return Ok(());
    }
    Err(format!(
        "must be from {least} (min_validity_seconds and block_seconds together) to {most} (relay.validity_seconds)"
    ))
}
