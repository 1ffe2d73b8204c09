//! Keys for people to read: one line each.

use std::time::{SystemTime, UNIX_EPOCH};

use paymaster_relay::clients::KeyKind;

use super::api::KeyState;
use paymaster_relay::calendar::SECONDS_A_DAY;

use crate::calendar::utc;
use crate::printable::printable;

const HEAD: [&str; 9] = ["ID", "KIND", "LABEL", "SCOPES", "POLICIES", "ORIGINS", "RATE", "TODAY", "STATE"];

/// With a header.
pub fn table(keys: &[KeyState]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    crate::table::table(HEAD.map(str::to_owned), keys.iter().map(|key| row(key, now)))
}

fn row(KeyState { key, revoked_at, usage, .. }: &KeyState, now: u64) -> [String; 9] {
    let any = |list: Vec<String>| if list.is_empty() { "any".to_owned() } else { list.join(",") };
    let kind = match key.kind {
        KeyKind::Server => "server",
        KeyKind::Publishable => "publishable",
    };
    let origins = match key.kind {
        KeyKind::Server => "-".to_owned(),
        KeyKind::Publishable => Vec::from(key.origins.clone()).join(","),
    };
    let rate = key.rate.map_or_else(|| "-".to_owned(), |rate| rate.to_string());
    let calls = if usage.day == now / SECONDS_A_DAY { usage.calls } else { 0 };
    let today = key.quota.map_or_else(|| calls.to_string(), |quota| format!("{calls}/{quota}"));
    let state = match (revoked_at, key.expires_at) {
        (Some(_), _) => "revoked".to_owned(),
        (None, Some(expires_at)) if expires_at <= now => "expired".to_owned(),
        (None, expires_at) => {
            let until = expires_at.map(|at| format!(" until {}", utc(at))).unwrap_or_default();
            let used = usage.last_used_at.map(|last| format!("used {} ago", ago(now.saturating_sub(last))));
            format!("active{until}, {}", used.unwrap_or_else(|| "never used".to_owned()))
        }
    };
    let scopes = key.scopes.iter().map(|scope| scope.as_str().to_owned()).collect::<Vec<_>>().join(",");
    let policies = any(key.policies.clone());
    [key.id.to_string(), kind.to_owned(), printable(&key.label), scopes, policies, origins, rate, today, state]
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / SECONDS_A_DAY),
    }
}
