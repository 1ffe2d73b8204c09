//! A rotation uses the record's own counter: it affects no other key, and cannot outrun a
//! revocation.

use proto::command::{RotateSigner, SignatureScheme};
use proto::{EntryPointVersion, Permissions, Status};

use crate::support::requests::sponsor;
use crate::support::world::{authorize, ceilings, countersigned, set_ceilings, signed};
use crate::support::{Draft, EthKey, World};

const VERSION: EntryPointVersion = EntryPointVersion::V07;
const WITH_ROTATE: Permissions = Permissions(Permissions::SPONSOR.0 | Permissions::ROTATE.0);

fn rotate(world: &mut World, current: &EthKey, next: &EthKey) -> Result<(), Status> {
    let command = world.rotation(current, next, None);
    world.call(&command)
}

#[test]
pub fn a_stolen_key_cannot_outrun_its_revocation() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    let stolen = EthKey::numbered(0x50);
    world.authorize(stolen.address(), WITH_ROTATE).unwrap();
    let revocation = signed(world.revocation(stolen.address()), &world.admin);
    // While the admins sign, the thief keeps rotating the key.
    let mut current = stolen;
    for number in 0x51..0x60 {
        let next = EthKey::numbered(number);
        rotate(&mut world, &current, &next).unwrap();
        current = next;
    }
    let sponsorship = sponsor(VERSION, "alice", 0).approved(&passkey, &current);
    assert!(world.call(&sponsorship).is_ok());
    assert_eq!(world.call(&revocation), Ok(()));
    assert_eq!(world.call(&sponsorship), Err(Status::SignerNotAuthorised));
    assert_eq!(rotate(&mut world, &current, &EthKey::numbered(0x61)), Err(Status::SignerNotAuthorised));
    let signers: Vec<_> = world.state().provisioned.unwrap().signers.iter().map(|signer| signer.address).collect();
    assert_eq!(signers, [world.relay.address()], "no other record is touched");
}

#[test]
pub fn pending_admin_signatures_stay_valid_while_keys_rotate() {
    let mut world = World::ready();
    let (id, counter) = (world.tee_id, world.next_counter());
    let key = EthKey::numbered(0x50);
    world.authorize(key.address(), WITH_ROTATE).unwrap();
    let authorize = signed(authorize(id, EthKey::numbered(9).address(), WITH_ROTATE, counter + 1), &world.admin);
    let set_ceilings = signed(set_ceilings(id, ceilings(), counter + 2), &world.admin);
    rotate(&mut world, &key, &EthKey::numbered(0x51)).unwrap();
    assert_eq!(world.call(&authorize), Ok(()));
    rotate(&mut world, &EthKey::numbered(0x51), &EthKey::numbered(0x52)).unwrap();
    assert_eq!(world.call(&set_ceilings), Ok(()));
}

#[test]
pub fn replicas_rotate_their_keys_at_the_same_time() {
    let mut world = World::ready();
    let keys = [0x50, 0x60].map(EthKey::numbered);
    for key in &keys {
        world.authorize(key.address(), WITH_ROTATE).unwrap();
    }
    // Both proofs were made before either was sent.
    let rotations = [0, 1].map(|index| world.rotation(&keys[index], &EthKey::numbered([0x51, 0x61][index]), None));
    assert_eq!(rotations.map(|rotation| world.call(&rotation)), [Ok(()), Ok(())]);
}

#[test]
pub fn a_rotation_is_valid_once_even_after_the_key_was_removed_and_added_again() {
    let mut world = World::ready();
    let (one, other) = (EthKey::numbered(0x50), EthKey::numbered(0x51));
    world.authorize(one.address(), WITH_ROTATE).unwrap();
    let there = world.rotation(&one, &other, None);
    world.call(&there).unwrap();
    assert_eq!(world.call(&there), Err(Status::SignerNotAuthorised));
    rotate(&mut world, &other, &one).unwrap();
    assert_eq!(world.call(&there), Err(Status::CounterMismatch), "the same key again, with the next count");
    let revocation = signed(world.revocation(one.address()), &world.admin);
    world.call(&revocation).unwrap();
    world.authorize(one.address(), WITH_ROTATE).unwrap();
    assert_eq!(world.call(&there), Err(Status::SignerRecordMismatch), "the same key again, in another record");
    assert_eq!(world.record_of(one.address()).rotations, 0);
    let replayed = RotateSigner { record: world.record_of(one.address()).record, ..there };
    assert_eq!(world.call(&replayed), Err(Status::RotationProofInvalid));
    world.restart().unwrap();
    let again = countersigned(replayed, &one, &other, None);
    assert_eq!(world.call(&again), Ok(()));
}

#[test]
pub fn a_record_s_number_is_never_used_again() {
    let mut world = World::ready();
    let key = EthKey::numbered(0x50);
    let mut numbers = vec![world.record_of(world.relay.address()).record];
    for _ in 0..5 {
        world.authorize(key.address(), WITH_ROTATE).unwrap();
        numbers.push(world.record_of(key.address()).record);
        world.revoke(key.address()).unwrap();
        world.restart().unwrap();
    }
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

#[test]
pub fn a_revocation_names_the_record_and_the_key_it_was_made_for() {
    let mut world = World::ready();
    let key = EthKey::numbered(0x50);
    world.authorize(key.address(), WITH_ROTATE).unwrap();
    rotate(&mut world, &key, &EthKey::numbered(0x51)).unwrap();
    let honest = world.revocation(EthKey::numbered(0x51).address());
    assert_eq!(honest.authorised_as, key.address());
    // A host that shows another record's number cannot get a key removed other than the one that
    // the admin saw.
    let mut other_record = honest;
    other_record.record = world.record_of(world.relay.address()).record;
    assert_eq!(world.call(&signed(other_record, &world.admin.clone())), Err(Status::SignerRecordMismatch));
    let mut other_key = honest;
    other_key.authorised_as = EthKey::numbered(0x51).address();
    assert_eq!(world.call(&signed(other_key, &world.admin.clone())), Err(Status::SignerRecordMismatch));
    assert_eq!(world.call(&signed(honest, &world.admin.clone())), Ok(()));
}
