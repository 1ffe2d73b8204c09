//! Property 15: a signed command takes effect only on the TEE whose id it names.

use proto::command::{Opcode, RevokeSigner, RotateSigner};
use proto::{Permissions, Status, TeeId};

use crate::admin_cases::admin_cases;
use crate::support::world::{countersigned, provision, signed};
use crate::support::{EthKey, World};

/// Two TEEs of one admin, at the same counter.
fn twins() -> [World; 2] {
    [7, 8].map(|seed| {
        let mut world = World::with_entropy([seed; 32]);
        world.provision().unwrap();
        world.authorize(world.relay.address(), Permissions::ALL).unwrap();
        world.prepare_paymaster_key().unwrap();
        world
    })
}

#[test]
fn a_command_that_was_signed_for_one_tee_is_refused_by_every_other() {
    let [mut one, mut other] = twins();
    let (counter, admin, relay) = (one.next_counter(), one.admin.clone(), one.relay.clone());
    assert_eq!(counter, other.next_counter());
    let newcomer = EthKey::numbered(9);
    let revoke = signed(one.revocation(relay.address()), &admin);
    let rotation = one.rotation(&relay, &newcomer, Some(&admin));
    let before = other.state();
    // A provisioned TEE refuses every `Provision`, whichever TEE it names.
    for case in admin_cases(&mut one, counter).into_iter().filter(|case| case.opcode != Opcode::Provision) {
        assert_eq!(other.status_of(&case.signed_by(&admin)), Status::TeeIdMismatch, "{:?}", case.opcode);
    }
    // Nor with the other TEE's id inserted: the id is part of what was signed.
    let tee_id = other.tee_id;
    assert_eq!(other.call(&RevokeSigner { tee_id, ..revoke }), Err(Status::AdminSignatureInvalid));
    assert_eq!(other.call(&RotateSigner { tee_id, ..rotation }), Err(Status::RotationProofInvalid));
    assert_eq!(other.state(), before);
    assert_eq!(one.call(&rotation), Ok(()));
    assert_eq!(one.call(&revoke), Ok(()));
}

#[test]
fn a_new_tee_is_not_provisioned_by_a_command_for_another() {
    let mut fresh = World::with_entropy([9; 32]);
    let admin = fresh.admin.clone();
    for tee_id in [World::new().tee_id, TeeId::default()] {
        let command = signed(provision(tee_id, admin.address(), 1), &admin);
        assert_eq!(fresh.call(&command), Err(Status::TeeIdMismatch));
    }
    assert_eq!(fresh.provision(), Ok(()));
}

#[test]
fn a_rotation_with_one_proof_for_another_digest_is_refused() {
    let [mut one, mut other] = twins();
    let (relay, next) = (one.relay.clone(), EthKey::numbered(9));
    let mut rotation = one.rotation(&relay, &next, None);
    let elsewhere = countersigned(RotateSigner { tee_id: other.tee_id, ..rotation }, &relay, &next, None);
    rotation.next_signature = elsewhere.next_signature;
    assert_eq!(one.call(&rotation), Err(Status::RotationProofInvalid));
    assert_eq!(other.call(&elsewhere), Ok(()));
}
