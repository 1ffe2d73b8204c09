//! Times as text (RFC 3339) and months, in UTC; and Unix seconds.

use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, UtcOffset};

/// Seconds of a day.
pub const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// A time to the second, as in `2026-11-28T12:45:00Z`; Unix seconds beyond the year 9999 as they
/// are.
#[must_use]
pub fn timestamp(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| seconds.to_string())
}

/// A time from 1970 on, in the form that [`timestamp`] writes and no other.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok().filter(|time| time.offset() == UtcOffset::UTC)?;
    let seconds = u64::try_from(time.unix_timestamp()).ok()?;
    (timestamp(seconds) == text).then_some(seconds)
}

/// The beginning of a date (`2026-11-28`) from 1970 on, in UTC.
#[must_use]
pub fn parse_date(text: &str) -> Option<u64> {
    parse_timestamp(&format!("{text}T00:00:00Z"))
}

/// The beginning of the month around a time, and that of the next one. The time after the year 9999
/// is one month.
#[must_use]
pub fn month(seconds: u64) -> (u64, u64) {
    let first = |date: Date| u64::try_from(date.midnight().assume_utc().unix_timestamp()).unwrap_or_default();
    let time = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    match time.map(|time| time.date().replace_day(1)) {
        Some(Ok(date)) => {
            let days = u64::from(date.month().length(date.year()));
            (first(date), first(date) + days * SECONDS_A_DAY)
        }
        Some(Err(_)) | None => (first(Date::MAX) + SECONDS_A_DAY, u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_gregorian_calendar() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1999-12-31T23:59:59Z", 946_684_799),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2024-03-01T12:30:15Z", 1_709_296_215),
            ("2026-11-28T00:00:00Z", 1_795_824_000),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(parse_timestamp(text), Some(seconds), "{text}");
            assert_eq!(timestamp(seconds), text);
        }
        assert_eq!(parse_date("2026-11-28"), Some(1_795_824_000));
    }

    #[test]
    fn what_is_no_time_in_utc_is_refused() {
        for text in [
            "",
            "2026-11-28",
            "2026-11-28T00:00:00",
            "2026-11-28T00:00:00+00:00",
            "2026-11-28T01:00:00+01:00",
            "2026-11-28T00:00:00.5Z",
            "2026-11-28 00:00:00Z",
            "2026-11-28t00:00:00z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "2026-12-31T23:59:60Z",
            "1969-12-31T23:59:59Z",
            "+026-01-01T00:00:00Z",
            "２026-01-01T00:00:00",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
        for text in ["", "2026-11", "2026-1-1", "26-11-28", "2026-11-28T00:00:00Z", "2026-02-30"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
