//! Configuration errors without the values: the URLs of nodes and of Redis contain keys, and
//! startup logs are kept.

use std::fs::read_to_string;

use config::ConfigError;

/// The message, with the position of a value instead of the value.
pub fn text(error: &ConfigError) -> String {
    match error {
        ConfigError::FileParse { uri, cause } => {
            let file = uri.as_deref().unwrap_or_default();
            let Some(error) = cause.downcast_ref::<toml::de::Error>() else {
                return format!("{file}: not TOML");
            };
            let line = error.span().and_then(|span| line_of(file, span.start));
            let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
            format!("{file}{place}: {}", error.message())
        }
        ConfigError::At { error, origin, key } => {
            format!("{}{}", text(error), place(key.as_deref(), origin.as_deref()))
        }
        ConfigError::NotFound(key) => format!("`{key}` is missing"),
        error => without_strings(&error.to_string()),
    }
}

/// The text without quoted strings, which is how values appear in it.
fn without_strings(text: &str) -> String {
    let (mut kept, mut is_inside, mut is_escaped) = (String::new(), false, false);
    for letter in text.chars() {
        let is_quote = letter == '"' && !is_escaped;
        if is_quote && !is_inside {
            kept.push_str("\"…\"");
        } else if !is_quote && !is_inside {
            kept.push(letter);
        }
        is_inside ^= is_quote;
        is_escaped = letter == '\\' && !is_escaped;
    }
    kept
}

/// The part of an override that can be a key.
pub fn key_in(pair: &str) -> String {
    pair.chars().take_while(|&letter| letter.is_ascii_alphanumeric() || "._-".contains(letter)).collect()
}

fn place(key: Option<&str>, origin: Option<&str>) -> String {
    let key = key.map(|key| format!(" for key `{key}`")).unwrap_or_default();
    let origin = origin.map(|origin| format!(" in {origin}")).unwrap_or_default();
    format!("{key}{origin}")
}

/// Counted from 1; `None` if the file can no longer be read.
fn line_of(file: &str, offset: usize) -> Option<usize> {
    let before = read_to_string(file).ok()?;
    Some(before.get(..offset)?.matches('\n').count() + 1)
}
