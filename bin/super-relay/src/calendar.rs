//! Dates and times for people, and as options of commands. UTC.

use paymaster_relay::calendar::{parse_date, parse_timestamp, timestamp};

/// To the minute, as in `2026-11-28 12:45 UTC`.
pub fn utc(seconds: u64) -> String {
    let text = timestamp(seconds);
    match (text.get(..10), text.get(11..16)) {
        (Some(date), Some(time)) => format!("{date} {time} UTC"),
        _ => text,
    }
}

/// Unix seconds: of a date, which is its beginning, of a time (RFC 3339), or as they are.
pub fn parse_time(text: &str) -> Result<u64, String> {
    let expected = || "expected a date (2026-11-28), a time in UTC (2026-11-28T12:45:00Z) or Unix seconds".to_owned();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| expected());
    }
    parse_date(text).or_else(|| parse_timestamp(text)).ok_or_else(expected)
}

/// A month, as in `2026-11`, as it is.
pub fn parse_month(text: &str) -> Result<String, String> {
    let is_month = parse_date(&format!("{text}-01")).is_some();
    is_month.then(|| text.to_owned()).ok_or_else(|| "expected a month (2026-11)".to_owned())
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
            assert_eq!(parse_time(&timestamp(seconds)), Ok(seconds));
        }
    }

    #[test]
    fn a_date_is_the_time_at_which_it_begins() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2027-02-24T00:00:01Z", 1_803_427_201),
            ("1803427201", 1_803_427_201),
        ] {
            assert_eq!(parse_time(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2026",
            "2026-11",
            "2026-13-01",
            "2026-00-01",
            "2026-02-29",
            "2026-11-31",
            "2026-11-00",
            "1969-12-31",
            "26-11-01",
            "2026-11-01-",
            "2026-11-01T",
            "2026-11-01T24:00:00Z",
            "2026-11-01T12:00:00",
            "yesterday",
            "-1",
            "2026-11-+1",
        ] {
            let outcome = parse_time(text);
            assert_eq!(outcome.is_ok(), text == "2026", "{text}: {outcome:?}");
        }
        assert_eq!(parse_month("2026-11"), Ok("2026-11".to_owned()));
        for text in ["2026-13", "2026-1", "2026", "2026-11-01", "~"] {
            assert!(parse_month(text).is_err(), "{text}");
        }
    }
}
