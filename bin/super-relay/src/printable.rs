//! Text from elsewhere, for a terminal.

use proto::json::is_obeyed;

/// Maximum number of characters shown of a line from elsewhere.
const MAX_SHOWN: usize = 4000;

/// A line from elsewhere, of a bounded length and without control characters that a terminal would
/// interpret.
pub fn printable(line: &str) -> String {
    let mut shown: String =
        line.chars().take(MAX_SHOWN).map(|c| if is_obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if line.chars().nth(MAX_SHOWN).is_some() {
        shown.push_str(&format!("… ({} bytes)", line.len()));
    }
    shown
}

/// JSON on several lines, whole: a program may read it. Strings have no line breaks of their own.
pub fn printable_json(json: &serde_json::Value) -> String {
    let shown = |c| if c != '\n' && is_obeyed(c) { char::REPLACEMENT_CHARACTER } else { c };
    format!("{json:#}").chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_whole_and_has_nothing_that_a_terminal_obeys() {
        let long = "ab".repeat(MAX_SHOWN);
        let shown = printable_json(&serde_json::json!({ "data": long, "message": "a\nb\u{202e}\u{9b}c" }));
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read["data"], long);
        assert_eq!(read["message"], "a\nb\u{fffd}\u{fffd}c");
    }
}
