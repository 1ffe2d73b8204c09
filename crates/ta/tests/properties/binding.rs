//! Property 2: changing any bit after approval makes the request refused.

use proto::command::{PasskeyAssertion, Request, SignatureScheme};
use proto::{
    Address, Bounded, EntryPointVersion, Init, IntentHash, IntentList, Permissions, Status, Uint256, UserOperation,
    frame,
};

use crate::support::requests::{message, message_approved, personal_sign, sign, sponsor};
use crate::support::{Draft, EthKey, Passkey, World, entry_point, terms};

/// Flips every bit of the frame, one at a time, in a world where the unchanged frame gets its
/// signatures. Returns how many flips left the reply unchanged.
fn flip_every_bit<R: Request>(world: &mut World, request: &R) -> usize {
    let approved = frame::encode_request(request).unwrap();
    let reply = world.core.handle(&approved);
    assert!(frame::decode_reply::<R>(&reply).unwrap().is_ok(), "{reply:?}");
    let mut without_effect = 0;
    for offset in 0..approved.len() {
        for bit in 0..8 {
            let mut changed = approved.clone();
            changed[offset] ^= 1 << bit;
            let answer = world.core.handle(&changed);
            let refused = frame::decode_reply::<R>(&answer).unwrap().is_err();
            assert!(refused || answer == reply, "byte {offset}, bit {bit}");
            without_effect += usize::from(!refused);
        }
    }
    assert_eq!(world.core.handle(&approved), reply, "the refusals must leave nothing behind");
    without_effect
}

#[test]
fn a_sponsorship_with_any_bit_changed_is_refused() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    for version in EntryPointVersion::ALL {
        let relay = world.relay.clone();
        let command = sponsor(version, "alice", 2).approved(&passkey, &relay);
        assert_eq!(flip_every_bit(&mut world, &command), 0, "{version}");
    }
}

#[test]
fn an_operation_of_a_list_with_any_bit_changed_is_refused() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    for version in EntryPointVersion::ALL {
        let relay = world.relay.clone();
        let mut command = sponsor(version, "alice", 2);
        let intents = [IntentHash([5; 32]), command.intent_hash(), sponsor(version, "alice", 3).intent_hash()];
        command.passkey = Some(passkey.assert_all(&IntentList::new(intents.to_vec()).unwrap()));
        assert_eq!(flip_every_bit(&mut world, &command.relay_approves(&relay)), 0, "{version}");
    }
}

#[test]
fn a_sponsorship_without_a_passkey_with_any_bit_changed_is_refused() {
    let (mut world, _, _) = World::with_account(SignatureScheme::Eip191);
    let relay = EthKey::numbered(2);
    world.authorize(relay.address(), Permissions::SPONSOR | Permissions::SPONSOR_WITHOUT_PASSKEY).unwrap();
    for version in EntryPointVersion::ALL {
        let command = sponsor(version, "alice", 1).relay_approves(&relay);
        assert_eq!(flip_every_bit(&mut world, &command), 0, "{version}");
    }
}

#[test]
fn an_operation_to_sign_with_any_bit_changed_is_refused() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    for version in EntryPointVersion::ALL {
        let relay = world.relay.clone();
        let command = sign(version, "alice", 2).approved(&passkey, &relay);
        // On v0.9 the other paymaster's signature is outside the hash: changing it gives the same
        // bytes.
        let outside = if version == EntryPointVersion::V09 { 8 * 65 } else { 0 };
        assert_eq!(flip_every_bit(&mut world, &command), outside, "{version}");
    }
}

#[test]
fn a_message_with_any_bit_changed_is_refused() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    for command in [message("alice", b"sign in"), personal_sign("alice", b"sign in", 1)] {
        assert_eq!(flip_every_bit(&mut world, &message_approved(command, &passkey)), 0);
    }
}

/// Every field of the operation that a thief of the relay key might want to change.
fn changes() -> Vec<fn(&mut UserOperation)> {
    vec![
        |op| op.sender = Address([0x12; 20]),
        |op| op.nonce = Uint256::from(77),
        |op| op.init = Init::Deployed,
        |op| op.init = Init::Factory { factory: Address([0xfb; 20]), data: Bounded::default() },
        |op| op.call_data = Bounded::new(vec![0xba, 0xd0]).unwrap(),
        |op| op.call_gas_limit += 1,
        |op| op.verification_gas_limit += 1,
        |op| op.pre_verification_gas += 1,
        |op| op.max_fee_per_gas += 1,
        |op| op.max_priority_fee_per_gas += 1,
    ]
}

#[test]
fn the_relay_key_cannot_change_what_the_user_approved() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    for version in EntryPointVersion::ALL {
        let sponsorship = sponsor(version, "alice", 1).user_approves(&passkey);
        let operation = sign(version, "alice", 1).user_approves(&passkey);
        for change in changes() {
            let mut changed = sponsorship.clone();
            change(&mut changed.op);
            assert_eq!(world.call(&changed.relay_approves(&relay)), Err(Status::ChallengeMismatch));
            let mut changed = operation.clone();
            change(&mut changed.op);
            assert_eq!(world.call(&changed.relay_approves(&relay)), Err(Status::ChallengeMismatch));
        }
    }
}

#[test]
pub fn an_approval_for_one_entry_point_or_chain_is_invalid_for_another() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    for (approved, used) in pairs(&EntryPointVersion::ALL) {
        let mut command = sponsor(approved, "alice", 0).user_approves(&passkey);
        command.entry_point = entry_point(used);
        command.terms = terms(used);
        assert_eq!(world.call(&command.relay_approves(&relay)), Err(Status::ChallengeMismatch));
    }
    let mut command = sponsor(EntryPointVersion::V07, "alice", 0);
    command.entry_point.chain_id = 1;
    let command = command.approved(&passkey, &relay);
    assert_eq!(world.call(&command), Err(Status::DeploymentNotAllowed));
}

#[test]
pub fn an_approval_for_one_account_is_invalid_for_another() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    let bob = Passkey::numbered(0x42);
    world.create("bob", &bob, SignatureScheme::Eip191).unwrap();
    let mut command = sponsor(EntryPointVersion::V07, "alice", 0).user_approves(&passkey);
    command.account_id = "bob".parse().unwrap();
    assert_eq!(world.call(&command.clone().relay_approves(&relay)), Err(Status::CredentialUnknown));
    // Nor with the other account's credential id.
    let credential_id = Bounded::new(bob.credential_id).unwrap();
    command.passkey = command.passkey.map(|assertion| PasskeyAssertion { credential_id, ..assertion });
    assert_eq!(world.call(&command.relay_approves(&relay)), Err(Status::ChallengeMismatch));
    // Nor if alice approved bob's operation.
    let command = sponsor(EntryPointVersion::V07, "bob", 0).approved(&passkey, &relay);
    assert_eq!(world.call(&command), Err(Status::CredentialUnknown));
}

fn pairs<T: Copy + PartialEq>(items: &[T]) -> impl Iterator<Item = (T, T)> {
    items.iter().flat_map(|one| items.iter().map(|other| (*one, *other))).filter(|(one, other)| one != other)
}
