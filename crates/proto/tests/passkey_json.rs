//! Passkey registrations and assertions in the JSON that browsers produce.
#![expect(clippy::unwrap_used, reason = "a vector that does not parse must fail the test")]

use proto::json::passkey::{assertion_to_json, parse_assertion, parse_registration, to_base64url};
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

fn intent(number: usize) -> String {
    format!("0x{number:064x}")
}

#[test]
fn a_list_of_intents_is_read_and_written_beside_the_browser_s_answer() {
    let mut json = browser_assertion();
    json["intents"] = json!((1..=16).map(intent).collect::<Vec<_>>());
    let assertion = parse_assertion(&json).unwrap();
    assert_eq!(assertion.intents.as_ref().unwrap().len(), 16);
    assert_eq!(assertion_to_json(&assertion)["intents"], json["intents"]);
    assert_eq!(parse_assertion(&assertion_to_json(&assertion)).unwrap(), assertion);
    json["intents"] = Value::Null;
    let without = parse_assertion(&json).unwrap();
    assert_eq!(without.intents, None);
    assert_eq!(assertion_to_json(&without).get("intents"), None);
}

#[test]
fn a_list_of_intents_that_is_none_is_refused() {
    let cases = [
        (json!([]), "intents", "expected 2 to 16 intents, found 0"),
        (json!([intent(1)]), "intents", "expected 2 to 16 intents, found 1"),
        (json!((1..=17).map(intent).collect::<Vec<_>>()), "intents", "expected 2 to 16 intents, found 17"),
        (json!(vec!["not read"; 100_000]), "intents", "expected 2 to 16 intents, found 100000"),
        (
            json!([intent(1), intent(2), intent(1)]),
            "intents",
            &format!("expected different intents, found {} twice", intent(1)),
        ),
        (json!(intent(1)), "intents", "expected an array"),
        (json!({ "0": intent(1) }), "intents", "expected an array"),
        (json!([intent(1), 2]), "intents[1]", "expected a string"),
        (json!([intent(1), Value::Null]), "intents[1]", "expected a string"),
    ];
    for (intents, field, problem) in cases {
        let mut json = browser_assertion();
        json["intents"] = intents;
        let refusal = parse_assertion(&json).unwrap_err();
        assert_eq!((refusal.field.as_str(), refusal.problem.as_str()), (field, problem));
    }
    for text in ["0x12", "", "00"] {
        let mut json = browser_assertion();
        json["intents"] = json!([intent(1), text]);
        assert_eq!(parse_assertion(&json).unwrap_err().field, "intents[1]");
    }
    // A registration approves nothing.
    let mut json = browser_registration();
    json["intents"] = json!([intent(1), intent(2)]);
    assert_eq!(parse_registration(&json).unwrap_err().field, "intents");
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
