//! Passkey registrations and assertions in the JSON that browsers produce.
#![expect(clippy::unwrap_used, reason = "a vector that does not parse must fail the test")]

use proto::json::passkey::{parse_assertion, parse_registration, to_base64url};
use serde_json::{Value, json};

fn browser_assertion() -> Value {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/passkey-registration-assertion.json")).unwrap();
    vectors["assertion"]["response"].clone()
}

#[test]
fn a_chromium_assertion_is_parsed_byte_for_byte() {
    let json = browser_assertion();
    let assertion = parse_assertion(&json).unwrap();
    assert_eq!(to_base64url(&assertion.credential_id), json["rawId"]);
    let response = &json["response"];
    assert_eq!(to_base64url(&assertion.authenticator_data), response["authenticatorData"]);
    assert_eq!(to_base64url(&assertion.client_data_json), response["clientDataJSON"]);
    assert_eq!(to_base64url(&assertion.signature), response["signature"]);
}

#[test]
fn a_refusal_names_the_field() {
    let cases = [
        ("/type", json!("password"), "type"),
        ("/rawId", json!("AAAA"), "rawId"),
        ("/id", json!("not base64"), "id"),
        ("/response", json!([]), "response"),
        ("/response/signature", json!("MEUC="), "response.signature"),
        ("/response/signature", Value::Null, "response.signature"),
        ("/response/clientDataJSON", json!(7), "response.clientDataJSON"),
        ("/response/authenticatorData", json!("A".repeat(100_000)), "response.authenticatorData"),
    ];
    for (pointer, value, field) in cases {
        let mut json = browser_assertion();
        *json.pointer_mut(pointer).unwrap() = value;
        assert_eq!(parse_assertion(&json).unwrap_err().field, field, "{pointer}");
    }
}

#[test]
fn an_unknown_field_is_refused() {
    let mut json = browser_assertion();
    json["extra"] = json!(1);
    assert_eq!(parse_assertion(&json).unwrap_err().field, "extra");
    let mut json = browser_assertion();
    json["response"]["extra"] = json!(1);
    assert_eq!(parse_assertion(&json).unwrap_err().field, "response.extra");
}

fn browser_registration() -> Value {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/passkey-registration-assertion.json")).unwrap();
    vectors["registration"]["response"].clone()
}

#[test]
fn a_chromium_registration_is_parsed_byte_for_byte() {
    let json = browser_registration();
    let registration = parse_registration(&json).unwrap();
    assert_eq!(to_base64url(&registration.credential_id), json["rawId"]);
    assert_eq!(to_base64url(&registration.attestation_object), json["response"]["attestationObject"]);
    assert_eq!(to_base64url(&registration.client_data_json), json["response"]["clientDataJSON"]);
}

#[test]
fn a_registration_s_refusal_names_the_field() {
    let cases = [
        ("/type", json!("password"), "type"),
        ("/rawId", json!("AAAA"), "rawId"),
        ("/id", json!(""), "rawId"),
        ("/response", json!("AAAA"), "response"),
        ("/response/attestationObject", Value::Null, "response.attestationObject"),
        ("/response/attestationObject", json!("A".repeat(100_000)), "response.attestationObject"),
        ("/response/clientDataJSON", json!({}), "response.clientDataJSON"),
    ];
    for (pointer, value, field) in cases {
        let mut json = browser_registration();
        *json.pointer_mut(pointer).unwrap() = value;
        assert_eq!(parse_registration(&json).unwrap_err().field, field, "{pointer}");
    }
    let mut json = browser_registration();
    json["response"]["signature"] = json!("AAAA");
    assert_eq!(parse_registration(&json).unwrap_err().field, "response.signature");
}

/// Both ceremonies refuse the same encodings with the same words.
#[test]
fn another_encoding_is_reported_as_such_in_both_ceremonies() {
    let spellings = [
        ("+AAA", "expected base64url without padding, found '+' of standard base64 at offset 0"),
        ("AA/A", "expected base64url without padding, found '/' of standard base64 at offset 2"),
        ("AAA=", "expected base64url without padding, found padding (\"=\")"),
        ("AA==", "expected base64url without padding, found padding (\"=\")"),
        ("AA A", "expected base64url without padding, found byte 0x20 at offset 2"),
        ("AAAAA", "expected base64url without padding, found an impossible length"),
        ("AB", "expected base64url without padding, found left-over bits at offset 1"),
    ];
    for (text, problem) in spellings {
        for field in ["id", "rawId", "response.clientDataJSON"] {
            let pointer = format!("/{}", field.replace('.', "/"));
            let (mut assertion, mut registration) = (browser_assertion(), browser_registration());
            *assertion.pointer_mut(&pointer).unwrap() = json!(text);
            *registration.pointer_mut(&pointer).unwrap() = json!(text);
            for refusal in [parse_assertion(&assertion).unwrap_err(), parse_registration(&registration).unwrap_err()] {
                assert_eq!((refusal.field.as_str(), refusal.problem.as_str()), (field, problem));
            }
        }
    }
}
