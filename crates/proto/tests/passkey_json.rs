//! Passkey assertions in the JSON that browsers make.
#![expect(clippy::unwrap_used, reason = "a vector that does not parse must fail the test")]

use proto::json::passkey::{parse_assertion, to_base64url};
use serde_json::{Value, json};

fn browser_assertion() -> Value {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/passkey-registration-assertion.json")).unwrap();
    vectors["assertion"]["response"].clone()
}

#[test]
fn what_chromium_answers_is_parsed_byte_for_byte() {
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
