//! Phases, admin commands and relay keys.

use proto::command::{Attest, Echo, GetVersion, Hello, Opcode, Phase, RotateSigner, SignatureScheme};
use proto::limits::MAX_SIGNERS;
use proto::typed_data::TypedData;
use proto::{Address, Bounded, EntryPointVersion, Permissions, Status, frame};

use crate::admin_cases::admin_cases;
use crate::support::requests::{sign, sponsor};
use crate::support::world::{ceilings, countersigned, provision, signed};
use crate::support::{Draft, EthKey, Passkey, World};

const VERSION: EntryPointVersion = EntryPointVersion::V07;

#[test]
pub fn before_provisioning_only_queries_and_provisioning_are_accepted() {
    let mut world = World::new();
    let passkey = Passkey::numbered(0x41);
    let relay = world.relay.clone();
    let not_provisioned = Status::NotProvisioned;
    assert_eq!(world.create("alice", &passkey, SignatureScheme::Raw), Err(not_provisioned));
    assert_eq!(world.call(&sponsor(VERSION, "alice", 0).approved(&passkey, &relay)), Err(not_provisioned));
    assert_eq!(world.call(&sign(VERSION, "alice", 0).approved(&passkey, &relay)), Err(not_provisioned));
    let admin = world.admin.clone();
    for case in admin_cases(&mut world, 1).into_iter().filter(|case| case.opcode != Opcode::Provision) {
        assert_eq!(world.status_of(&case.signed_by(&admin)), not_provisioned, "{:?}", case.opcode);
    }

    let state = world.state();
    assert_eq!((state.phase, state.counter, state.provisioned), (Phase::Uninitialised, 0, None));
    assert_eq!(world.call(&Hello).unwrap().wire_version, frame::VERSION);
    assert_eq!(world.call(&GetVersion).unwrap().measurement, state.measurement);
    assert_eq!(world.call(&Attest { nonce: [6; 32] }).unwrap().statement.provisioned, None);
    let bytes = Bounded::new(vec![1, 2, 3]).unwrap();
    assert_eq!(world.call(&Echo { bytes: bytes.clone() }).unwrap().bytes, bytes);
    assert_eq!(world.provision(), Ok(()));
}

#[test]
pub fn it_is_provisioned_once_by_the_admin_it_names() {
    let mut world = World::new();
    let command = provision(world.tee_id, world.admin.address(), 1);
    assert_eq!(world.call(&signed(command.clone(), &EthKey::numbered(9))), Err(Status::AdminSignatureInvalid));
    let early = provision(world.tee_id, world.admin.address(), 2);
    assert_eq!(world.call(&signed(early, &world.admin.clone())), Err(Status::CounterMismatch));
    let command = signed(command, &world.admin);
    assert_eq!(world.call(&command), Ok(()));
    assert_eq!(world.call(&command), Err(Status::AlreadyProvisioned));
    let stranger = EthKey::numbered(9);
    let takeover = signed(provision(world.tee_id, stranger.address(), 2), &stranger);
    assert_eq!(world.call(&takeover), Err(Status::AlreadyProvisioned));
    world.restart().unwrap();
    assert_eq!(world.call(&takeover), Err(Status::AlreadyProvisioned));

    let state = world.state();
    let provisioned = state.provisioned.unwrap();
    assert_eq!((state.phase, state.counter), (Phase::Ready, 1));
    assert_eq!(provisioned.admin, world.admin.address());
    assert_eq!(provisioned.ceilings, ceilings());
    assert!(provisioned.signers.is_empty());
}

#[test]
pub fn only_the_admin_commands() {
    let mut world = World::ready();
    let counter = world.next_counter();
    for key in [world.relay.clone(), EthKey::numbered(9)] {
        for case in admin_cases(&mut world, counter).into_iter().filter(|case| case.opcode != Opcode::Provision) {
            assert_eq!(world.status_of(&case.signed_by(&key)), Status::AdminSignatureInvalid, "{:?}", case.opcode);
        }
    }
    assert_eq!(world.next_counter(), counter);
}

#[test]
pub fn a_relay_key_is_authorised_once_and_with_permissions() {
    let mut world = World::ready();
    let signer = EthKey::numbered(9).address();
    for meaningless in [0, 1 << 4, u32::MAX] {
        assert_eq!(world.authorize(signer, Permissions(meaningless)), Err(Status::PermissionsMeaningless));
    }
    assert_eq!(world.authorize(world.relay.address(), Permissions::ALL), Err(Status::SignerAlreadyAuthorised));
    assert_eq!(world.revoke(signer), Err(Status::SignerRecordMismatch));
}

#[test]
pub fn a_relay_key_has_no_other_role() {
    let mut world = World::ready();
    let admin = world.admin.clone();
    let standby = world.prepare_paymaster_key().unwrap();
    let paymaster_signer = world.state().provisioned.unwrap().paymaster_signer;
    for reserved in [Address::default(), admin.address(), paymaster_signer, standby] {
        assert_eq!(world.authorize(reserved, Permissions::SPONSOR), Err(Status::SignerReserved));
    }
    let rotation = world.rotation(&world.relay.clone(), &admin, Some(&admin));
    assert_eq!(world.call(&rotation), Err(Status::SignerReserved));
}

#[test]
pub fn relay_keys_are_limited_and_all_listed() {
    let mut world = World::ready();
    for number in 0..u8::try_from(MAX_SIGNERS).unwrap() - 1 {
        world.authorize(EthKey::numbered(number + 0x30).address(), Permissions::SPONSOR).unwrap();
    }
    let one_more = EthKey::numbered(2).address();
    assert_eq!(world.authorize(one_more, Permissions::SPONSOR), Err(Status::TooManySigners));
    assert_eq!(world.state().provisioned.unwrap().signers.len(), MAX_SIGNERS);
    world.revoke(EthKey::numbered(0x30).address()).unwrap();
    assert_eq!(world.authorize(one_more, Permissions::SPONSOR), Ok(()));
}

#[test]
pub fn a_revoked_key_approves_nothing_even_after_a_restart() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Eip191);
    let relay = world.relay.clone();
    let before = sponsor(VERSION, "alice", 0).approved(&passkey, &relay);
    assert!(world.call(&before).is_ok());
    world.revoke(relay.address()).unwrap();
    for _ in 0..2 {
        assert_eq!(world.call(&before), Err(Status::SignerNotAuthorised));
        let new = sign(VERSION, "alice", 1).approved(&passkey, &relay);
        assert_eq!(world.call(&new), Err(Status::SignerNotAuthorised));
        world.restart().unwrap();
    }
    assert!(world.state().provisioned.unwrap().signers.is_empty());
}

#[test]
pub fn a_rotation_needs_both_keys_and_the_permission_or_the_admin() {
    let mut world = World::ready();
    let (admin, relay, next) = (world.admin.clone(), world.relay.clone(), EthKey::numbered(9));
    let counter = world.next_counter();
    let honest = world.rotation(&relay, &next, Some(&admin));
    let other = EthKey::numbered(8).sign(&honest.digest());

    let mut command = honest;
    command.current_signature = other;
    assert_eq!(world.call(&command), Err(Status::RotationProofInvalid));
    let mut command = honest;
    command.next_signature = other;
    assert_eq!(world.call(&command), Err(Status::RotationProofInvalid));
    let mut command = honest;
    command.admin_signature = Some(other);
    assert_eq!(world.call(&command), Err(Status::AdminSignatureInvalid));
    let mut command = honest;
    command.admin_signature = None;
    assert_eq!(world.call(&command), Err(Status::AdminSignatureInvalid));
    let unknown = world.rotation(&EthKey::numbered(8), &next, Some(&admin));
    assert_eq!(world.call(&unknown), Err(Status::SignerNotAuthorised));
    let to_itself = world.rotation(&relay, &relay, Some(&admin));
    assert_eq!(world.call(&to_itself), Err(Status::SignerAlreadyAuthorised));
    for rotation in [0, 2, u64::MAX] {
        let late = countersigned(RotateSigner { rotation, ..honest }, &relay, &next, Some(&admin));
        assert_eq!(world.call(&late), Err(Status::CounterMismatch));
    }
    let other_record = countersigned(RotateSigner { record: 77, ..honest }, &relay, &next, Some(&admin));
    assert_eq!(world.call(&other_record), Err(Status::SignerRecordMismatch));

    let before = world.state().provisioned.unwrap().signers;
    assert_eq!(world.call(&honest), Ok(()));
    assert_eq!(world.call(&honest), Err(Status::SignerNotAuthorised));
    assert_eq!(world.next_counter(), counter, "the record's counter is used");
    let after = world.state().provisioned.unwrap().signers;
    assert_eq!(after[0].address, next.address());
    assert_eq!((after.len(), after[0].permissions), (before.len(), before[0].permissions));
}

#[test]
pub fn a_key_with_the_permission_rotates_itself_but_not_with_a_false_admin_signature() {
    let mut world = World::ready();
    let (relay, next) = (EthKey::numbered(8), EthKey::numbered(9));
    world.authorize(relay.address(), Permissions::ROTATE | Permissions::SPONSOR).unwrap();
    let false_admin = world.rotation(&relay, &next, Some(&EthKey::numbered(7)));
    assert_eq!(world.call(&false_admin), Err(Status::AdminSignatureInvalid));
    let rotation = world.rotation(&relay, &next, None);
    assert_eq!(world.call(&rotation), Ok(()));
    world.restart().unwrap();
    let addresses: Vec<_> = world.state().provisioned.unwrap().signers.iter().map(|signer| signer.address).collect();
    assert_eq!(addresses, [world.relay.address(), next.address()]);
}
