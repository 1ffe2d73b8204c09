//! Assertions and registrations in JSON: their bytes are written in one way only.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use proto::json::check_shape;
use proto::json::passkey::{parse_assertion, parse_registration};
use serde_json::Value;

fn assert_is(field: &Value, bytes: &[u8]) {
    assert_eq!(field.as_str(), Some(&*URL_SAFE_NO_PAD.encode(bytes)));
}

fuzz_target!(|bytes: &[u8]| {
    if check_shape(bytes, 512).is_err() {
        return;
    }
    let json: Value = serde_json::from_slice(bytes).expect("its shape was checked");
    let response = &json["response"];
    if let Ok(assertion) = parse_assertion(&json) {
        assert_is(&json["id"], &assertion.credential_id);
        assert_is(&response["authenticatorData"], &assertion.authenticator_data);
        assert_is(&response["clientDataJSON"], &assertion.client_data_json);
        assert_is(&response["signature"], &assertion.signature);
        let listed = json["intents"].as_array().map(Vec::len);
        assert_eq!(assertion.intents.map(|intents| intents.len()), listed);
    }
    if let Ok(registration) = parse_registration(&json) {
        assert_is(&json["id"], &registration.credential_id);
        assert_is(&response["attestationObject"], &registration.attestation_object);
        assert_is(&response["clientDataJSON"], &registration.client_data_json);
    }
});
