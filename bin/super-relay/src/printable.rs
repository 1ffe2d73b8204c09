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

/// JSON on several lines, each of them [`printable`].
pub fn printable_json(json: &serde_json::Value) -> String {
    let lines: Vec<String> = format!("{json:#}").lines().map(printable).collect();
    lines.join("\n")
}
