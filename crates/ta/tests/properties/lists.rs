//! Properties 1 to 4 for lists: a passkey approves several operations by one signature over their
//! list, and nothing that is not in the list.

use proto::command::{PasskeyAssertion, SignMessage, SignWithHybridKey, SignatureScheme, Sponsor};
use proto::{Bounded, EntryPointVersion, IntentHash, IntentList, Permissions, Status, frame};

use crate::support::requests::{batch, message, message_approved, personal_sign, sign, sponsor};
use crate::support::{Draft, EthKey, Passkey, World};

const VERSION: EntryPointVersion = EntryPointVersion::V07;

fn list(intents: &[IntentHash]) -> IntentList {
    IntentList::new(intents.to_vec()).unwrap()
}

fn sponsorships(variants: std::ops::Range<u8>) -> Vec<Sponsor> {
    variants.map(|variant| sponsor(VERSION, "alice", variant)).collect()
}

fn intents(commands: &[Sponsor]) -> Vec<IntentHash> {
    commands.iter().map(Sponsor::intent_hash).collect()
}

/// The command with that assertion, approved by the relay.
fn with(mut command: Sponsor, assertion: &PasskeyAssertion, relay: &EthKey) -> Sponsor {
    command.passkey = Some(assertion.clone());
    command.relay_approves(relay)
}

fn world() -> (World, Passkey, EthKey) {
    let (world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    (world, passkey, relay)
}

#[test]
pub fn one_gesture_approves_every_operation_of_its_list_on_every_entry_point() {
    let (mut world, mut passkey, relay) = world();
    // A counting passkey: the count is used by the first operation and stays valid for the rest.
    passkey.count = 5;
    let commands: Vec<_> = EntryPointVersion::ALL.map(|version| sponsor(version, "alice", 0)).to_vec();
    let operations: Vec<_> = EntryPointVersion::ALL.map(|version| sign(version, "alice", 1)).to_vec();
    let signed = operations.iter().map(SignWithHybridKey::intent_hash);
    let assertion = passkey.assert_all(&list(&intents(&commands).into_iter().chain(signed).collect::<Vec<_>>()));
    for command in commands {
        let reply = world.call(&with(command, &assertion, &relay)).unwrap();
        assert!(reply.account_signature.is_some());
        world.restart().unwrap();
    }
    for mut operation in operations {
        operation.passkey = assertion.clone();
        world.call(&operation.relay_approves(&relay)).unwrap();
    }
}

#[test]
pub fn an_operation_that_is_not_in_the_list_is_refused() {
    let (mut world, passkey, relay) = world();
    let assertion = passkey.assert_all(&list(&intents(&sponsorships(0..3))));
    let other = sponsor(VERSION, "alice", 3);
    assert_eq!(world.call(&with(other, &assertion, &relay)), Err(Status::IntentNotListed));
    let mut changed = sponsor(VERSION, "alice", 1);
    changed.op.call_gas_limit += 1;
    assert_eq!(world.call(&with(changed, &assertion, &relay)), Err(Status::IntentNotListed));
    let mut operation = sign(VERSION, "alice", 0);
    operation.passkey = assertion;
    assert_eq!(world.call(&operation.relay_approves(&relay)), Err(Status::IntentNotListed));
}

#[test]
pub fn a_list_that_the_passkey_did_not_approve_is_refused() {
    let (mut world, passkey, relay) = world();
    let commands = sponsorships(0..4);
    let all = intents(&commands);
    let approved = passkey.assert_all(&list(&all[..3]));
    let lists = [
        list(&all),
        list(&all[..2]),
        list(&[all[1], all[0], all[2]]),
        list(&[all[0], all[1], all[3]]),
        list(&[all[0], all[1], all[2], IntentHash([0; 32])]),
    ];
    for forged in lists {
        let assertion = PasskeyAssertion { intents: Some(forged), ..approved.clone() };
        let command = with(commands[0].clone(), &assertion, &relay);
        assert_eq!(world.call(&command), Err(Status::ChallengeMismatch), "{:?}", assertion.intents);
    }
    let without = PasskeyAssertion { intents: None, ..approved.clone() };
    assert_eq!(world.call(&with(commands[0].clone(), &without, &relay)), Err(Status::ChallengeMismatch));
    assert!(world.call(&with(commands[0].clone(), &approved, &relay)).is_ok());
}

#[test]
pub fn the_approval_of_one_operation_approves_no_list_and_the_hash_of_a_list_no_operation() {
    let (mut world, passkey, relay) = world();
    let commands = sponsorships(0..2);
    let both = list(&intents(&commands));
    let single = passkey.assert(&commands[0].intent_hash().0);
    let as_list = PasskeyAssertion { intents: Some(both.clone()), ..single };
    assert_eq!(world.call(&with(commands[0].clone(), &as_list, &relay)), Err(Status::ChallengeMismatch));
    // Lists do not nest: a list that contains the hash of another approves none of its operations.
    let outer = list(&[both.hash(), IntentHash([7; 32])]);
    let nested = PasskeyAssertion { intents: Some(both), ..passkey.assert_all(&outer) };
    assert_eq!(world.call(&with(commands[0].clone(), &nested, &relay)), Err(Status::ChallengeMismatch));
    let nested = passkey.assert_all(&outer);
    assert_eq!(world.call(&with(commands[0].clone(), &nested, &relay)), Err(Status::IntentNotListed));
}

#[test]
pub fn a_list_approves_no_message() {
    let (mut world, passkey, relay) = world();
    let operation = sponsor(VERSION, "alice", 0);
    for command in [message("alice", b"sign in"), personal_sign("alice", b"sign in", 1)] {
        let assertion = passkey.assert_all(&list(&[operation.intent_hash(), command.intent_hash()]));
        let listed = SignMessage { passkey: assertion.clone(), ..command.clone() };
        assert_eq!(world.call(&listed), Err(Status::ChallengeMismatch));
        assert!(world.call(&with(operation.clone(), &assertion, &relay)).is_ok());
        // The message's own approval, with a list beside it.
        let mut approved = message_approved(command, &passkey);
        approved.passkey.intents = assertion.intents;
        assert_eq!(world.call(&approved), Err(Status::ChallengeMismatch));
        approved.passkey.intents = None;
        assert!(world.call(&approved).is_ok());
    }
}

#[test]
pub fn a_list_approves_only_for_the_account_of_each_operation() {
    let (mut world, passkey, relay) = world();
    let bob = Passkey::numbered(0x42);
    world.create("bob", &bob, SignatureScheme::Eip191).unwrap();
    let theirs = sponsor(VERSION, "bob", 0);
    let mine = sponsor(VERSION, "alice", 0);
    let assertion = passkey.assert_all(&list(&[mine.intent_hash(), theirs.intent_hash()]));
    assert_eq!(world.call(&with(theirs.clone(), &assertion, &relay)), Err(Status::CredentialUnknown));
    let as_bob = PasskeyAssertion { credential_id: Bounded::new(bob.credential_id).unwrap(), ..assertion.clone() };
    assert_eq!(world.call(&with(theirs, &as_bob, &relay)), Err(Status::PasskeySignatureInvalid));
    assert!(world.call(&with(mine, &assertion, &relay)).is_ok());
}

#[test]
pub fn the_relay_approves_each_operation_of_a_list_by_itself() {
    let (mut world, passkey, relay) = world();
    let commands = sponsorships(0..2);
    let assertion = passkey.assert_all(&list(&intents(&commands)));
    let first = with(commands[0].clone(), &assertion, &relay);
    let mut second = commands[1].clone();
    second.passkey = Some(assertion);
    second.approval = first.approval;
    assert_eq!(world.call(&second), Err(Status::SignerNotAuthorised));
    let limited = EthKey::numbered(9);
    world.authorize(limited.address(), Permissions::SIGN_USER_OPERATION).unwrap();
    assert_eq!(world.call(&first.clone().relay_approves(&limited)), Err(Status::PermissionMissing));
    assert!(world.call(&first).is_ok());
}

#[test]
pub fn once_another_count_approved_the_rest_of_a_list_is_refused() {
    let (mut world, mut passkey, relay) = world();
    let commands = sponsorships(0..2);
    passkey.count = 3;
    let assertion = passkey.assert_all(&list(&intents(&commands)));
    world.call(&with(commands[0].clone(), &assertion, &relay)).unwrap();
    passkey.count = 4;
    world.call(&sponsor(VERSION, "alice", 5).approved(&passkey, &relay)).unwrap();
    assert_eq!(world.call(&with(commands[1].clone(), &assertion, &relay)), Err(Status::SignCountDecreased));
    // The same count over another list comes from a clone.
    let clone = passkey.assert_all(&list(&intents(&commands)));
    assert_eq!(world.call(&with(commands[1].clone(), &clone, &relay)), Err(Status::SignCountRepeated));
}

/// The encoding of a frame whose list has these intents, which [`IntentList`] may not allow.
fn frame_with(command: &Sponsor, valid: &IntentList, intents: &[IntentHash]) -> Vec<u8> {
    let frame = frame::encode_request(command).unwrap();
    let encode = |intents: &[IntentHash]| {
        let count = u8::try_from(intents.len()).unwrap();
        intents.iter().fold(vec![1, count], |bytes, intent| [&bytes[..], &intent.0].concat())
    };
    let (from, to) = (encode(valid), encode(intents));
    let places: Vec<_> = (0..frame.len()).filter(|place| frame[*place..].starts_with(&from)).collect();
    assert_eq!(places.len(), 1);
    [&frame[..places[0]], &to, &frame[places[0] + from.len()..]].concat()
}

#[test]
pub fn a_list_of_another_length_or_with_duplicates_does_not_parse() {
    let (mut world, passkey, relay) = world();
    let command = sponsor(VERSION, "alice", 0);
    let intent = command.intent_hash();
    let numbered = |count: u8| (1..count).map(|number| IntentHash([number; 32])).chain([intent]).collect::<Vec<_>>();
    let longest = list(&numbered(16));
    let command = with(command, &passkey.assert_all(&longest), &relay);
    assert_eq!(frame_with(&command, &longest, &longest), frame::encode_request(&command).unwrap());
    let cases = [
        (vec![], "empty"),
        (vec![intent], "a single intent"),
        (vec![intent, intent], "a duplicate"),
        ([numbered(15), vec![IntentHash([1; 32])]].concat(), "a duplicate of another intent"),
        (numbered(17), "one too many"),
        (numbered(60), "far too many"),
    ];
    for (intents, what) in cases {
        let reply = world.core.handle(&frame_with(&command, &longest, &intents));
        assert_eq!(frame::decode_reply::<Sponsor>(&reply).unwrap().err(), Some(Status::Malformed), "{what}");
    }
    assert!(world.call(&command).is_ok());
}

#[test]
fn a_batch_answers_a_whole_list() {
    let (mut world, passkey, relay) = world();
    let commands = sponsorships(0..16);
    let assertion = passkey.assert_all(&list(&intents(&commands)));
    let frames = commands.into_iter().map(|command| frame::encode_request(&with(command, &assertion, &relay)).unwrap());
    let request = batch(&frames.collect::<Vec<_>>());
    assert!(frame::batch_reply_limit(&request) <= proto::limits::MAX_REPLY);
    let replies = world.call(&request).unwrap().replies;
    assert_eq!(replies.len(), 16);
    assert!(replies.iter().all(|reply| frame::decode_reply::<Sponsor>(reply).unwrap().is_ok()));
}
