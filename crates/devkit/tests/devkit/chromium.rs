//! Compares the passkey with Chromium's recorded output: the same keys, the same layout.

use alloy_primitives::hex;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value as Cbor;
use devkit::SoftPasskey;
use devkit::passkey::SignCounter;
use serde_json::{Value, json};

const ORIGIN: &str = "http://localhost:42633";

fn recorded() -> Value {
    serde_json::from_str(include_str!("fixtures/chromium-passkey.json")).unwrap()
}

fn challenge(hex: &Value) -> String {
    URL_SAFE_NO_PAD.encode(hex::decode(hex.as_str().unwrap()).unwrap())
}

fn bytes(field: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(field.as_str().unwrap()).unwrap()
}

fn creation_options(challenge: &str) -> Value {
    json!({
        "rp": {"id": "localhost", "name": "Test"},
        "user": {"id": "dXNlci0x", "name": "user-1", "displayName": "User 1"},
        "challenge": challenge,
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
    })
}

/// The recorded ceremonies, repeated by a software passkey.
fn replayed() -> (Value, Value) {
    let recorded = recorded();
    let mut passkey = SoftPasskey::create("localhost", ORIGIN).unwrap();
    passkey.behaviour.counter = SignCounter::Counting;
    let options = creation_options(&challenge(&recorded["registration"]["challengeHex"]));
    let registration = passkey.register(&options).unwrap();
    let options = json!({
        "challenge": challenge(&recorded["assertion"]["challengeHex"]),
        "rpId": "localhost",
        "allowCredentials": [{"type": "public-key", "id": registration["id"]}],
        "userVerification": "required",
    });
    (registration, passkey.assert(&options).unwrap())
}

/// Every key path in the document with the type of its value.
fn shape(value: &Value, path: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let below = fields.iter().flat_map(|(key, value)| shape(value, &format!("{path}.{key}")));
            std::iter::once(format!("{path}: object")).chain(below).collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| shape(item, &format!("{path}[]"))).collect(),
        Value::String(_) => vec![format!("{path}: string")],
        other => vec![format!("{path}: {other}")],
    }
}

#[test]
fn responses_have_the_keys_a_browser_gives_them() {
    let (registration, assertion) = replayed();
    let recorded = recorded();

    assert_eq!(shape(&registration, ""), shape(&recorded["registration"]["response"], ""));
    assert_eq!(shape(&assertion, ""), shape(&recorded["assertion"]["response"], ""));
    assert_eq!(assertion["response"]["userHandle"], recorded["assertion"]["response"]["response"]["userHandle"]);
}

#[test]
fn client_data_is_chromiums_byte_for_byte() {
    let (registration, assertion) = replayed();
    let recorded = recorded();

    for (ours, theirs) in [(registration, &recorded["registration"]), (assertion, &recorded["assertion"])] {
        let (ours, theirs) = (&ours["response"]["clientDataJSON"], &theirs["response"]["response"]["clientDataJSON"]);
        assert_eq!(String::from_utf8(bytes(ours)), String::from_utf8(bytes(theirs)));
    }
}

#[test]
fn authenticator_data_is_laid_out_as_chromiums() {
    let (registration, assertion) = replayed();
    let recorded = recorded();

    let ours = bytes(&registration["response"]["authenticatorData"]);
    let theirs = bytes(&recorded["registration"]["response"]["response"]["authenticatorData"]);
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(ours[..37], theirs[..37], "rpIdHash, flags and counter");
    assert_eq!(ours[53..55], theirs[53..55], "length of the credential id");
    assert_eq!(ours[55..87], bytes(&registration["id"]));
    assert_eq!(ours[87..97], theirs[87..97], "COSE key up to x");
    assert_eq!(ours[129..132], theirs[129..132], "COSE key between x and y");
    let ours = bytes(&assertion["response"]["authenticatorData"]);
    assert_eq!(ours, bytes(&recorded["assertion"]["response"]["response"]["authenticatorData"]));
}

#[test]
fn attestation_object_and_public_key_are_encoded_as_chromiums() {
    let (registration, _) = replayed();
    let (ours, recorded) = (&registration["response"], recorded());
    let theirs = &recorded["registration"]["response"]["response"];

    let (object, recorded_object) = (bytes(&ours["attestationObject"]), bytes(&theirs["attestationObject"]));
    let data = bytes(&ours["authenticatorData"]);
    let head = recorded_object.len() - data.len();
    assert_eq!(object[..head], recorded_object[..head], "everything before authData");
    assert_eq!(object[head..], data);
    let decoded: Cbor = ciborium::from_reader(object.as_slice()).unwrap();
    assert_eq!(decoded.as_map().unwrap().len(), 3);

    let (key, recorded_key) = (bytes(&ours["publicKey"]), bytes(&theirs["publicKey"]));
    assert_eq!(key[..27], recorded_key[..27], "SubjectPublicKeyInfo up to x");
    assert_eq!(key[27..59], data[97..129], "x, as in the COSE key");
    assert_eq!(key[59..], data[132..], "y, as in the COSE key");
}
