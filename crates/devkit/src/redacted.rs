//! Redacts answers for snapshots: values that differ between runs or machines are replaced by their
//! form.

use serde_json::Value;

/// Numbers from here on are times, or depend on times.
const TIMES: u64 = 1_000_000_000;
/// Longer hex and base64url texts, in characters, depend on keys.
const SHORT: usize = 18;
/// The version of every crate of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The answer with its changing values redacted; keys, their order, and the values that clients
/// branch on stay.
#[must_use]
pub fn redacted(answer: &Value) -> Value {
    match answer {
        Value::Array(items) => items.iter().map(redacted).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), redacted(value))).collect(),
        // Fractions are measurements.
        Value::Number(number) if number.is_f64() || number.as_u64().is_some_and(|number| number >= TIMES) => {
            "<number>".into()
        }
        Value::String(text) => text_redacted(text).into(),
        other => other.clone(),
    }
}

fn text_redacted(text: &str) -> String {
    if let Some(digits) = text.strip_prefix("0x").filter(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        let is_long = text.len() > SHORT;
        return if is_long { format!("<hex, {} bytes>", digits.len() / 2) } else { text.to_owned() };
    }
    let is_coded = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.len() > SHORT && text.bytes().all(is_coded) && !is_words(text) {
        return "<id>".to_owned();
    }
    text.replace(VERSION, "<version>")
}

/// `snake_case` or `camelCase`: bytes in base64url have digits, or two capitals in a row.
fn is_words(text: &str) -> bool {
    let has_digits = text.bytes().any(|byte| byte.is_ascii_digit());
    let has_capitals = text.as_bytes().windows(2).any(|pair| pair.iter().all(u8::is_ascii_uppercase));
    !has_digits && !has_capitals
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changes_is_named_by_its_form() {
        let answer = json!({ "hash": format!("0x{}", "ab".repeat(32)), "id": "mfgqVZ-n6ZyXkV2tB0xKmQ", "at": 1_800_000_000u64,
            "word": "content_encoding_not_supported", "gas": "0xea60", "ok": true, "uses": 5, "code": -32602,
            "policy": "userVerificationRequired", "took": 0.25, "version": format!("relay/{VERSION}") });
        let expected = json!({ "hash": "<hex, 32 bytes>", "id": "<id>", "at": "<number>",
            "word": "content_encoding_not_supported", "gas": "0xea60", "ok": true, "uses": 5, "code": -32602,
            "policy": "userVerificationRequired", "took": "<number>", "version": "relay/<version>" });
        assert_eq!(redacted(&answer), expected);
    }
}
