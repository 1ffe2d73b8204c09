//! What counts as the user's approval (WebAuthn Level 3, sections 7.1 and 7.2).

use proto::bytes::BoundedList;
use proto::command::{PasskeyAssertion, SignatureScheme, Sponsor, SponsorReply};
use proto::{Bounded, EntryPointVersion, Permissions, Status};

use crate::support::passkey::{AT, BE, BS, ED, RP_ID, UP, UV, cose};
use crate::support::requests::sponsor;
use crate::support::world::{provision, relying_party, signed};
use crate::support::{Draft, Passkey, World};

const VERSION: EntryPointVersion = EntryPointVersion::V07;

/// Modifies a valid passkey, or its page.
type Bend = fn(&mut Passkey);

fn world() -> (World, Passkey) {
    let (world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    (world, passkey)
}

/// The result of an operation approved by the modified passkey.
fn attempt(world: &mut World, passkey: &Passkey) -> Result<SponsorReply, Status> {
    let relay = world.relay.clone();
    world.call(&sponsor(VERSION, "alice", 0).approved(passkey, &relay))
}

/// The same with an assertion built by hand from the challenge.
fn attempt_with(world: &mut World, make: impl FnOnce(&[u8; 32]) -> PasskeyAssertion) -> Result<SponsorReply, Status> {
    let relay = world.relay.clone();
    let mut command: Sponsor = sponsor(VERSION, "alice", 0);
    command.passkey = Some(make(&command.intent_hash().0));
    world.call(&command.relay_approves(&relay))
}

#[test]
pub fn flags_and_origins_that_do_not_prove_the_user_s_approval_are_refused() {
    let (mut world, passkey) = world();
    let refusals: [(Bend, Status); 12] = [
        (|key| key.flags = UV, Status::UserNotPresent),
        (|key| key.flags = UP, Status::UserNotVerified),
        (|key| key.flags = UP | UV | BS, Status::BackupStateInvalid),
        (|key| key.flags = UP | UV | BE, Status::BackupEligibilityChanged),
        (|key| key.flags = UP | UV | AT, Status::AuthenticatorDataMalformed),
        (|key| key.flags = UP | UV | ED, Status::AuthenticatorDataMalformed),
        (|key| key.extensions = vec![0xa0], Status::AuthenticatorDataMalformed),
        (|key| key.rp_id = "other.example".into(), Status::RpIdMismatch),
        (|key| key.origin = "https://wallet.example.evil.example".into(), Status::OriginNotAllowed),
        (|key| key.origin = "http://wallet.example".into(), Status::OriginNotAllowed),
        (|key| key.origin = "https://other.example".into(), Status::OriginNotAllowed),
        (|key| key.origin = "https://WALLET.example".into(), Status::OriginNotAllowed),
    ];
    for (index, (bend, status)) in refusals.into_iter().enumerate() {
        let mut bent = passkey.clone();
        bend(&mut bent);
        assert_eq!(attempt(&mut world, &bent), Err(status), "case {index}");
    }
    assert!(attempt(&mut world, &passkey).is_ok());
}

#[test]
pub fn extensions_and_every_origin_of_the_relying_party_are_fine() {
    let (mut world, mut passkey) = world();
    passkey.flags |= ED;
    passkey.extensions = vec![0xa1, 0x61, 0x78, 0xf5];
    passkey.origin = "https://app.wallet.example".into();
    assert!(attempt(&mut world, &passkey).is_ok());
}

#[test]
pub fn an_android_app_registers_and_approves_where_the_admin_named_its_certificate() {
    const APP: &str = "android:apk-key-hash:TrSIGtzCEFV8kGDTz3jFsNH2TKPWCXAMlVJ3KOpYGrk";
    let mut world = World::new();
    let mut command = provision(world.tee_id, world.admin.address(), 1);
    command.relying_parties = BoundedList::new(vec![relying_party(RP_ID, &[APP])]).unwrap();
    world.call(&signed(command, &world.admin.clone())).unwrap();
    world.authorize(world.relay.address(), Permissions::SPONSOR).unwrap();
    let mut passkey = Passkey::numbered(0x41);
    passkey.origin = APP.into();
    passkey.extra_client_data = r#","androidPackageName":"example.wallet""#.into();
    world.create("alice", &passkey, SignatureScheme::Eip191).unwrap();
    assert!(attempt(&mut world, &passkey).is_ok());
    for other in [APP.to_lowercase(), format!("{APP}="), APP.replace("T", "U"), "https://wallet.example".into()] {
        passkey.origin = other;
        assert_eq!(attempt(&mut world, &passkey), Err(Status::OriginNotAllowed), "{}", passkey.origin);
    }
}

#[test]
pub fn a_passkey_that_may_be_synced_stays_so() {
    let mut world = World::ready();
    let mut passkey = Passkey::numbered(0x41);
    passkey.flags |= BE;
    world.create("alice", &passkey, SignatureScheme::Eip191).unwrap();
    assert!(attempt(&mut world, &passkey).is_ok());
    passkey.flags |= BS;
    assert!(attempt(&mut world, &passkey).is_ok(), "backed up since");
    passkey.flags = UP | UV;
    assert_eq!(attempt(&mut world, &passkey), Err(Status::BackupEligibilityChanged));
}

#[test]
pub fn extra_client_data_keys_are_ignored_and_cross_origin_frames_refused() {
    let (mut world, passkey) = world();
    let cases = [
        (r#","other_keys_can_be_added_here":"do not compare {\"type\":1}""#, None),
        (r#","nested":{"type":[1,{"origin":"https://evil.example"}],"challenge":null},"n":-1.5e3"#, None),
        (r#","tokenBinding":{"status":"supported"}"#, None),
        (r#","topOrigin":"https://evil.example""#, Some(Status::CrossOrigin)),
        (r#","topOrigin":null"#, Some(Status::ClientDataMalformed)),
        (r#","type":"webauthn.get""#, Some(Status::ClientDataMalformed)),
        (r#","challenge":"AAAA""#, Some(Status::ClientDataMalformed)),
        (r#","origin":"https://wallet.example""#, Some(Status::ClientDataMalformed)),
        (r#","crossOrigin":false"#, Some(Status::ClientDataMalformed)),
        (r#","\u0074ype":"webauthn.get""#, Some(Status::ClientDataMalformed)),
        (r#"} {"#, Some(Status::ClientDataMalformed)),
        (r#","open":"#, Some(Status::ClientDataMalformed)),
    ];
    for (extra, refusal) in cases {
        let passkey = Passkey { extra_client_data: extra.into(), ..passkey.clone() };
        assert_eq!(attempt(&mut world, &passkey).err(), refusal, "{extra}");
    }
}

#[test]
pub fn client_data_that_no_browser_writes_is_refused() {
    let (mut world, passkey) = world();
    let replace = |from: &'static str, to: &'static str| {
        let passkey = passkey.clone();
        move |challenge: &[u8; 32]| {
            let text = String::from_utf8(passkey.client_data("webauthn.get", challenge)).unwrap();
            assert!(text.contains(from));
            passkey.sign(text.replacen(from, to, 1).into_bytes(), passkey.authenticator_data(0))
        }
    };
    let cases = [
        ("webauthn.get", "webauthn.create", Status::ClientDataTypeWrong),
        ("webauthn.get", "payment.get", Status::ClientDataTypeWrong),
        ("webauthn.get", "webauthn.\\u0063reate", Status::ClientDataTypeWrong),
        ("https://wallet", "https:\\/\\/evil", Status::OriginNotAllowed),
        ("https://wallet", "https:\\u002f\\ud800wallet", Status::ClientDataMalformed),
        ("\"crossOrigin\":false", "\"crossOrigin\":true", Status::CrossOrigin),
        ("\"crossOrigin\":false", "\"crossOrigin\":\"false\"", Status::ClientDataMalformed),
        ("\"crossOrigin\":false", "\"crossOrigin\":null", Status::ClientDataMalformed),
        ("\"type\":\"webauthn.get\",", "", Status::ClientDataMalformed),
        ("\"origin\":\"https://wallet.example\",", "", Status::ClientDataMalformed),
        ("{", "[{", Status::ClientDataMalformed),
        ("{", "\u{feff}{", Status::ClientDataMalformed),
        ("}", "}\n}", Status::ClientDataMalformed),
        ("\",\"origin", "=\",\"origin", Status::ChallengeEncodingInvalid),
    ];
    for (from, to, status) in cases {
        assert_eq!(attempt_with(&mut world, replace(from, to)), Err(status), "{to}");
    }
    let list = attempt_with(&mut world, |challenge| {
        use base64ct::Encoding;
        let challenge = base64ct::Base64UrlUnpadded::encode_string(challenge);
        let list = format!(r#"["webauthn.get","{challenge}","https://wallet.example",false]"#);
        passkey.sign(list.into_bytes(), passkey.authenticator_data(0))
    });
    assert_eq!(list, Err(Status::ClientDataMalformed));
    let not_utf8 = attempt_with(&mut world, |challenge| {
        let mut data = passkey.client_data("webauthn.get", challenge);
        data.splice(1..1, *b"\"x\":\"\xff\",");
        passkey.sign(data, passkey.authenticator_data(0))
    });
    assert_eq!(not_utf8, Err(Status::ClientDataMalformed));
}

#[test]
pub fn escapes_in_client_data_are_read_as_json_reads_them() {
    let (mut world, passkey) = world();
    let spellings = [
        ("https://wallet", "https:\\/\\/wallet"),
        ("https://wallet", "https:\\u002f\\u002Fwallet"),
        ("webauthn.get", "webauthn\\u002eget"),
        ("\"type\"", "\"t\\u0079pe\""),
        ("{", " \t\r\n{ "),
    ];
    for (from, to) in spellings {
        let reply = attempt_with(&mut world, |challenge| {
            let text = String::from_utf8(passkey.client_data("webauthn.get", challenge)).unwrap();
            assert!(text.contains(from));
            passkey.sign(text.replacen(from, to, 1).into_bytes(), passkey.authenticator_data(0))
        });
        assert!(reply.is_ok(), "{to}: {reply:?}");
    }
    // The same applies at registration.
    let mut registration = Passkey::numbered(0x43).register();
    let text = String::from_utf8(registration.client_data_json.to_vec()).unwrap().replace('/', "\\/");
    registration.client_data_json = Bounded::new(text.into_bytes()).unwrap();
    let bob = proto::command::CreateHybridAccount {
        account_id: "bob".parse().unwrap(),
        signature_scheme: SignatureScheme::Eip191,
        registration,
    };
    assert!(world.call(&bob).is_ok());
}

#[test]
pub fn a_challenge_has_one_encoding() {
    let (mut world, passkey) = world();
    for ending in 0..4 {
        // The last of 43 characters carries four bits; a lax decoder would ignore the two remaining
        // ones.
        let reply = attempt_with(&mut world, |challenge| {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let mut data = passkey.client_data("webauthn.get", challenge);
            let last = data.iter().position(|byte| *byte == b',').unwrap() + "\"challenge\":\"".len() + 43;
            let index = alphabet.iter().position(|letter| *letter == data[last]).unwrap();
            data[last] = alphabet[index | ending];
            passkey.sign(data, passkey.authenticator_data(0))
        });
        assert_eq!(reply.err(), (ending != 0).then_some(Status::ChallengeEncodingInvalid));
    }
}

#[test]
pub fn only_the_account_s_key_signs_for_it() {
    let (mut world, passkey) = world();
    let other = Passkey { credential_id: passkey.credential_id.clone(), ..Passkey::numbered(0x42) };
    assert_eq!(attempt(&mut world, &other), Err(Status::PasskeySignatureInvalid));
    for bytes in [&[][..], &[0x30], &[0; 70], &[0xff; 72]] {
        let reply = attempt_with(&mut world, |challenge| PasskeyAssertion {
            signature: Bounded::new(bytes.to_vec()).unwrap(),
            ..passkey.assert(challenge)
        });
        assert_eq!(reply, Err(Status::PasskeySignatureMalformed), "an encoding error is not a wrong signature");
    }
    // r ‖ s, as WebCrypto and some libraries encode it.
    let raw = attempt_with(&mut world, |challenge| {
        let assertion = passkey.assert(challenge);
        let signature = p256::ecdsa::Signature::from_der(&assertion.signature).unwrap();
        PasskeyAssertion { signature: Bounded::new(signature.to_bytes().to_vec()).unwrap(), ..assertion }
    });
    assert_eq!(raw, Err(Status::PasskeySignatureMalformed));
}

#[test]
pub fn either_form_of_s_is_accepted_and_gives_the_same_bytes() {
    let (mut world, passkey) = world();
    let [one, other] = [false, true].map(|negate| {
        attempt_with(&mut world, |challenge| {
            let assertion = passkey.assert(challenge);
            let signature = p256::ecdsa::Signature::from_der(&assertion.signature).unwrap();
            let (r, s) = signature.split_scalars();
            let signature = p256::ecdsa::Signature::from_scalars(r, if negate { -s } else { s }).unwrap();
            PasskeyAssertion { signature: Bounded::new(signature.to_der().as_bytes().to_vec()).unwrap(), ..assertion }
        })
    });
    assert!(one.is_ok());
    assert_eq!(one, other);
}

#[test]
pub fn a_count_never_decreases_even_over_a_restart() {
    let (mut world, mut passkey) = world();
    for (count, refusal) in [(0, None), (5, None), (5, None), (9, None), (8, Some(())), (0, Some(())), (10, None)] {
        passkey.count = count;
        let status = refusal.map(|()| Status::SignCountDecreased);
        assert_eq!(attempt(&mut world, &passkey).err(), status, "count {count}");
        world.restart().unwrap();
    }
}

/// Another operation's intent is another challenge.
fn attempt_another(world: &mut World, passkey: &Passkey, variant: u8) -> Result<SponsorReply, Status> {
    let relay = world.relay.clone();
    world.call(&sponsor(VERSION, "alice", variant).approved(passkey, &relay))
}

#[test]
pub fn a_repeated_count_is_a_clone_with_another_challenge_and_a_replay_with_the_same() {
    let (mut world, mut passkey) = world();
    passkey.count = 7;
    let first = attempt_another(&mut world, &passkey, 1).unwrap();
    for _ in 0..2 {
        assert_eq!(attempt_another(&mut world, &passkey, 2), Err(Status::SignCountRepeated));
        assert_eq!(attempt_another(&mut world, &passkey, 1), Ok(first.clone()), "the same bytes");
        world.restart().unwrap();
    }
    passkey.count = 8;
    assert!(attempt_another(&mut world, &passkey, 2).is_ok());
    // Synced passkeys do not count.
    let mut world = World::with_account(SignatureScheme::Eip191).0;
    passkey.count = 0;
    for variant in 0..3 {
        assert!(attempt_another(&mut world, &passkey, variant).is_ok());
    }
}

#[test]
pub fn the_registration_s_count_is_not_valid_for_an_approval() {
    let mut world = World::ready();
    let passkey = Passkey { count: 3, ..Passkey::numbered(0x41) };
    world.create("alice", &passkey, SignatureScheme::Eip191).unwrap();
    assert_eq!(attempt(&mut world, &passkey), Err(Status::SignCountRepeated));
    assert!(attempt(&mut world, &Passkey { count: 4, ..passkey }).is_ok());
}

#[test]
pub fn a_count_is_stored_only_if_every_other_check_passed() {
    let (mut world, passkey) = world();
    let counted = |count| Passkey { count, ..passkey.clone() };
    let relay = world.relay.clone();
    assert!(attempt(&mut world, &counted(5)).is_ok());
    let writes = world.device.writes();
    // Someone without the key cannot lock the user out with a high count.
    let forged = Passkey { credential_id: passkey.credential_id.clone(), count: 900, ..Passkey::numbered(0x42) };
    assert_eq!(attempt(&mut world, &forged), Err(Status::PasskeySignatureInvalid));
    let mut command = sponsor(VERSION, "alice", 0).approved(&counted(700), &relay);
    command.approval.nonce += 1;
    assert!(world.call(&command).is_err());
    assert_eq!(world.device.writes(), writes);
    assert!(attempt(&mut world, &counted(6)).is_ok());
    assert_eq!(world.device.writes(), writes + 1);
}

#[test]
pub fn a_registration_must_be_consistent() {
    let mut world = World::ready();
    let passkey = Passkey::numbered(0x41);
    let refusals: [(Bend, Status); 9] = [
        (|key| key.flags = UV, Status::UserNotPresent),
        (|key| key.flags = UP, Status::UserNotVerified),
        (|key| key.flags = UP | UV | BS, Status::BackupStateInvalid),
        (|key| key.rp_id = "evil.example".into(), Status::RpIdMismatch),
        (|key| key.origin = "https://other.example".into(), Status::OriginNotAllowed),
        (|key| key.extra_client_data = ",\"topOrigin\":\"https://a.example\"".into(), Status::CrossOrigin),
        (|key| key.extensions = vec![0xa0], Status::AuthenticatorDataMalformed),
        (|key| key.flags |= ED, Status::AuthenticatorDataMalformed),
        (|key| key.credential_id = vec![], Status::AuthenticatorDataMalformed),
    ];
    for (index, (bend, status)) in refusals.into_iter().enumerate() {
        let mut bent = passkey.clone();
        bend(&mut bent);
        assert_eq!(world.create("alice", &bent, SignatureScheme::Raw), Err(status), "case {index}");
    }
    let mut assertion = passkey.register();
    assertion.client_data_json = Bounded::new(passkey.client_data("webauthn.get", &[9; 16])).unwrap();
    assert_eq!(register(&mut world, assertion), Err(Status::ClientDataTypeWrong));
    let mut padded = passkey.register();
    let text = String::from_utf8(padded.client_data_json.to_vec()).unwrap().replacen("\",\"origin", "=\",\"origin", 1);
    padded.client_data_json = Bounded::new(text.into_bytes()).unwrap();
    assert_eq!(register(&mut world, padded), Err(Status::ChallengeEncodingInvalid));
    assert!(world.create("alice", &passkey, SignatureScheme::Raw).is_ok());
}

#[test]
pub fn only_canonical_es256_keys_on_the_curve_are_keys() {
    let mut world = World::ready();
    let passkey = Passkey::numbered(0x41);
    let cose_key = cose(&passkey.public_key());
    let honest = passkey.register();
    let start = honest.authenticator_data.len() - cose_key.len();
    for offset in 0..cose_key.len() {
        let mut registration = honest.clone();
        let mut data = registration.authenticator_data.to_vec();
        data[start + offset] ^= 1;
        registration.authenticator_data = Bounded::new(data).unwrap();
        assert_eq!(register(&mut world, registration), Err(Status::PublicKeyInvalid), "byte {offset}");
    }
    let mut short = honest.clone();
    short.authenticator_data =
        Bounded::new(honest.authenticator_data[..honest.authenticator_data.len() - 1].to_vec()).unwrap();
    assert_eq!(register(&mut world, short), Err(Status::AuthenticatorDataMalformed));
    assert!(register(&mut world, honest).is_ok());
}

fn register(world: &mut World, registration: proto::command::Registration) -> Result<(), Status> {
    let command = proto::command::CreateHybridAccount {
        account_id: "alice".parse().unwrap(),
        signature_scheme: SignatureScheme::Eip191,
        registration,
    };
    world.call(&command).map(|_| ())
}
