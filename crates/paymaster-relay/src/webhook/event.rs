//! The documents that webhooks get.

use bytes::Bytes;
use serde_json::{Value, json};

/// A sponsorship is reserved, and will be signed if the webhook approves.
pub(super) const REQUESTED: &str = "sponsorship.requested";
/// A sponsorship may be requested later; its user was not asked yet.
pub(super) const PREVIEWED: &str = "sponsorship.previewed";

/// A sponsorship was settled or released.
pub(super) const FINALISED: &str = "sponsorship.finalised";

const SECONDS_A_DAY: u64 = 86_400;

/// Type, time and data, as the specification recommends.
pub(super) fn document(kind: &str, at: u64, data: Value) -> Bytes {
    json!({ "type": kind, "timestamp": iso8601(at), "data": data }).to_string().into()
}

/// Unix seconds as a time in UTC. Years of the Gregorian calendar are counted from March, so that a
/// leap day is the last day of its year (Howard Hinnant, "chrono-compatible low-level date
/// algorithms").
fn iso8601(seconds: u64) -> String {
    let (days, rest) = (seconds / SECONDS_A_DAY + 719_468, seconds % SECONDS_A_DAY);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_iso_8601_has_it() {
        // As GNU date prints them.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_614_265_330, "2021-02-25T15:02:10Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(iso8601(seconds), text);
        }
    }
}
