//! Refuses keys that nothing reads: a mistyped limit must not silently be no limit. Also refuses
//! unknown values of keys that take one of a list, naming the known ones.

use proto::Address;
use serde_json::Value;

use super::error::ConfigError;
use super::reference::Keys;

/// Minimum similarity (0 to 1) of a known key to be suggested.
const LIKENESS: f64 = 0.7;

/// Refuses the first key or value that is not in the schema.
pub fn refuse(given: &Value) -> Result<(), ConfigError> {
    check(given, "", &Keys::known())
}

fn check(given: &Value, path: &str, keys: &Keys) -> Result<(), ConfigError> {
    match given {
        Value::Object(entries) => entries.iter().try_for_each(|(name, value)| {
            let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if !keys.contains(&key) && !keys.is_free_form(path) {
                return Err(ConfigError::UnknownKey { nearest: nearest(&key, keys), key });
            }
            check(value, &key, keys)
        }),
        // Read as a list of its keys' values, it would replace the whole section.
        Value::Array(_) if path.is_empty() || keys.is_section(path) => {
            Err(ConfigError::Value { key: path.to_owned(), problem: "expected a section, and not a list".into() })
        }
        Value::Array(items) => items.iter().try_for_each(|item| check(item, path, keys)),
        Value::String(word) => match keys.values(path) {
            Some(known) if !known.iter().any(|known| known.eq_ignore_ascii_case(word)) => {
                let known: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
                let problem = format!("unknown value `{word}`, expected one of {}", known.join(", "));
                Err(ConfigError::Value { key: path.to_owned(), problem })
            }
            _ => check_address(word, path),
        },
        _ => Ok(()),
    }
}

/// The mixed case of an address is its checksum (EIP-55), which shows whether the address was
/// mistyped.
fn check_address(word: &str, path: &str) -> Result<(), ConfigError> {
    let has = |is: fn(&u8) -> bool| word.bytes().skip(2).any(|byte| is(&byte));
    let Ok(address) = word.parse::<Address>() else { return Ok(()) };
    let is_mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    let written = address.to_string();
    if is_mixed && written != word {
        let problem =
            format!("the checksum (EIP-55) of {word} does not match: if it is the right one, write {written}");
        return Err(ConfigError::Value { key: path.to_owned(), problem });
    }
    Ok(())
}

/// The known key most similar to this one.
pub(super) fn nearest(key: &str, keys: &Keys) -> Option<String> {
    keys.iter()
        .map(|known| (strsim::jaro_winkler(key, known), known))
        .filter(|(likeness, _)| *likeness > LIKENESS)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known.to_string())
}
