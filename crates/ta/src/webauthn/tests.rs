//! A registration and an assertion recorded from Chromium (`vectors/chromium-passkey.json`).

use alloc::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding};
use proto::bytes::BoundedList;
use proto::command::{PasskeyAssertion, Registration, RelyingParty};
use proto::{Bounded, IntentHash, IntentList, Status};
use serde_json::Value;

use super::assertion::verify_assertion;
use super::*;
use crate::accounts::Passkey;

fn vector() -> Value {
    serde_json::from_str(include_str!("../../vectors/chromium-passkey.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(value.as_str().unwrap()).unwrap()
}

fn bounded<const MAX: usize>(value: &Value) -> proto::bytes::BoundedBytes<MAX> {
    Bounded::new(bytes(value)).unwrap()
}

fn relying_parties(vector: &Value) -> Vec<RelyingParty> {
    let text = |key: &str| Bounded::new(vector[key].as_str().unwrap().into()).unwrap();
    let origins = BoundedList::new([text("origin")].into()).unwrap();
    [RelyingParty { id: text("rpId"), origins }].into()
}

fn passkey(vector: &Value) -> Result<Passkey, Status> {
    let response = &vector["registration"]["response"]["response"];
    let registration = Registration {
        authenticator_data: bounded(&response["authenticatorData"]),
        client_data_json: bounded(&response["clientDataJSON"]),
    };
    verify_registration(&registration, &relying_parties(vector))
}

fn assertion(vector: &Value) -> PasskeyAssertion {
    let credential = &vector["assertion"]["response"];
    let response = &credential["response"];
    PasskeyAssertion {
        credential_id: bounded(&credential["rawId"]),
        authenticator_data: bounded(&response["authenticatorData"]),
        client_data_json: bounded(&response["clientDataJSON"]),
        signature: bounded(&response["signature"]),
        intents: None,
    }
}

fn challenge(vector: &Value) -> [u8; 32] {
    let text = vector["assertion"]["challengeHex"].as_str().unwrap();
    hex::decode(text.trim_start_matches("0x")).unwrap().try_into().unwrap()
}

#[test]
fn a_registration_of_a_real_browser_gives_its_passkey() {
    let vector = vector();
    let passkey = passkey(&vector).unwrap();
    let credential = &vector["registration"];
    assert_eq!(*passkey.credential_id, bytes(&credential["response"]["rawId"]));
    let coordinate = |bytes: &[u8]| Value::from(alloc::format!("0x{}", hex::encode(bytes)));
    assert_eq!(coordinate(&passkey.public_key.x), credential["publicKey"]["x"]);
    assert_eq!(coordinate(&passkey.public_key.y), credential["publicKey"]["y"]);
    assert_eq!(passkey.sign_count, 1);
}

#[test]
fn an_assertion_of_a_real_browser_approves_its_challenge_and_no_other() {
    let vector = vector();
    let (passkey, parties) = (passkey(&vector).unwrap(), relying_parties(&vector));
    let (assertion, mut challenge) = (assertion(&vector), challenge(&vector));
    let gesture = verify_assertion(&assertion, &passkey, &parties, &IntentHash(challenge)).ok().unwrap();
    assert_eq!(gesture.sign_count(), 2);
    challenge[31] ^= 1;
    let refused = verify_assertion(&assertion, &passkey, &parties, &IntentHash(challenge)).err();
    assert_eq!(refused, Some(Status::ChallengeMismatch));
}

#[test]
fn an_assertion_with_a_list_approves_nothing_but_an_operation() {
    let vector = vector();
    let (passkey, parties) = (passkey(&vector).unwrap(), relying_parties(&vector));
    let (mut assertion, challenge) = (assertion(&vector), challenge(&vector));
    let intents = [IntentHash(challenge), IntentHash([1; 32])];
    assertion.intents = Some(IntentList::new(intents.to_vec()).unwrap());
    let refused = verify_assertion(&assertion, &passkey, &parties, &IntentHash(challenge)).err();
    assert_eq!(refused, Some(Status::ChallengeMismatch));
    // Nor an operation of the list whose hash the passkey did not sign.
    for intent in &intents {
        let refused = verify_operation(&assertion, &passkey, &parties, intent).err();
        assert_eq!(refused, Some(Status::ChallengeMismatch));
    }
    assertion.intents = None;
    assert!(verify_assertion(&assertion, &passkey, &parties, &IntentHash(challenge)).is_ok());
}
