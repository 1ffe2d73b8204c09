//! Validates settings when they are read, before anything is opened.

use crate::catalogue::Catalogue;
use crate::clients::check_hashes;
use crate::policy::ListedStandings;
use crate::rpc;
use crate::settings::{Settings, SettingsError, WebhookSettings};

/// More than two weeks of blocks of 12 s: with more, every reservation would stay for weeks.
const MOST_CONFIRMATIONS: u64 = 100_000;

/// Checks the settings for consistency; makes no requests.
///
/// # Errors
/// [`SettingsError`] names the key.
pub fn check(settings: &Settings) -> Result<(), SettingsError> {
    let numbers = [
        ("max_signings", settings.max_signings.into()),
        ("max_refusals", settings.max_refusals.into()),
        ("settlement_interval_seconds", settings.settlement_interval_seconds),
        ("ledger.reconciliation_interval_seconds", settings.ledger.reconciliation_interval_seconds),
        ("rpc.max_body_bytes", settings.rpc.max_body_bytes.into()),
        ("rpc.max_connections", settings.rpc.max_connections.into()),
        ("redis.timeout_milliseconds", settings.redis.as_ref().map_or(1, |redis| redis.timeout_milliseconds)),
    ];
    if let Some((key, _)) = numbers.into_iter().find(|(_, number)| *number == 0) {
        return Err(SettingsError::Invalid { key, problem: "must be above 0".to_owned() });
    }
    for chain in settings.all_chains() {
        chain.url()?;
        if chain.confirmations > MOST_CONFIRMATIONS {
            let problem = format!("must be at most {MOST_CONFIRMATIONS}");
            return Err(chain.invalid(["chain.confirmations", "chains.confirmations"], &problem));
        }
        if chain.timeout_seconds == 0 {
            return Err(chain.invalid(["chain.timeout_seconds", "chains.timeout_seconds"], "must be above 0"));
        }
    }
    check_bundlers(settings)?;
    check_webhooks(&settings.webhooks)?;
    if let Some(redis) = &settings.redis {
        redis.client()?;
    }
    if settings.relay_key.passphrase_place().is_none() {
        let problem = "one of passphrase_env and passphrase_file is needed".to_owned();
        return Err(SettingsError::Invalid { key: "relay_key", problem });
    }
    check_hashes(&settings.rpc.api_key_hashes)?;
    rpc::origins(&settings.rpc)?;
    rpc::proxies(&settings.rpc)?;
    settings.page.check()?;
    Catalogue::new(settings)?;
    ListedStandings::new(&settings.accounts, settings.default_account)?;
    Ok(())
}

/// Bundlers at a key that is read for the other form of settings would be ignored.
fn check_bundlers(settings: &Settings) -> Result<(), SettingsError> {
    let misplaced = |key, problem: &str| Err(SettingsError::Invalid { key, problem: problem.to_owned() });
    if settings.chain.as_ref().is_some_and(|chain| chain.bundler.is_some()) {
        return misplaced("chain.bundler", "the bundlers of the only chain are [relay.bundler]");
    }
    if settings.bundler.is_some() && !settings.chains.is_empty() {
        return misplaced("bundler", "with several chains each has its own bundlers: chains.bundler");
    }
    let mut bundlers = settings.all_chains().iter().filter_map(|chain| settings.bundlers_of(chain));
    bundlers.try_for_each(|bundlers| bundlers.check())
}

fn check_webhooks(webhooks: &[WebhookSettings]) -> Result<(), SettingsError> {
    webhooks.iter().try_for_each(WebhookSettings::check)?;
    let is_again = |(place, webhook): &(usize, &WebhookSettings)| {
        webhooks[..*place].iter().any(|earlier| earlier.name == webhook.name)
    };
    webhooks.iter().enumerate().find(is_again).map_or(Ok(()), |(_, webhook)| {
        Err(SettingsError::Duplicate { key: "webhooks.name", value: webhook.name.clone() })
    })
}
