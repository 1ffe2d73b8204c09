//! Property 5: an older store is refused unless the counter was rolled back with it, and nothing
//! acknowledged can be undone, whatever parts of the store a host keeps and restores.

use proto::command::{AuthorizeSigner, Hello, Protection, SignatureScheme};
use proto::{Address, Permissions, Status};
use ta::RecordName;
use ta::memory::Fault;

use crate::support::world::{self, provision, signed};
use crate::support::{EthKey, Passkey, World};

type Snapshot = Vec<(RecordName, Vec<u8>)>;

fn newcomer() -> EthKey {
    EthKey::numbered(9)
}

fn signers(world: &mut World) -> Vec<Address> {
    world.state().provisioned.unwrap().signers.iter().map(|signer| signer.address).collect()
}

fn authorize(world: &World, counter: u64) -> AuthorizeSigner {
    let (signer, permissions) = (newcomer().address(), Permissions::SPONSOR);
    signed(world::authorize(world.tee_id, signer, permissions, counter), &world.admin)
}

/// Fails between the record and the counter, and returns the store as it is then.
fn killed_between(world: &mut World, command: impl FnOnce(&mut World) -> Result<(), Status>) -> Snapshot {
    world.device.fail_after(1, Fault::Before);
    assert_eq!(command(world), Err(Status::CounterFailed));
    world.device.records()
}

#[test]
fn every_older_snapshot_is_refused_while_the_counter_stands() {
    let mut world = World::new();
    let mut snapshots: Vec<Snapshot> = vec![Vec::new(), world.device.records()];
    let steps: [fn(&mut World); 6] = [
        |world| world.provision().unwrap(),
        |world| world.authorize(world.relay.address(), Permissions::ALL).unwrap(),
        |world| drop(world.create("alice", &Passkey::numbered(0x41), SignatureScheme::Raw).unwrap()),
        |world| world.restart().unwrap(),
        |world| world.revoke(world.relay.address()).unwrap(),
        |world| world.restart().unwrap(),
    ];
    for step in steps {
        step(&mut world);
        snapshots.push(world.device.records());
    }
    let newest = snapshots.pop().unwrap();
    for (age, snapshot) in snapshots.iter().enumerate() {
        world.device.restore(snapshot);
        assert_eq!(world.restart(), Err(Status::RollbackDetected), "snapshot {age}");
        assert_eq!(world.restart(), Err(Status::RollbackDetected), "and it stays refused");
    }
    world.device.restore(&newest);
    world.restart().unwrap();
    assert!(signers(&mut world).is_empty(), "the relay key is revoked");
}

#[test]
fn a_removed_system_record_does_not_make_a_new_platform() {
    let (mut world, ..) = World::with_account(SignatureScheme::Raw);
    let without: Snapshot =
        world.device.records().into_iter().filter(|(name, _)| *name != RecordName::System).collect();
    assert!(!without.is_empty());
    for snapshot in [without, Vec::new()] {
        world.device.restore(&snapshot);
        assert_eq!(world.restart(), Err(Status::RollbackDetected));
    }
    // Nor before there was anything to lose.
    let mut world = World::new();
    world.device.restore(&[]);
    assert_eq!(world.restart(), Err(Status::RollbackDetected));
}

#[test]
fn a_snapshot_with_its_counter_is_accepted_and_the_platform_reports_no_protection() {
    let mut world = World::ready();
    let older = world.fork();
    world.revoke(world.relay.address()).unwrap();
    assert!(signers(&mut world).is_empty());
    world.device = older.device;
    world.restart().unwrap();
    assert_eq!(signers(&mut world), [world.relay.address()]);
    assert_eq!(world.state().rollback, Protection::None);
}

#[test]
fn a_command_between_record_and_counter_is_in_effect_after_opening() {
    let mut world = World::ready();
    let command = authorize(&world, world.fork().next_counter());
    killed_between(&mut world, |world| world.call(&command));
    world.restart().unwrap();
    assert!(signers(&mut world).contains(&newcomer().address()));
    assert_eq!(world.call(&command), Err(Status::CounterMismatch));
}

#[test]
fn an_unacknowledged_change_does_not_come_back_after_an_acknowledged_one() {
    for restarts in [false, true] {
        let mut world = World::ready();
        let (before, counter) = (world.device.records(), world.next_counter());
        let command = authorize(&world, counter);
        let kept = killed_between(&mut world, |world| world.call(&command));
        // The host makes it appear as if the command had been lost.
        world.device.restore(&before);
        world.device.revive();
        if restarts {
            world.restart().unwrap();
        }
        assert_eq!(world.next_counter(), counter);
        world.revoke(world.relay.address()).unwrap();
        world.device.restore(&kept);
        assert_eq!(world.restart(), Err(Status::RollbackDetected));
    }
}

#[test]
fn a_provisioning_that_was_never_acknowledged_does_not_come_back_after_another() {
    let mut world = World::new();
    let (before, thief) = (world.device.records(), EthKey::numbered(9));
    let kept =
        killed_between(&mut world, |world| world.call(&signed(provision(world.tee_id, thief.address(), 1), &thief)));
    world.device.restore(&before);
    world.restart().unwrap();
    world.provision().unwrap();
    world.device.restore(&kept);
    assert_eq!(world.restart(), Err(Status::RollbackDetected));
}

#[test]
fn nothing_is_served_after_a_failed_write_until_the_store_is_reopened() {
    for at in 0..2 {
        for fault in [Fault::Before, Fault::After, Fault::Refused] {
            let mut world = World::ready();
            let counter = world.next_counter();
            let command = authorize(&world, counter);
            world.device.fail_after(at, fault);
            let failed = [Status::StorageFailed, Status::CounterFailed][usize::try_from(at).unwrap()];
            assert_eq!(world.call(&command), Err(failed));
            if fault != Fault::Refused {
                // The platform is still dead: no answers, not even to commands that need no record.
                assert!(world.call(&Hello).unwrap_err().is_failure());
                assert!(world.call(&command).unwrap_err().is_failure());
                world.device.revive();
            }
            let took_effect = signers(&mut world).contains(&newcomer().address());
            assert_eq!(took_effect, at == 1 || fault == Fault::After);
            let repeated = if took_effect { Err(Status::CounterMismatch) } else { Ok(()) };
            assert_eq!(world.call(&command), repeated);
            assert_eq!(world.next_counter(), counter + 1);
        }
    }
}

#[test]
fn a_core_killed_while_opening_opens_the_next_time_with_everything() {
    let mut world = World::ready();
    let before = world.state();
    for at in 0..2 {
        for fault in [Fault::Before, Fault::After, Fault::Refused] {
            world.device.fail_after(at, fault);
            assert!(world::open(&world.device, ta::memory::SeededEntropy::new([1; 32])).is_err());
            world.restart().unwrap();
            assert_eq!(world.state(), before);
        }
    }
}

#[test]
pub fn an_admin_s_signature_stays_valid_over_a_restart() {
    let mut world = World::ready();
    let command = world.revocation(world.relay.address());
    let command = signed(command, &world.admin);
    world.restart().unwrap();
    world.restart().unwrap();
    assert_eq!(world.call(&command), Ok(()));
}
