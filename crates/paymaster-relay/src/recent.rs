//! Ages by a clock that may have been set back since.

/// Whether `since` is less than `seconds` ago. A time in the future was taken by a clock that was
/// ahead, and is not recent.
pub(crate) fn is_recent(since: u64, now: u64, seconds: u64) -> bool {
    now.checked_sub(since).is_some_and(|age| age < seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_seconds_are_recent() {
        for (since, expected) in [(89, false), (90, false), (91, true), (100, true), (101, false), (u64::MAX, false)] {
            assert_eq!(is_recent(since, 100, 10), expected, "{since}");
        }
    }
}
