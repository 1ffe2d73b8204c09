//! A store in the previous layout is read and upgraded, even if the power fails at any write, and
//! any other layout is refused.

use proto::command::{GetAllowances, GetWalletInfo, SecurityState, SignatureScheme};
use proto::{EntryPointVersion, Hash, Permissions, Status};
use serde_json::Value;
use ta::memory::{Fault, MemoryDevice};
use ta::{MonotonicCounter, RecordName};

use crate::support::requests::{sign, sponsor};
use crate::support::world::ceilings;
use crate::support::{Draft, EthKey, Passkey, World, deployment};

/// Written by the release before TEEs had an id: two accounts, where alice's passkey has counted to
/// 5, and a relay key that was rotated once.
const OLDER_STORE: &str = include_str!("../vectors/store-layout-2.json");
/// Written in the current layout by [`in_use`]. If a byte of it has to change, the layout changes,
/// and this file is kept as the store of the previous layout.
const STORE: &str = include_str!("../vectors/store-layout-3.json");
/// Written by [`with_allowance`], in the layout of a system record with allowances.
const STORE_WITH_ALLOWANCE: &str = include_str!("../vectors/store-layout-4.json");
const PAYMASTER_SIGNER: &str = "0xAaC46263dF9719CC284e37Ce932D69767E212CED";
const TEE_ID: &str = "0xf222a20b21927d88e72377031f01efe0de4396c67ea944d82dbf80126fe11e6d";
const VERSION: EntryPointVersion = EntryPointVersion::V07;

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(&value.as_str().unwrap()[2..]).unwrap()
}

/// Parses a record name from its bytes.
fn name(bytes: &[u8]) -> RecordName {
    let digest = Hash(bytes[1..].try_into().unwrap());
    match bytes[0] {
        0 => RecordName::System,
        1 => RecordName::Account(digest),
        _ => RecordName::Credential(digest),
    }
}

fn older_device() -> MemoryDevice {
    device(OLDER_STORE)
}

fn device(store: &str) -> MemoryDevice {
    let store: Value = serde_json::from_str(store).unwrap();
    let device = MemoryDevice::default();
    for record in store["records"].as_array().unwrap() {
        device.plant(name(&bytes(&record["name"])), bytes(&record["bytes"]));
    }
    device.set_counter(store["counter"].as_u64().unwrap());
    device
}

/// Checks everything that was acknowledged before the update.
fn check(world: &mut World) -> SecurityState {
    let state = world.state();
    let provisioned = state.provisioned.clone().unwrap();
    assert_eq!(state.counter, 6);
    assert_eq!(provisioned.paymaster_signer.to_string(), PAYMASTER_SIGNER);
    assert_eq!(provisioned.admin, world.admin.address());
    let signers: Vec<_> = provisioned.signers.iter().map(|signer| (signer.record, signer.address)).collect();
    assert_eq!(signers, [(1, world.relay.address()), (2, EthKey::numbered(9).address())]);
    assert_eq!((provisioned.accounts, provisioned.ceilings.max_accounts), (0, 10_000));
    let relay = world.relay.clone();
    let alice = |count| Passkey { count, ..Passkey::numbered(0x41) };
    let earlier = sign(VERSION, "alice", 1).approved(&alice(4), &relay);
    assert_eq!(world.call(&earlier), Err(Status::SignCountDecreased), "the count is kept");
    // The challenge of count 5 was not stored: one approval is accepted for it, and no other after
    // that.
    let same = sign(VERSION, "alice", 0).approved(&alice(5), &relay);
    assert!(world.call(&same).is_ok());
    let other = sign(VERSION, "alice", 1).approved(&alice(5), &relay);
    assert_eq!(world.call(&other), Err(Status::SignCountRepeated));
    assert!(world.call(&sign(VERSION, "bob", 0).approved(&Passkey::numbered(0x42), &relay)).is_ok());
    let bob = world.call(&GetWalletInfo { account_id: "bob".parse().unwrap() }).unwrap();
    assert_eq!(world.create("bob", &Passkey::numbered(0x42), SignatureScheme::Raw), Ok(bob), "found by its credential");
    state
}

fn layouts(device: &MemoryDevice) -> Vec<u8> {
    device.records().iter().map(|(_, bytes)| bytes[0]).collect()
}

/// Two accounts, where alice's passkey has counted to 5; a relay key that was rotated once; a
/// standby paymaster key.
fn in_use() -> World {
    let mut world = World::ready();
    world.create("alice", &Passkey::numbered(0x41), SignatureScheme::Eip191).unwrap();
    world.create("bob", &Passkey::numbered(0x42), SignatureScheme::Raw).unwrap();
    let (relay, rotated, next) = (world.relay.clone(), EthKey::numbered(8), EthKey::numbered(9));
    world.authorize(rotated.address(), Permissions::SPONSOR | Permissions::ROTATE).unwrap();
    let rotation = world.rotation(&rotated, &next, None);
    world.call(&rotation).unwrap();
    world.prepare_paymaster_key().unwrap();
    let alice = Passkey { count: 5, ..Passkey::numbered(0x41) };
    world.call(&sign(VERSION, "alice", 0).approved(&alice, &relay)).unwrap();
    world
}

#[test]
fn records_are_written_in_the_frozen_layout() {
    let (device, frozen) = (in_use().device, device(STORE));
    assert_eq!(layouts(&frozen), [3; 5]);
    assert_eq!(device.records(), frozen.records());
    assert_eq!(device.counter().value(), frozen.counter().value());
}

/// The same, after a deployment got an allowance and a part of it was spent.
fn with_allowance() -> World {
    let mut world = in_use();
    world.set_allowance(deployment(VERSION), 1_000_000_000_000_000_000).unwrap();
    let alice = Passkey { count: 6, ..Passkey::numbered(0x41) };
    let relay = world.relay.clone();
    world.call(&sponsor(VERSION, "alice", 1).approved(&alice, &relay)).unwrap();
    world
}

#[test]
fn an_allowance_is_written_in_its_frozen_layout_and_read() {
    let (mut world, frozen) = (with_allowance(), device(STORE_WITH_ALLOWANCE));
    assert_eq!(layouts(&frozen), [4, 3, 3, 3, 3], "only the system record has another layout");
    assert_eq!(world.device.records(), frozen.records());
    assert_eq!(world.device.counter().value(), frozen.counter().value());
    let sealed = world.allowance(deployment(VERSION)).sealed;
    let mut read = World::over(frozen).unwrap();
    let allowance = read.allowance(deployment(VERSION));
    assert_eq!((allowance.spent, allowance.sealed), (sealed, sealed));
    assert_eq!((read.state().tee_id, read.state().provisioned), (world.state().tee_id, world.state().provisioned));
}

/// In layout 3 no allowance was ever set.
#[test]
fn a_store_without_allowances_gets_its_first_one() {
    let mut world = World::over(device(STORE)).unwrap();
    assert_eq!(layouts(&world.device)[0], 3);
    assert!(world.call(&GetAllowances).unwrap().allowances.is_empty());
    world.set_allowance(deployment(VERSION), 5).unwrap();
    assert_eq!(layouts(&world.device)[0], 4);
    world.restart().unwrap();
    assert_eq!(world.allowance(deployment(VERSION)).granted, proto::Wei(5));
}

#[test]
fn a_store_in_the_frozen_layout_is_read() {
    let frozen = device(STORE);
    let before = frozen.records();
    let mut world = World::over(frozen).unwrap();
    let state = world.state();
    assert_eq!((state.tee_id.to_string().as_str(), state.counter), (TEE_ID, 4));
    let provisioned = state.provisioned.unwrap();
    assert_eq!(provisioned.paymaster_signer.to_string(), "0x3c15AFEE7CF03188EDdD6c81d206e12c6599c2c1");
    assert_eq!(provisioned.standby_paymaster_signer.unwrap().to_string(), "0xefd458f2054bfdb9555c15BDF9a43B0aD12F2d01");
    assert_eq!((provisioned.accounts, &provisioned.ceilings), (2, &ceilings()));
    let signers: Vec<_> = provisioned.signers.iter().map(|signer| (signer.record, signer.address)).collect();
    assert_eq!(signers, [(2, world.relay.address()), (3, EthKey::numbered(9).address())]);
    for (id, owner) in
        [("alice", "0x44e13851fa164D384D962C7f1A6664Eed65D88De"), ("bob", "0xb9EdF4d77B8bce5DA1Ca1cce44BeBd3189003aE2")]
    {
        let wallet = world.call(&GetWalletInfo { account_id: id.parse().unwrap() }).unwrap();
        assert_eq!(wallet.owner.to_string(), owner, "{id}");
    }
    let relay = world.relay.clone();
    let alice = |count| Passkey { count, ..Passkey::numbered(0x41) };
    let mut attempt =
        |variant, count| world.call(&sign(VERSION, "alice", variant).approved(&alice(count), &relay)).err();
    assert_eq!(attempt(1, 4), Some(Status::SignCountDecreased), "the count is kept");
    assert_eq!(attempt(1, 5), Some(Status::SignCountRepeated), "and its challenge");
    assert_eq!(attempt(0, 5), None);
    let of_accounts = |records: Vec<(RecordName, Vec<u8>)>| -> Vec<_> {
        records.into_iter().filter(|(name, _)| *name != RecordName::System).collect()
    };
    assert_eq!(of_accounts(world.device.records()), of_accounts(before), "nothing was rewritten");
}

#[test]
fn a_store_in_the_previous_layout_is_read_and_upgraded() {
    let mut world = World::over(older_device()).unwrap();
    assert_eq!(layouts(&older_device()), [2; 5]);
    let state = check(&mut world);
    world.create("alice", &Passkey::numbered(0x41), SignatureScheme::Eip191).unwrap();
    assert_eq!(layouts(&world.device), [3; 5], "each is rewritten when it is read");

    world.restart().unwrap();
    assert_eq!(check(&mut world), state, "the id is drawn once");
    world.authorize(EthKey::numbered(11).address(), Permissions::SPONSOR).unwrap();
}

#[test]
fn killed_at_any_write_of_the_update_nothing_is_lost() {
    // Four writes on opening, one for each account and for bob's credential.
    for at in 0..8 {
        for fault in [Fault::Before, Fault::After, Fault::Refused] {
            let device = older_device();
            device.fail_after(at, fault);
            let told = World::over(device.clone()).map(|mut world| {
                let id = world.state().tee_id;
                for id in ["alice", "bob"] {
                    let _ = world.call(&GetWalletInfo { account_id: id.parse().unwrap() });
                }
                let _ = world.create("bob", &Passkey::numbered(0x42), SignatureScheme::Raw);
                id
            });
            device.revive();
            let mut world = World::over(device).unwrap();
            let state = check(&mut world);
            assert!(told.is_err() || told == Ok(state.tee_id), "write {at} {fault:?}: a disclosed id is kept");
        }
    }
}

#[test]
fn an_undisclosed_id_does_not_come_back() {
    let new = MemoryDevice::default();
    for device in [older_device(), new] {
        let before = device.records();
        // Between the record and the counter.
        device.fail_after(1, Fault::Before);
        assert_eq!(World::over(device.clone()).err(), Some(Status::CounterFailed));
        let kept = device.records();
        device.revive();
        device.restore(&before);
        World::over(device.clone()).unwrap();
        device.restore(&kept);
        assert_eq!(World::over(device).err(), Some(Status::RollbackDetected));
    }
}

#[test]
fn a_record_of_an_unknown_layout_is_refused() {
    let mut world = World::with_account(SignatureScheme::Raw).0;
    for (name, bytes) in world.device.records() {
        for layout in (0..=u8::MAX).filter(|layout| *layout != 3) {
            let mut other = bytes.clone();
            other[0] = layout;
            world.device.plant(name, other);
            let refused = world
                .restart()
                .and_then(|()| world.create("alice", &Passkey::numbered(0x41), SignatureScheme::Raw).map(drop));
            // These fields are the same in the previous layout.
            let is_readable = layout == 2 && matches!(name, RecordName::Credential(_));
            assert_eq!(refused.is_ok(), is_readable, "{name:?} in layout {layout}");
            assert!(is_readable || refused == Err(Status::StorageCorrupt));
            world.device.plant(name, bytes.clone());
        }
    }
}

#[test]
fn an_older_record_among_newer_ones_is_still_a_rollback() {
    let device = older_device();
    let before = device.records();
    World::over(device.clone()).unwrap();
    device.restore(&before);
    assert_eq!(World::over(device).err(), Some(Status::RollbackDetected));
}
