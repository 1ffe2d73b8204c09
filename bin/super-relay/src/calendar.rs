//! Dates of the Gregorian calendar, UTC.

pub const SECONDS_A_DAY: u64 = 24 * 60 * 60;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: u64 = 719_468;
const DAYS_IN_400_YEARS: u64 = 146_097;

/// To the minute, as in `2026-11-28 12:45 UTC`.
pub fn utc(seconds: u64) -> String {
    let (year, month, day) = date(seconds / SECONDS_A_DAY);
    let minutes = seconds % SECONDS_A_DAY / 60;
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// RFC 3339, as in `2026-11-28T12:45:00Z`.
pub fn timestamp(seconds: u64) -> String {
    let (year, month, day) = date(seconds / SECONDS_A_DAY);
    let of_day = seconds % SECONDS_A_DAY;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day % 3600 / 60, of_day % 60)
}

/// Unix seconds: of a date, which is its beginning in UTC, of a timestamp as [`timestamp`] writes
/// it, or as they are.
pub fn parse_time(text: &str) -> Result<u64, String> {
    let expected = || "expected a date (2026-11-28), a time in UTC (2026-11-28T12:45:00Z) or Unix seconds".to_owned();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| expected());
    }
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let days = parse_date(date).ok_or_else(expected)?;
    let of_day = parse_time_of_day(time).ok_or_else(expected)?;
    Ok(days * SECONDS_A_DAY + of_day)
}

/// A month, as in `2026-11`, as it is.
pub fn parse_month(text: &str) -> Result<String, String> {
    let is_month = parse_date(&format!("{text}-01")).is_some();
    is_month.then(|| text.to_owned()).ok_or_else(|| "expected a month (2026-11)".to_owned())
}

/// Howard Hinnant's `civil_from_days`: years that begin in March.
fn date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + DAYS_BEFORE_1970;
    let (era, of_era) = (days / DAYS_IN_400_YEARS, days % DAYS_IN_400_YEARS);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Days since 1970 of a date in four, two and two digits; `None` if there is no such date.
fn parse_date(text: &str) -> Option<u64> {
    let [year, month, day] = numbers(text, '-', [4, 2, 2])?;
    let from_march = (month + 9) % 12;
    let year_from_march = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, year_of_era) = (year_from_march / 400, year_from_march % 400);
    let of_year = (153 * from_march + 2) / 5 + day.checked_sub(1)?;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let days = (era * DAYS_IN_400_YEARS + of_era).checked_sub(DAYS_BEFORE_1970)?;
    (date(days) == (year, month, day)).then_some(days)
}

fn parse_time_of_day(text: &str) -> Option<u64> {
    let [hour, minute, second] = numbers(text.strip_suffix('Z')?, ':', [2, 2, 2])?;
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)
}

/// Numbers of that many digits.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part =
            parts.next().filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
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
