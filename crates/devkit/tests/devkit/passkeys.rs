//! The passkey checked by verifiers (p256 and webauthn-rs), which must detect its lies.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use devkit::SoftPasskey;
use devkit::passkey::{Behaviour, ExtraKey, PasskeyError, SignCounter, SignatureForm};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use webauthn_rs::prelude::{Passkey, Webauthn, WebauthnBuilder, WebauthnError};

const RP_ID: &str = "relay.example";
const ORIGIN: &str = "https://relay.example";

fn passkey() -> SoftPasskey {
    SoftPasskey::create(RP_ID, ORIGIN).unwrap()
}

fn server() -> Webauthn {
    WebauthnBuilder::new(RP_ID, &ORIGIN.parse().unwrap()).unwrap().build().unwrap()
}

fn register(server: &Webauthn, passkey: &mut SoftPasskey) -> Result<Passkey, WebauthnError> {
    let (options, state) = server.start_passkey_registration(Uuid::new_v4(), "ada", "Ada", None).unwrap();
    let options = serde_json::to_value(options).unwrap();
    let response = passkey.register(&options["publicKey"]).unwrap();
    server.finish_passkey_registration(&serde_json::from_value(response).unwrap(), &state)
}

fn log_in(server: &Webauthn, registered: &Passkey, passkey: &mut SoftPasskey) -> Result<u32, WebauthnError> {
    let (options, state) = server.start_passkey_authentication(std::slice::from_ref(registered)).unwrap();
    let options = serde_json::to_value(options).unwrap();
    let response = passkey.assert(&options["publicKey"]).unwrap();
    let response = serde_json::from_value(response).unwrap();
    server.finish_passkey_authentication(&response, &state).map(|result| result.counter())
}

fn bytes(field: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(field.as_str().unwrap()).unwrap()
}

/// Verifies and returns the signature of an assertion.
fn verified_signature(passkey: &SoftPasskey, assertion: &Value) -> Signature {
    let response = &assertion["response"];
    let client_data_hash = Sha256::digest(bytes(&response["clientDataJSON"]));
    let message = [bytes(&response["authenticatorData"]).as_slice(), &client_data_hash].concat();
    let signature = Signature::from_der(&bytes(&response["signature"])).unwrap();
    let key = VerifyingKey::from_sec1_bytes(&passkey.public_key()).unwrap();
    key.verify(&message, &signature).unwrap();
    signature
}

#[test]
fn webauthn_rs_accepts_a_registration_and_a_login() {
    for extra_key in [ExtraKey::Never, ExtraKey::OnRegistration, ExtraKey::Always] {
        let (server, mut passkey) = (server(), passkey());
        passkey.behaviour.extra_key = extra_key;

        let registered = register(&server, &mut passkey).unwrap();

        assert_eq!(AsRef::<[u8]>::as_ref(registered.cred_id()), passkey.credential_id());
        assert_eq!(log_in(&server, &registered, &mut passkey).unwrap(), 0);
    }
}

#[test]
fn a_counting_passkey_counts_and_a_synced_one_stays_at_zero() {
    let (server, mut passkey) = (server(), passkey());
    passkey.behaviour.counter = SignCounter::Counting;
    let registered = register(&server, &mut passkey).unwrap();

    assert_eq!(log_in(&server, &registered, &mut passkey).unwrap(), 2);
    passkey.set_sign_count(40);
    assert_eq!(log_in(&server, &registered, &mut passkey).unwrap(), 41);
    passkey.behaviour.counter = SignCounter::Synced;
    let synced = passkey.assert_challenge(b"c").unwrap();
    assert_eq!(bytes(&synced["response"]["authenticatorData"])[33..], [0; 4]);
}

#[test]
fn both_forms_of_s_verify_and_are_the_ones_asked_for() {
    let mut passkey = passkey();
    for challenge in 0..32u8 {
        passkey.behaviour.signature_form = SignatureForm::LowS;
        let low = passkey.assert_challenge(&[challenge; 32]).unwrap();
        let low = verified_signature(&passkey, &low);
        passkey.behaviour.signature_form = SignatureForm::HighS;
        let high = passkey.assert_challenge(&[challenge; 32]).unwrap();
        let high = verified_signature(&passkey, &high);

        assert_eq!(low.normalize_s(), low);
        assert_ne!(high.normalize_s(), high);
        assert_eq!(high.normalize_s(), low);
    }
}

#[test]
fn unforced_signatures_come_in_both_forms() {
    let mut passkey = passkey();
    let high = (0..64u8)
        .filter(|challenge| {
            let assertion = passkey.assert_challenge(&[*challenge; 32]).unwrap();
            let signature = verified_signature(&passkey, &assertion);
            signature.normalize_s() != signature
        })
        .count();

    assert!((1..64).contains(&high), "{high} of 64 are high");
}

type Lie = fn(Behaviour) -> Behaviour;

#[test]
fn webauthn_rs_sees_through_every_lie() {
    let lies: [(&str, Lie); 6] = [
        ("user not verified", |b| Behaviour { user_verified: false, ..b }),
        ("user not present", |b| Behaviour { user_present: false, ..b }),
        ("other origin", |b| Behaviour { origin: "https://evil.example".to_owned(), ..b }),
        ("other relying party", |b| Behaviour { rp_id: "evil.example".to_owned(), ..b }),
        ("other ceremony", |b| Behaviour { ceremony_type: Some("payment.get".to_owned()), ..b }),
        ("backed up but not eligible", |b| Behaviour { backed_up: true, ..b }),
    ];
    for (name, lie) in lies {
        let (server, mut honest) = (server(), passkey());
        let registered = register(&server, &mut honest).unwrap();

        honest.behaviour = lie(honest.behaviour);
        assert!(log_in(&server, &registered, &mut honest).is_err(), "login: {name}");

        let mut liar = passkey();
        liar.behaviour = lie(liar.behaviour);
        assert!(register(&server, &mut liar).is_err(), "registration: {name}");
    }
}

#[test]
fn lies_are_in_the_bytes_and_validly_signed() {
    let mut passkey = passkey();
    passkey.behaviour.cross_origin = true;
    passkey.behaviour.top_origin = Some("https://evil.example".to_owned());
    passkey.behaviour.backup_eligible = true;
    passkey.behaviour.backed_up = true;
    passkey.behaviour.user_verified = false;

    let assertion = passkey.assert_challenge(b"challenge").unwrap();

    verified_signature(&passkey, &assertion);
    let client_data: Value = serde_json::from_slice(&bytes(&assertion["response"]["clientDataJSON"])).unwrap();
    assert_eq!(client_data["crossOrigin"], json!(true));
    assert_eq!(client_data["topOrigin"], json!("https://evil.example"));
    assert_eq!(bytes(&client_data["challenge"]), b"challenge");
    assert_eq!(bytes(&assertion["response"]["authenticatorData"])[32], 0x01 | 0x08 | 0x10);
}

#[test]
fn a_passkey_refuses_what_a_browser_refuses() {
    let mut passkey = passkey();
    let own = URL_SAFE_NO_PAD.encode(passkey.credential_id());
    let creation = |rp: &str, alg: i64, excluded: Value| {
        json!({
            "rp": {"id": rp, "name": "R"}, "user": {"id": "dQ", "name": "u", "displayName": "U"},
            "challenge": "AAAA", "pubKeyCredParams": [{"type": "public-key", "alg": alg}],
            "excludeCredentials": excluded,
        })
    };
    let excluded = json!([{"type": "public-key", "id": own}]);
    let asked = |rp: &str, id: &str| {
        let allowed = json!([{"type": "public-key", "id": id}]);
        json!({"challenge": "AAAA", "rpId": rp, "allowCredentials": allowed})
    };

    let refused = passkey.register(&creation("evil.example", -7, json!([])));
    assert!(matches!(refused, Err(PasskeyError::OtherRelyingParty { .. })));
    let refused = passkey.register(&creation(RP_ID, -257, json!([])));
    assert!(matches!(refused, Err(PasskeyError::NoCommonAlgorithm)));
    let refused = passkey.register(&creation(RP_ID, -7, excluded));
    assert!(matches!(refused, Err(PasskeyError::Excluded)));
    let refused = passkey.assert(&asked("evil.example", &own));
    assert!(matches!(refused, Err(PasskeyError::OtherRelyingParty { .. })));
    let refused = passkey.assert(&asked(RP_ID, "AAAA"));
    assert!(matches!(refused, Err(PasskeyError::NotAsked)));
    let refused = passkey.assert(&json!({"challenge": "not base64url!"}));
    assert!(matches!(refused, Err(PasskeyError::BadOptions { .. })));
    assert!(passkey.assert(&asked(RP_ID, &own)).is_ok());
}
