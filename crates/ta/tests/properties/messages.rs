//! Signatures over messages: which are made, and that none of them is an operation's.

use std::collections::HashSet;

use proto::command::{AccountDomain, MessageForm, SignMessage, SignWithHybridKey, SignatureScheme, Sponsor};
use proto::digest::personal_message_hash;
use proto::limits::MAX_MESSAGE;
use proto::primitives::keccak256;
use proto::{Address, Bounded, EntryPoint, EntryPointVersion, Hash, Status, frame};

use crate::support::keys::recover;
use crate::support::requests::{
    account_domain, entry_point, message, message_approved, no_assertion, personal_sign, sign, sponsor,
};
use crate::support::world::ceilings;
use crate::support::{Draft, Passkey, World};

const TEXT: &[u8] = b"wallet.example wants you to sign in";

#[test]
pub fn a_message_is_signed_in_the_form_that_was_approved() {
    for scheme in SignatureScheme::ALL {
        let (mut world, passkey, wallet) = World::with_account(scheme);
        let commands = [message("alice", TEXT), personal_sign("alice", TEXT, 0), personal_sign("alice", TEXT, 1)];
        let mut digests = HashSet::new();
        for command in commands {
            let reply = world.call(&message_approved(command.clone(), &passkey)).unwrap();
            assert_eq!((reply.owner, reply.digest), (wallet.owner, command.digest()));
            assert_eq!(recover(&reply.digest.0, &reply.signature), Some(wallet.owner));
            digests.insert(reply.digest);
        }
        assert!(digests.len() == 3 && digests.contains(&personal_message_hash(TEXT)));
    }
}

#[test]
pub fn a_message_of_the_length_of_an_operation_s_hash_is_refused_in_every_form() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    for version in EntryPointVersion::ALL {
        let hash = sign(version, "alice", 0).op.hash(&entry_point(version)).0;
        for command in [message("alice", &hash), personal_sign("alice", &hash, 0)] {
            let refused = world.call(&message_approved(command, &passkey));
            assert_eq!(refused, Err(Status::MessageIsHash), "{version}");
        }
    }
    let mut attempt = |command| world.call(&message_approved(command, &passkey)).map(drop);
    for length in [1, 31, 33, 64, MAX_MESSAGE] {
        assert_eq!(attempt(message("alice", &vec![0x11; length])), Ok(()), "{length} bytes");
        assert_eq!(attempt(personal_sign("alice", &vec![0x11; length], 0)), Ok(()), "{length} bytes");
    }
    assert_eq!(attempt(message("alice", &[0x11; 32])), Err(Status::MessageIsHash));
    assert_eq!(attempt(personal_sign("alice", &[0x11; 32], 0)), Err(Status::MessageIsHash));
}

#[test]
pub fn messages_without_a_byte_and_with_too_many_are_refused() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    for command in [message("alice", &[]), personal_sign("alice", &[], 0)] {
        assert_eq!(world.call(&message_approved(command, &passkey)), Err(Status::MessageEmpty));
    }
    let command = message_approved(message("alice", &vec![b'a'; MAX_MESSAGE]), &passkey);
    let frame = frame::encode_request(&command).unwrap();
    assert_eq!(world.status_of(&frame), Status::Ok);
    // One more byte, and its length: the account id's six bytes come first.
    let at = 3 + 6;
    assert_eq!(frame[at..at + 3], [0x80, 0x80, 0x01]);
    let longer = [&frame[..at], &[0x81, 0x80, 0x01, b'a'], &frame[at + 3..]].concat();
    assert_eq!(world.status_of(&longer), Status::Malformed);
}

#[test]
pub fn the_domain_of_an_entry_point_is_refused() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    let own = Address([0x43; 20]);
    let mut ceilings = ceilings();
    ceilings.deployments[0].entry_point.address = own;
    world.set_ceilings(ceilings).unwrap();
    let domain = |name: &str, verifying_contract| AccountDomain {
        name: Bounded::new(name.into()).unwrap(),
        verifying_contract,
        ..account_domain(0)
    };
    let entry_points = EntryPointVersion::ALL.map(EntryPointVersion::canonical_address).into_iter().chain([own]);
    let mut domains: Vec<_> = entry_points.map(|address| domain("Account", address)).collect();
    domains.push(domain("ERC4337", Address([0x11; 20])));
    for domain in domains {
        let command = SignMessage { form: MessageForm::PersonalSign(domain.clone()), ..message("alice", TEXT) };
        let refused = world.call(&message_approved(command, &passkey));
        assert_eq!(refused, Err(Status::DomainNotAllowed), "{domain:?}");
    }
}

#[test]
pub fn no_digest_of_a_message_is_one_that_an_account_checks_for_an_operation() {
    let mut digests_of_operations = HashSet::new();
    let mut texts = vec![TEXT.to_vec()];
    for version in EntryPointVersion::ALL {
        for variant in 0..3 {
            let command = sign(version, "alice", variant);
            let hash = command.op.hash(&command.entry_point);
            digests_of_operations.extend(SignatureScheme::ALL.map(|scheme| scheme.digest(&hash)));
            // What a host would try: the hash in every notation.
            texts.extend([
                hash.0.to_vec(),
                hash.to_string().into_bytes(),
                hash.0[1..].to_vec(),
                [&hash.0[..], &[0]].concat(),
                [&[0][..], &hash.0].concat(),
                personal_message_hash(&hash.0).0.to_vec(),
                [&b"\x19Ethereum Signed Message:\n32"[..], &hash.0].concat(),
            ]);
        }
    }
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    let mut signed = 0;
    for text in &texts {
        for command in [message("alice", text), personal_sign("alice", text, 0), personal_sign("alice", text, 1)] {
            if let Ok(reply) = world.call(&message_approved(command, &passkey)) {
                signed += 1;
                assert!(!digests_of_operations.contains(&reply.digest));
            }
        }
    }
    assert!(signed > texts.len());
}

#[test]
pub fn an_approval_of_a_message_signs_no_operation() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    for version in EntryPointVersion::ALL {
        let hash = sponsor(version, "alice", 0).op.hash(&entry_point(version)).0;
        for text in [TEXT.to_vec(), hash.to_vec()] {
            for command in [message("alice", &text), personal_sign("alice", &text, 0)] {
                let passkey = passkey.assert(&command.intent_hash().0);
                let sponsorship = Sponsor { passkey: Some(passkey.clone()), ..sponsor(version, "alice", 0) };
                assert_eq!(world.call(&sponsorship.relay_approves(&relay)), Err(Status::ChallengeMismatch));
                let operation = SignWithHybridKey { passkey, ..sign(version, "alice", 0) };
                assert_eq!(world.call(&operation.relay_approves(&relay)), Err(Status::ChallengeMismatch));
            }
        }
    }
}

#[test]
pub fn an_approval_of_an_operation_signs_no_message() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    for version in EntryPointVersion::ALL {
        let (sponsorship, operation) = (sponsor(version, "alice", 0), sign(version, "alice", 0));
        let intents = [sponsorship.intent_hash().0, operation.intent_hash().0];
        let hashes = [sponsorship.op.hash(&entry_point(version)).0, operation.op.hash(&entry_point(version)).0];
        for challenge in intents {
            let passkey = passkey.assert(&challenge);
            for text in [TEXT, &hashes[0], &hashes[1], &intents[0], &intents[1]] {
                let text = [text, &[0]].concat();
                let command = SignMessage { passkey: passkey.clone(), ..personal_sign("alice", &text, 0) };
                assert_eq!(world.call(&command), Err(Status::ChallengeMismatch), "{version}");
            }
            let command = SignMessage { passkey, ..message("alice", TEXT) };
            assert_eq!(world.call(&command), Err(Status::ChallengeMismatch), "{version}");
        }
    }
}

#[test]
pub fn an_approval_of_one_message_form_domain_or_account_is_invalid_for_another() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    world.create("bob", &Passkey::numbered(0x42), SignatureScheme::Raw).unwrap();
    let text = |text: &str| Bounded::new(text.to_owned()).unwrap();
    let in_domain = |domain| SignMessage { form: MessageForm::PersonalSign(domain), ..message("alice", TEXT) };
    let domain = account_domain(1);
    let commands = [
        message("alice", TEXT),
        message("alice", &TEXT[1..]),
        message("bob", TEXT),
        in_domain(domain.clone()),
        in_domain(AccountDomain { name: text("account"), ..domain.clone() }),
        in_domain(AccountDomain { version: text("2"), ..domain.clone() }),
        in_domain(AccountDomain { chain_id: 1, ..domain.clone() }),
        in_domain(AccountDomain { verifying_contract: Address([0x12; 20]), ..domain.clone() }),
        in_domain(AccountDomain { salt: None, ..domain.clone() }),
        in_domain(AccountDomain { salt: Some(Hash([9; 32])), ..domain }),
    ];
    for (approved, one) in commands.iter().enumerate() {
        let assertion = passkey.assert(&one.intent_hash().0);
        for (used, other) in commands.iter().enumerate() {
            let reply = world.call(&SignMessage { passkey: assertion.clone(), ..other.clone() }).map(drop);
            let expected = match other.account_id.as_str() {
                // Alice's passkey is not bob's.
                "bob" => Err(Status::CredentialUnknown),
                _ if used == approved => Ok(()),
                _ => Err(Status::ChallengeMismatch),
            };
            assert_eq!(reply, expected, "{approved} as {used}");
        }
    }
}

#[test]
pub fn a_message_needs_an_account_and_its_passkey() {
    let mut world = World::ready();
    let passkey = Passkey::numbered(0x41);
    let approved = |command| message_approved(command, &passkey);
    assert_eq!(world.call(&approved(message("alice", TEXT))), Err(Status::AccountUnknown));
    world.create("alice", &passkey, SignatureScheme::Raw).unwrap();
    assert_eq!(
        world.call(&SignMessage { passkey: no_assertion(), ..message("alice", TEXT) }),
        Err(Status::CredentialUnknown)
    );
    let thief = Passkey { key: Passkey::numbered(0x61).key, ..passkey.clone() };
    assert_eq!(world.call(&message_approved(message("alice", TEXT), &thief)), Err(Status::PasskeySignatureInvalid));
    let elsewhere = Passkey { origin: "https://evil.example".into(), ..passkey.clone() };
    assert_eq!(world.call(&message_approved(message("alice", TEXT), &elsewhere)), Err(Status::OriginNotAllowed));
    let command = message("alice", TEXT);
    let registered = passkey.client_data("webauthn.create", &command.intent_hash().0);
    let passkey_data = passkey.sign(registered, passkey.authenticator_data(0));
    assert_eq!(world.call(&SignMessage { passkey: passkey_data, ..command }), Err(Status::ClientDataTypeWrong));
    assert!(world.call(&approved(message("alice", TEXT))).is_ok());
    assert_eq!(World::new().call(&approved(message("alice", TEXT))), Err(Status::NotProvisioned));
}

#[test]
pub fn a_replayed_approval_of_a_message_gives_the_same_bytes_and_a_count_is_used_once() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    let counting = |count| Passkey { count, ..passkey.clone() };
    let frame = frame::encode_request(&message_approved(message("alice", TEXT), &counting(3))).unwrap();
    let reply = world.core.handle(&frame);
    assert_eq!(reply[..4], [0; 4]);
    let writes = world.device.writes();
    assert_eq!(world.core.handle(&frame), reply);
    assert_eq!(world.device.writes(), writes);
    world.restart().unwrap();
    assert_eq!(world.core.handle(&frame), reply);
    let mut attempt = |count, text| world.call(&message_approved(message("alice", text), &counting(count))).map(drop);
    assert_eq!(attempt(3, &TEXT[1..]), Err(Status::SignCountRepeated));
    assert_eq!(attempt(2, TEXT), Err(Status::SignCountDecreased));
    assert_eq!(attempt(4, &TEXT[1..]), Ok(()));
    // The counts of operations and of messages are one.
    let relay = world.relay.clone();
    let operation = sign(EntryPointVersion::V07, "alice", 0).approved(&counting(4), &relay);
    assert_eq!(world.call(&operation), Err(Status::SignCountRepeated));
}

/// Two preimages of EIP-191 with the same bytes would be one digest: the length is not delimited.
#[test]
fn no_longer_or_shorter_message_has_the_digest_of_one_of_32_bytes() {
    let prefixed = |text: &[u8]| {
        let mut bytes = b"\x19Ethereum Signed Message:\n".to_vec();
        bytes.extend(text.len().to_string().bytes());
        bytes.extend(text);
        bytes
    };
    let hash = [b'2'; 32];
    let of_hash = prefixed(&hash);
    assert_eq!(keccak256(&of_hash), personal_message_hash(&hash));
    for length in (0..=100).filter(|length| *length != 32) {
        assert_ne!(prefixed(&vec![b'2'; length]).len(), of_hash.len(), "{length} bytes");
    }
}

#[test]
fn a_message_is_signed_whatever_chain_the_ceilings_name() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    let domain = AccountDomain { chain_id: 8453, ..account_domain(0) };
    let named = EntryPoint { chain_id: 8453, ..entry_point(EntryPointVersion::V07) };
    assert!(ceilings().deployments.iter().all(|deployment| deployment.entry_point != named));
    let command = SignMessage { form: MessageForm::PersonalSign(domain), ..message("alice", TEXT) };
    assert!(world.call(&message_approved(command, &passkey)).is_ok());
}

/// What protocol, section 2.8, warns of: nothing in the challenge names a TEE or its key.
#[test]
fn an_approval_of_a_message_is_valid_in_every_tee_with_an_account_of_that_id_and_passkey() {
    let passkey = Passkey::numbered(0x41);
    let command = message_approved(message("alice", TEXT), &passkey);
    let [one, other] = [7, 8].map(|seed| {
        let mut world = World::with_entropy([seed; 32]);
        world.provision().unwrap();
        world.create("alice", &passkey, SignatureScheme::Raw).unwrap();
        world.call(&command).unwrap()
    });
    assert_eq!(one.digest, other.digest);
    assert_ne!(one.owner, other.owner);
}
