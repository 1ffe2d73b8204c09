//! Callers' text as errors and logs show it.

use proto::EntryPointVersion::V07;
use proto::json::{Excerpt, GasFields, LongExcerpt, parse_user_operation};
use serde_json::json;

#[test]
fn a_short_text_is_shown_as_it_is() {
    for text in ["", "callGas", "it's \"quoted\"", "café", &"f".repeat(Excerpt::MAX_CHARS)] {
        assert_eq!(Excerpt(text).to_string(), text);
    }
}

#[test]
fn a_long_text_is_truncated_and_its_length_shown() {
    let shown = Excerpt(&"ä".repeat(100_000)).to_string();
    assert_eq!(shown, format!("{}… (200000 bytes)", "ä".repeat(Excerpt::MAX_CHARS)));
}

#[test]
fn a_message_is_shown_at_greater_length() {
    let shown = LongExcerpt(&format!("a\n{}", "b".repeat(1000))).to_string();
    assert_eq!(shown, format!(r"a\n{}… (1002 bytes)", "b".repeat(LongExcerpt::MAX_CHARS - 2)));
}

#[test]
fn control_characters_are_escaped() {
    let shown = Excerpt("a\nb\r\t\u{1b}[31m\u{202e}\u{0}").to_string();
    assert_eq!(shown, r"a\nb\r\t\u{1b}[31m\u{202e}\0");
}

#[test]
fn an_unknown_field_of_any_length_gives_a_short_error() {
    let name = "k\n".repeat(100_000);
    let op = json!({
        "sender": format!("0x{}", "11".repeat(20)), "nonce": "0x0", "callData": "0x", "callGasLimit": "0x1",
        "verificationGasLimit": "0x1", "preVerificationGas": "0x1", "maxFeePerGas": "0x1",
        "maxPriorityFeePerGas": "0x1", name: "0x",
    });
    let error = parse_user_operation(&op, V07, 1, GasFields::Required).unwrap_err().to_string();
    assert!(error.len() < 400 && !error.contains('\n'), "{error}");
}
