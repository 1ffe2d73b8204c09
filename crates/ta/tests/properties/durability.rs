//! The core is killed at any write: acknowledged changes remain, nothing is half done, and no count
//! is used twice.

use std::collections::BTreeMap;

use proto::command::{GetWalletInfo, SignatureScheme, WalletInfo};
use proto::{Address, EntryPointVersion, Permissions, Status};
use ta::memory::Fault;
use ta::{MonotonicCounter, RecordName};

use crate::support::requests::sign;
use crate::support::{Draft, EthKey, Passkey, World};

const VERSION: EntryPointVersion = EntryPointVersion::V08;

/// The changes that a host saw acknowledged.
#[derive(Default)]
struct Acknowledged {
    provisioned: bool,
    signers: BTreeMap<Address, bool>,
    accounts: BTreeMap<&'static str, WalletInfo>,
    counter: u64,
    sign_count: u32,
}

fn newcomer() -> EthKey {
    EthKey::numbered(9)
}

fn alice(count: u32) -> Passkey {
    Passkey { count, ..Passkey::numbered(0x41) }
}

/// Runs everything that writes; stops at the first step that is not acknowledged.
fn run(world: &mut World, done: &mut Acknowledged) -> Result<(), Status> {
    if !done.provisioned {
        world.provision()?;
        done.provisioned = true;
    }
    let (relay, newcomer) = (world.relay.address(), newcomer().address());
    for (signer, wanted) in [(relay, true), (newcomer, true), (newcomer, false)] {
        let permissions = Permissions::SPONSOR | Permissions::SIGN_USER_OPERATION;
        if wanted {
            world.authorize(signer, permissions)?;
        } else {
            world.revoke(signer)?;
        }
        done.signers.insert(signer, wanted);
        done.counter = world.state().counter;
    }
    for (id, passkey) in [("alice", alice(0)), ("bob", Passkey::numbered(0x42))] {
        done.accounts.insert(id, world.create(id, &passkey, SignatureScheme::Raw)?);
    }
    let relay = world.relay.clone();
    for count in [4, 7] {
        world.call(&sign(VERSION, "alice", 0).approved(&alice(count), &relay))?;
        done.sign_count = count;
    }
    Ok(())
}

fn check(world: &mut World, done: &Acknowledged) {
    let state = world.state();
    assert!(state.counter >= done.counter, "the counter decreased");
    assert!(state.provisioned.is_some() || !done.provisioned);
    let signers: Vec<Address> =
        state.provisioned.iter().flat_map(|state| state.signers.iter().map(|signer| signer.address)).collect();
    // A command that was not acknowledged may have taken effect, so only acknowledged keys are
    // compared, unless a later command touched them.
    if done.signers.get(&world.relay.address()) == Some(&true) {
        assert!(signers.contains(&world.relay.address()));
    }
    if done.signers.get(&newcomer().address()) == Some(&false) {
        assert!(!signers.contains(&newcomer().address()), "a revoked key came back");
    }
    for (id, wallet) in &done.accounts {
        let info = world.call(&GetWalletInfo { account_id: id.parse().unwrap() });
        assert_eq!(info.as_ref(), Ok(wallet), "an acknowledged account is missing or changed");
    }
    if done.sign_count > 0 {
        let relay = world.relay.clone();
        let older = sign(VERSION, "alice", 1).approved(&alice(done.sign_count - 1), &relay);
        assert_eq!(world.call(&older), Err(Status::SignCountDecreased));
    }
}

/// Completes the run from wherever it was interrupted.
fn finish(world: &mut World) {
    if world.state().provisioned.is_none() {
        world.provision().unwrap();
    }
    let listed = world.state().provisioned.unwrap().signers;
    for (key, wanted) in [(world.relay.clone(), true), (newcomer(), false)] {
        let is_there = listed.iter().any(|signer| signer.address == key.address());
        if wanted && !is_there {
            world.authorize(key.address(), Permissions::SPONSOR | Permissions::SIGN_USER_OPERATION).unwrap();
        }
        if !wanted && is_there {
            world.revoke(key.address()).unwrap();
        }
    }
    for (id, passkey) in [("alice", alice(0)), ("bob", Passkey::numbered(0x42))] {
        world.create(id, &passkey, SignatureScheme::Raw).unwrap();
    }
    let relay = world.relay.clone();
    assert!(world.call(&sign(VERSION, "alice", 0).approved(&alice(9), &relay)).is_ok());
}

/// Writes of a whole run, including the counter's.
fn writes() -> u64 {
    let mut world = World::new();
    let before = world.device.writes();
    run(&mut world, &mut Acknowledged::default()).unwrap();
    world.device.writes() - before
}

#[test]
pub fn killed_at_any_write_it_keeps_what_it_acknowledged_and_recovers() {
    let writes = writes();
    assert!(writes >= 14, "{writes}");
    for at in 0..writes {
        for fault in [Fault::Before, Fault::After, Fault::Refused] {
            let (mut world, mut done) = (World::new(), Acknowledged::default());
            world.fail_after(at, fault);
            let status = run(&mut world, &mut done).unwrap_err();
            assert!(status.is_failure(), "write {at}, {fault:?}: {status}");
            if fault != Fault::Refused {
                world.restart().unwrap();
            }
            check(&mut world, &done);
            finish(&mut world);
            world.restart().unwrap();
            check(&mut world, &done);
        }
    }
}

#[test]
pub fn a_full_store_refuses_changes_and_everything_else_goes_on() {
    let (mut world, passkey, _) = World::with_account(SignatureScheme::Raw);
    let relay = world.relay.clone();
    let others = [newcomer().address(), relay.address()];
    let before = world.state();
    world.device.fill(true);
    for round in 0..3 {
        assert_eq!(world.create("bob", &Passkey::numbered(0x42), SignatureScheme::Raw), Err(Status::StorageFailed));
        assert_eq!(world.authorize(others[0], Permissions::SPONSOR), Err(Status::StorageFailed));
        assert_eq!(world.revoke(others[1]), Err(Status::StorageFailed));
        assert!(world.call(&sign(VERSION, "alice", round).approved(&passkey, &relay)).is_ok(), "{round}");
        assert_eq!(world.state(), before);
    }
    world.device.fill(false);
    world.revoke(others[1]).unwrap();
    assert!(world.call(&sign(VERSION, "alice", 9).approved(&passkey, &relay)).is_err());
}

#[test]
pub fn a_failed_command_takes_effect_once_then_or_when_repeated() {
    for at in 0..2 {
        for fault in [Fault::Before, Fault::After] {
            let mut world = World::ready();
            let counter = world.next_counter();
            let signer = newcomer().address();
            let permissions = Permissions::SPONSOR;
            let command = crate::support::world::authorize(world.tee_id, signer, permissions, counter);
            let command = crate::support::world::signed(command, &world.admin);
            world.fail_after(at, fault);
            assert!(world.call(&command).is_err());
            world.restart().unwrap();
            // The record is written first; once written, the command has taken effect.
            let took_effect = (at, fault) != (0, Fault::Before);
            assert_eq!(world.next_counter() > counter, took_effect);
            let reply = world.call(&command);
            assert_eq!(reply, if took_effect { Err(Status::CounterMismatch) } else { Ok(()) });
            assert_eq!(world.next_counter(), counter + 1);
            let signers = world.state().provisioned.unwrap().signers;
            assert_eq!(signers.iter().filter(|listed| listed.address == signer).count(), 1);
        }
    }
}

#[test]
fn a_torn_record_is_refused_and_never_treated_as_absent() {
    let mut world = World::new();
    world.device.fail_after(0, Fault::Torn);
    world.provision().unwrap_err();
    assert_eq!(world.restart(), Err(Status::StorageCorrupt));

    // The count and its version are written first; then the pointer of the credential, then the
    // account it points to.
    for at in 2..4 {
        let mut world = World::ready();
        world.device.fail_after(at, Fault::Torn);
        world.create("alice", &alice(0), SignatureScheme::Raw).unwrap_err();
        world.restart().unwrap();
        let again = world.create("alice", &alice(0), SignatureScheme::Raw);
        assert_eq!(again, Err(Status::StorageCorrupt), "write {at}");
    }

    let (mut world, _, _) = World::with_account(SignatureScheme::Raw);
    let command = sign(VERSION, "alice", 0).approved(&alice(5), &world.relay);
    world.device.fail_after(0, Fault::Torn);
    world.call(&command).unwrap_err();
    world.restart().unwrap();
    assert_eq!(world.call(&command), Err(Status::StorageCorrupt));
}

#[test]
pub fn no_signature_is_returned_before_the_count_is_sealed() {
    for fault in [Fault::Before, Fault::After, Fault::Refused] {
        let (mut world, _, _) = World::with_account(SignatureScheme::Raw);
        let relay = world.relay.clone();
        let command = sign(VERSION, "alice", 0).approved(&alice(5), &relay);
        world.fail_after(0, fault);
        assert_eq!(world.call(&command), Err(Status::StorageFailed));
        world.restart().unwrap();
        assert!(world.call(&command).is_ok(), "the same approval again, once it can be sealed");
    }
}

#[test]
fn an_inconsistent_store_is_not_opened() {
    let mut world = World::ready();
    // The counter is further behind the record than a crash leaves it, so one of them was changed.
    let counter = world.device.counter().value().unwrap();
    for behind in 2..=counter {
        world.device.set_counter(counter - behind);
        assert_eq!(world.restart(), Err(Status::CounterFailed));
    }
    world.device.set_counter(counter);
    assert_eq!(world.restart(), Ok(()));
    for (name, bytes) in world.device.records() {
        for length in 0..bytes.len() {
            world.device.plant(name, bytes[..length].to_vec());
            assert_eq!(world.restart(), Err(Status::StorageCorrupt), "{length} bytes");
        }
        world.device.plant(name, [&bytes[..], &[0]].concat());
        assert_eq!(world.restart(), Err(Status::StorageCorrupt));
    }
}

#[test]
fn a_record_that_names_another_address_for_one_of_its_keys_is_refused() {
    let mut world = World::ready();
    let standby = world.prepare_paymaster_key().unwrap();
    let signer = world.state().provisioned.unwrap().paymaster_signer;
    let records = world.device.records();
    let (_, record) = records.iter().find(|(name, _)| *name == RecordName::System).unwrap();
    for address in [signer, standby] {
        let at = record.windows(20).position(|window| window == address.0).unwrap();
        let mut changed = record.clone();
        changed[at] ^= 1;
        world.device.plant(RecordName::System, changed);
        assert_eq!(world.restart(), Err(Status::StorageCorrupt));
    }
    world.device.plant(RecordName::System, record.clone());
    world.restart().unwrap();
}
