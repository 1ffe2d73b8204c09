//! The paymaster key is rotated to a standby that was created and attested before.

use proto::command::{Attest, SignatureScheme, SponsorReply};
use proto::paymaster::paymaster_digest;
use proto::{Address, EntryPointVersion, Status};
use ta::memory::Fault;

use crate::support::keys::recover;
use crate::support::requests::sponsor;
use crate::support::world::{prepare_paymaster_key, rotate_paymaster_key, signed};
use crate::support::{Draft, EthKey, Passkey, World};

const VERSION: EntryPointVersion = EntryPointVersion::V07;

/// The signer for the paymaster, recovered from the signature itself.
fn paymaster_of(world: &mut World, passkey: &Passkey) -> (Address, SponsorReply) {
    let command = sponsor(VERSION, "alice", 0).approved(passkey, &world.relay.clone());
    let reply = world.call(&command).unwrap();
    let digest = paymaster_digest(&command.op, &command.entry_point, &command.terms);
    assert_eq!(recover(&digest.0, &reply.paymaster_signature), Some(reply.paymaster_signer));
    (reply.paymaster_signer, reply)
}

#[test]
pub fn a_standby_is_attested_and_signs_nothing_before_it_takes_over() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    let (first, before) = paymaster_of(&mut world, &passkey);
    let standby = world.prepare_paymaster_key().unwrap();
    assert_ne!(standby, first);
    let statement = world.call(&Attest { nonce: [1; 32] }).unwrap().statement;
    let keys = statement.provisioned.unwrap();
    assert_eq!((keys.paymaster_signer, keys.standby_paymaster_signer), (first, Some(standby)));
    let mut without = statement.clone();
    without.provisioned.as_mut().unwrap().standby_paymaster_signer = None;
    assert_ne!(without.challenge(&[1; 32]), statement.challenge(&[1; 32]), "the quote covers it");
    assert_eq!(paymaster_of(&mut world, &passkey), (first, before));

    world.restart().unwrap();
    world.rotate_paymaster_key(standby).unwrap();
    for _ in 0..2 {
        assert_eq!(paymaster_of(&mut world, &passkey).0, standby);
        let provisioned = world.state().provisioned.unwrap();
        assert_eq!((provisioned.paymaster_signer, provisioned.standby_paymaster_signer), (standby, None));
        world.restart().unwrap();
    }
}

#[test]
pub fn only_the_standby_that_was_named_takes_over() {
    let mut world = World::ready();
    let first = world.state().provisioned.unwrap().paymaster_signer;
    for none in [Address::default(), first, EthKey::numbered(9).address()] {
        assert_eq!(world.rotate_paymaster_key(none), Err(Status::StandbyKeyMismatch));
    }
    let replaced = world.prepare_paymaster_key().unwrap();
    let standby = world.prepare_paymaster_key().unwrap();
    assert_ne!(replaced, standby);
    assert_eq!(world.rotate_paymaster_key(replaced), Err(Status::StandbyKeyMismatch));
    assert_eq!(world.state().provisioned.unwrap().paymaster_signer, first);
    assert_eq!(world.rotate_paymaster_key(standby), Ok(()));
    assert_eq!(world.rotate_paymaster_key(standby), Err(Status::StandbyKeyMismatch), "it is no longer the standby");
}

#[test]
pub fn killed_at_any_write_there_is_one_paymaster_key_and_it_is_the_old_one_or_the_new_one() {
    for at in 0..2 {
        for fault in [Fault::Before, Fault::After, Fault::Refused] {
            let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
            let (first, _) = paymaster_of(&mut world, &passkey);
            let prepare = signed(prepare_paymaster_key(world.tee_id, world.next_counter()), &world.admin);
            world.fail_after(at, fault);
            world.call(&prepare).unwrap_err();
            world.restart().unwrap();
            let standby = match world.state().provisioned.unwrap().standby_paymaster_signer {
                Some(standby) => standby,
                None => world.prepare_paymaster_key().unwrap(),
            };
            let rotate = rotate_paymaster_key(world.tee_id, standby, world.next_counter());
            let rotate = signed(rotate, &world.admin);
            world.fail_after(at, fault);
            world.call(&rotate).unwrap_err();
            world.restart().unwrap();
            let took_effect = (at, fault) != (0, Fault::Before) && (at, fault) != (0, Fault::Refused);
            let expected = if took_effect { standby } else { first };
            assert_eq!(paymaster_of(&mut world, &passkey).0, expected, "write {at} {fault:?}");
            let again = if took_effect { Err(Status::CounterMismatch) } else { Ok(()) };
            assert_eq!(world.call(&rotate), again);
            assert_eq!(paymaster_of(&mut world, &passkey).0, standby);
        }
    }
}
