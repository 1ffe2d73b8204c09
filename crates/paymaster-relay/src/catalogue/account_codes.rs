//! Checks the account code that a policy lists.

use alloy_primitives::KECCAK256_EMPTY;

use crate::settings::{PolicySettings, Settings, SettingsError};

/// Refuses lists that would be ignored, and the hash of no code, which would make every address
/// without a contract an implementation; and any code, where the profile does.
pub(super) fn check(policy: &PolicySettings, settings: &Settings) -> Result<(), SettingsError> {
    let invalid =
        |key, problem: &str| Err(SettingsError::Invalid { key, problem: format!("policy {:?}: {problem}", policy.id) });
    let (codes, proxies) = (&policy.account_codes, &policy.account_proxies);
    if policy.any_account_code && !(codes.is_empty() && proxies.is_empty()) {
        return invalid(
            "policies.any_account_code",
            "account_codes or account_proxies are listed, and would be ignored",
        );
    }
    if settings.requires_known_code && policy.accepts_calls_of_any_code() {
        return invalid(
            "policies.any_account_code",
            "the production profile refuses calls of accounts with any code: unset it, or list senders beside targets",
        );
    }
    if !proxies.is_empty() && policy.targets.is_empty() && codes.is_empty() {
        return invalid("policies.account_proxies", "code is restricted only with targets or account_codes");
    }
    if codes.iter().map(|code| code.code_hash).chain(proxies.iter().copied()).any(|hash| hash.0 == KECCAK256_EMPTY.0) {
        return invalid("policies.account_codes", "that is the hash of no code");
    }
    Ok(())
}
