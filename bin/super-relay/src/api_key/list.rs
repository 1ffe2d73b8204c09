//! Keys for people to read: one line each.

use std::time::{SystemTime, UNIX_EPOCH};

use paymaster_relay::clients::KeyKind;

use super::api::KeyState;
use crate::printable::printable;

const HEAD: [&str; 9] = ["ID", "KIND", "LABEL", "SCOPES", "POLICIES", "ORIGINS", "RATE", "TODAY", "STATE"];
const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// With a header; columns are as wide as needed.
pub fn table(keys: &[KeyState]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let rows: Vec<[String; 9]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(keys.iter().map(|key| row(key, now))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 9] = std::array::from_fn(width);
    let line = |row: &[String; 9]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
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

/// To the minute. Howard Hinnant's `civil_from_days`: years of the Gregorian calendar that begin in
/// March.
fn utc(seconds: u64) -> String {
    let (days, minutes) = (seconds / SECONDS_A_DAY + 719_468, seconds % SECONDS_A_DAY / 60);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / SECONDS_A_DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_as_its_date() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_803_427_200, "2027-02-24 00:00 UTC"),
            (4_107_542_399, "2100-02-28 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }
}
