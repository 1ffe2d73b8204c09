//! Times in settings.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer};

const DAY: u64 = 86_400;
const DAYS_BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// A time of RFC 3339 in UTC, to the second: `2026-12-31T23:59:59Z`. As Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct UtcTime(pub u64);

impl<'de> Deserialize<'de> for UtcTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| {
            let expected = "a time in UTC from 1970 on, in the form of 2026-12-31T23:59:59Z";
            de::Error::invalid_value(de::Unexpected::Str(&text), &expected)
        })
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unix time {}", self.0)
    }
}

fn parse(text: &str) -> Option<UtcTime> {
    const FORM: &[u8] = b"0000-00-00T00:00:00Z";
    let fits = |(byte, form): (u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == *form };
    if text.len() != FORM.len() || !text.bytes().zip(FORM).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_real = year >= 1970 && (1..=days_of(year, month)?).contains(&day);
    if !is_real || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let months = usize::try_from(month - 1).ok()?;
    let leap = u64::from(is_leap(year) && month > 2);
    let days = days_before_year(year) - days_before_year(1970) + DAYS_BEFORE_MONTH.get(months)? + leap + day - 1;
    Some(UtcTime(days * DAY + hour * 3600 + minute * 60 + second))
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Of the Gregorian calendar, from its year 1 on.
const fn days_before_year(year: u64) -> u64 {
    let past = year - 1;
    past * 365 + past / 4 - past / 100 + past / 400
}

fn days_of(year: u64, month: u64) -> Option<u64> {
    Some(match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(text: &str) -> Option<u64> {
        parse(text).map(|time| time.0)
    }

    #[test]
    fn times_are_those_of_the_gregorian_calendar() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1999-12-31T23:59:59Z", 946_684_799),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2024-03-01T12:30:15Z", 1_709_296_215),
            ("2026-11-28T00:00:00Z", 1_795_824_000),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(unix(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_in_utc_is_refused() {
        for text in [
            "",
            "2026-11-28",
            "2026-11-28T00:00:00",
            "2026-11-28T00:00:00+00:00",
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
            "1969-12-31T23:59:59Z",
            "+026-01-01T00:00:00Z",
            "２026-01-01T00:00:00",
        ] {
            assert_eq!(unix(text), None, "{text}");
        }
    }
}
