//! The relay's key: encrypted, rotated with a proof by both keys, and never lost in between.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use alloy_signer_local::PrivateKeySigner;
use devkit::EntryPointVersion::V07;
use futures_util::FutureExt;
use paymaster_relay::relay_key::{OpenRotation, RelayKey, RelayKeyError, passphrase};
use paymaster_relay::settings::{RelayKeySettings, Settings};
use proto::signers::AuthorisedSigner;
use proto::{Address, Permissions};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Fault, Node, World, open_key, until};

fn key_file(world: &World) -> PathBuf {
    world.dir.path().join("relay-key.json")
}

fn next_file(world: &World) -> PathBuf {
    world.dir.path().join("relay-key.next.json")
}

/// Settings for a copy of the key's file, which no node uses.
fn copied(world: &World) -> Value {
    let copy = world.dir.path().join("copy.json");
    fs::copy(key_file(world), &copy).unwrap();
    let mut settings = world.settings.clone();
    settings["relay_key"]["file"] = json!(copy);
    settings
}

/// Whoever has the key rotates the record to another one.
async fn stolen(world: &World) -> Address {
    open_key(&copied(world), &world.tee).unwrap().rotate().await.unwrap()
}

#[tokio::test]
async fn a_key_that_somebody_else_replaced_is_named_and_not_to_be_authorised_again() {
    let world = World::new(V07).await;
    for rotates_first in [false, true] {
        if rotates_first {
            let key = world.relay_key.address().await;
            world.tee.authorise(key, Permissions::SPONSOR | Permissions::ROTATE);
            world.relay_key.rotate().await.unwrap();
        }
        // A relay that never saw its record knows the address that was authorised only.
        assert_eq!(world.problem("relay_key").await, None);
        let (own, thief) = (world.relay_key.address().await, stolen(&world).await);
        let record = record_with(&world, thief);
        let AuthorisedSigner { record: number, authorised_as, .. } = record;
        let problem = world.problem("relay_key").await.unwrap();
        // The thief may rotate again before the command arrives.
        for words in [format!("revoke {authorised_as} --record {number},"), format!("not {own} again")] {
            assert!(problem.contains(&words), "{problem}");
        }
        world.tee.revoke(thief);
        let problem = world.problem("relay_key").await.unwrap();
        let revoked =
            format!("record {number} of the TEE, which had the relay key {own}, was revoked. If that key was stolen");
        assert!(problem.starts_with(&revoked) && problem.ends_with(&format!("authorize {own}")), "{problem}");
    }
}

#[tokio::test]
async fn a_key_that_somebody_else_replaces_during_its_own_rotation_is_named_too() {
    let world = World::new(V07).await;
    assert_eq!(world.problem("relay_key").await, None);
    // The rotation has read the record, and waits.
    let lease = world.relay_key.lease().await;
    let (key, own) = (world.relay_key.clone(), lease.address());
    let rotation = tokio::spawn(async move { key.rotate().await });
    until(async || next_file(&world).exists()).await;
    let thief = stolen(&world).await;
    drop(lease);
    assert!(matches!(rotation.await.unwrap(), Err(RelayKeyError::Unresolved(_))));

    let replaced = format!("another key was put in place of {own}: {thief}");
    let problem = world.problem("relay_key").await.unwrap();
    assert!(problem.contains(&replaced), "{problem}");
    let world = world.restarted().await;
    let problem = world.problem("relay_key").await.unwrap();
    assert!(problem.contains("a rotation of it is not over"), "{problem}");
    assert!(world.relay_key.resolve().await.is_err());
    let problem = world.problem("relay_key").await.unwrap();
    assert!(problem.contains(&replaced), "{problem}");
}

#[tokio::test]
async fn a_rotation_while_the_status_waits_for_the_chain_is_no_theft() {
    let mut node = None;
    let world = World::with(V07, 10u128.pow(18), |settings| node = Some(Node::within(settings))).await;
    let (node, own) = (node.unwrap(), world.relay_key.address().await);
    node.fail(Fault::Slow("eth_", Duration::from_secs(5)));
    let rotation = async {
        until(async || !node.asked("eth_").is_empty()).await;
        world.relay_key.rotate().await.unwrap()
    };
    let (status, next) = tokio::join!(world.relay.readiness.status(), rotation);
    let checked = status.iter().find(|check| check.name == "relay_key").unwrap();
    assert!(checked.problem.is_none() && next != own, "{checked:?}");
}

fn record_with(world: &World, key: Address) -> AuthorisedSigner {
    let provisioned = world.tee.state().provisioned.unwrap();
    *provisioned.signers.iter().find(|record| record.address == key).unwrap()
}

#[tokio::test]
async fn a_restart_does_not_forget_in_which_record_a_rotated_key_was() {
    let world = World::new(V07).await;
    let own = world.relay_key.rotate().await.unwrap();
    let world = world.restarted().await;
    let number = record_with(&world, own).record;
    let thief = stolen(&world).await;
    let problem = world.problem("relay_key").await.unwrap();
    assert!(problem.contains(&format!("not {own} again")), "{problem}");
    world.tee.revoke(thief);
    let problem = world.problem("relay_key").await.unwrap();
    assert!(problem.starts_with(&format!("record {number} of the TEE")), "{problem}");
    // Other programs still read the file.
    let mut keystore: Value = serde_json::from_slice(&fs::read(key_file(&world)).unwrap()).unwrap();
    assert_eq!(keystore["superRelay"].take(), json!({ "teeId": world.tee.state().tee_id, "record": number }));
    PrivateKeySigner::decrypt_keystore(key_file(&world), "a passphrase").unwrap();
}

async fn sponsors(world: &World, nonce_key: u64) -> bool {
    let mut dapp = world.dapp(&format!("account-{nonce_key}")).await;
    let op = dapp.first_op(nonce_key);
    world.sponsor(&mut dapp, &op).await.is_ok()
}

#[tokio::test]
async fn the_key_file_cannot_be_read_without_the_passphrase_nor_by_others() {
    let world = World::new(V07).await;
    let file = key_file(&world);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let keystore: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!((&keystore["version"], &keystore["crypto"]["kdf"]), (&json!(3), &json!("scrypt")));

    let copy = copied(&world);
    fs::write(world.passphrase_file(), "another passphrase").unwrap();
    assert!(matches!(open_key(&copy, &world.tee), Err(RelayKeyError::Undecryptable { .. })));
    fs::write(world.passphrase_file(), "\n").unwrap();
    assert!(matches!(open_key(&world.settings, &world.tee), Err(RelayKeyError::PassphraseMissing { .. })));
    let mut none = world.settings.clone();
    none["relay_key"]["passphrase_file"] = Value::Null;
    assert!(matches!(open_key(&none, &world.tee), Err(RelayKeyError::PassphraseUnconfigured)));
}

#[tokio::test]
async fn concurrent_creations_of_the_first_key_all_return_the_one_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (file, secret) = (dir.path().join("new/relay-key.json"), dir.path().join("passphrase"));
    fs::write(&secret, "a passphrase").unwrap();
    let settings = RelayKeySettings {
        file: file.clone(),
        passphrase_env: None,
        passphrase_file: Some(secret),
        rotation_interval_seconds: 0,
    };
    let address = || RelayKey::address_on_disk(&settings, passphrase(&settings).unwrap()).unwrap();
    let made = std::thread::scope(|scope| [(); 3].map(|()| scope.spawn(address)).map(|one| one.join().unwrap()));
    assert_eq!(made, [address(); 3]);
    let left: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [file]);
}

#[tokio::test]
async fn a_key_file_that_is_a_link_to_nothing_is_refused_and_left_alone() {
    let world = World::new(V07).await;
    let copy = copied(&world);
    let (file, nothing) =
        (PathBuf::from(copy["relay_key"]["file"].as_str().unwrap()), world.dir.path().join("nothing"));
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&nothing, &file).unwrap();
    let settings: RelayKeySettings = serde_json::from_value(copy["relay_key"].clone()).unwrap();
    let secret = || passphrase(&settings).unwrap();
    for refused in [
        open_key(&copy, &world.tee).map(drop),
        RelayKey::address_on_disk(&settings, secret()).map(drop),
        RelayKey::look_at(&settings, secret(), world.tee.clone()).map(drop),
    ] {
        let problem = refused.unwrap_err();
        assert!(matches!(problem, RelayKeyError::Inaccessible(_)), "{problem}");
        let words = problem.to_string();
        assert!(words.contains("copy.json") && words.contains("symbolic link"), "{words}");
    }
    assert!(!nothing.exists() && fs::read_link(&file).unwrap() == nothing);
}

#[tokio::test]
async fn a_second_node_with_the_same_key_file_is_refused_until_the_first_has_stopped() {
    let world = World::new(V07).await;
    assert!(matches!(open_key(&world.settings, &world.tee), Err(RelayKeyError::InUse { .. })));
    assert!(open_key(&copied(&world), &world.tee).is_ok());
    let world = world.restarted().await;
    world.relay_key.rotate().await.unwrap();
    assert!(matches!(open_key(&world.settings, &world.tee), Err(RelayKeyError::InUse { .. })));
}

/// N, r and p of scrypt.
fn cost(file: &PathBuf) -> [u64; 3] {
    let keystore: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    ["n", "r", "p"].map(|name| keystore["crypto"]["kdfparams"][name].as_u64().unwrap())
}

/// What `geth account new` writes.
const STANDARD: [u64; 3] = [1 << 18, 8, 1];

#[tokio::test]
async fn a_new_key_file_costs_as_much_as_geths_and_other_tools_open_it() {
    let world = World::new(V07).await;
    let file = world.dir.path().join("new-key.json");
    let mut settings = world.settings.clone();
    settings["relay_key"]["file"] = json!(file);
    let made = open_key(&settings, &world.tee).unwrap().address().await;
    assert_eq!(cost(&file), STANDARD);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let opened = PrivateKeySigner::decrypt_keystore(&file, "a passphrase").unwrap();
    assert_eq!(opened.address().into_array(), made.0);
}

/// Files of an earlier version, with alloy's cost: a thirty-second.
#[tokio::test]
async fn an_older_key_file_opens_and_the_next_rotation_writes_one_of_the_standard_cost() {
    let world = World::new(V07).await;
    assert_ne!(cost(&key_file(&world)), STANDARD);
    let file = key_file(&world);
    let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(key_file(&world), fs::Permissions::from_mode(0o644)).unwrap();
    let old = world.relay_key.address().await;
    let world = world.restarted().await;
    assert_eq!((world.relay_key.address().await, mode()), (old, 0o600));

    world.relay_key.rotate().await.unwrap();
    assert_eq!((cost(&key_file(&world)), mode()), (STANDARD, 0o600));
}

#[tokio::test]
async fn the_database_is_of_its_owner_alone_whatever_it_was_before() {
    let mut world = World::new(V07).await;
    let files = ["relay.db", "relay.db-wal", "relay.db-shm"].map(|name| world.dir.path().join(name));
    let modes = || files.each_ref().map(|file| fs::metadata(file).unwrap().permissions().mode() & 0o777);
    assert_eq!(modes(), [0o600; 3]);
    world.stop().await;
    fs::set_permissions(&files[0], fs::Permissions::from_mode(0o644)).unwrap();
    let _world = world.started_again().await;
    assert_eq!(modes(), [0o600; 3]);
}

#[tokio::test]
async fn a_rotated_key_takes_over_with_the_same_permissions_and_survives_a_restart() {
    let world = World::new(V07).await;
    let old = world.relay_key.address().await;
    let new = world.relay_key.rotate().await.unwrap();
    assert_ne!(old, new);
    assert!(world.tee.authorises(new) && !world.tee.authorises(old));
    assert!(sponsors(&world, 1).await);

    let world = world.restarted().await;
    assert_eq!(world.relay_key.address().await, new);
    assert!(!next_file(&world).exists());
    assert!(sponsors(&world, 2).await);
}

#[tokio::test]
async fn a_key_made_by_a_clock_that_was_years_ahead_is_due_at_once() {
    let mut world = World::with(V07, 10u128.pow(18), |settings| {
        settings["relay_key"]["rotation_interval_seconds"] = json!(3600);
    })
    .await;
    for (ahead, is_due) in [(30, false), (315_000_000, true)] {
        let file = fs::File::options().write(true).open(key_file(&world)).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(ahead)).unwrap();
        world = world.restarted().await;
        assert_eq!(world.relay_key.lease().await.seconds_to_rotation() == Some(0), is_due, "{ahead} s");
    }
    world.relay_key.rotate().await.unwrap();
    assert!(world.relay_key.lease().await.seconds_to_rotation().unwrap() > 3500);
}

#[tokio::test]
async fn a_refused_rotation_keeps_the_old_key() {
    let world = World::new(V07).await;
    let old = world.relay_key.address().await;
    world.tee.revoke(old);
    // Without the permission to rotate itself, the trusted core also requires the admin's
    // signature.
    world.tee.authorise(old, Permissions::SPONSOR);
    assert!(matches!(world.relay_key.rotate().await, Err(RelayKeyError::NotAccepted(_))));
    assert_eq!(world.relay_key.address().await, old);
    assert!(!next_file(&world).exists());
    assert_eq!(world.relay_key.open_rotation(), None);
    assert!(sponsors(&world, 1).await);
    assert_eq!(world.restarted().await.relay_key.address().await, old);
}

#[tokio::test]
async fn a_rotation_while_the_kms_is_down_changes_nothing() {
    let world = World::new(V07).await;
    let old = world.relay_key.address().await;
    world.tee.down.store(true, Ordering::SeqCst);
    assert!(world.relay_key.rotate().await.is_err());
    world.tee.down.store(false, Ordering::SeqCst);
    assert_eq!(world.relay_key.address().await, old);
    assert!(sponsors(&world, 1).await);
}

#[tokio::test]
async fn a_new_key_whose_file_cannot_replace_the_old_one_is_in_use_and_replaces_it_later() {
    for is_replaced_meanwhile in [false, true] {
        let world = World::new(V07).await;
        // As with a mount point, nothing can take its place.
        let aside = world.dir.path().join("aside");
        fs::rename(key_file(&world), &aside).unwrap();
        fs::create_dir(key_file(&world)).unwrap();
        let new = world.relay_key.rotate().await.unwrap();
        assert!(world.tee.authorises(new));
        assert_eq!(world.relay_key.address().await, new);
        assert_eq!(world.relay_key.open_rotation(), Some(OpenRotation::To(new)));
        assert!(matches!(world.relay_key.resolve().await, Err(RelayKeyError::File { .. })));
        assert!(sponsors(&world, 1).await);
        assert!(world.relay_key.rotate().await.is_err(), "not before the file is in its place");

        fs::remove_dir(key_file(&world)).unwrap();
        if is_replaced_meanwhile {
            fs::rename(next_file(&world), key_file(&world)).unwrap();
        }
        world.relay_key.resolve().await.unwrap();
        assert_eq!(world.relay_key.open_rotation(), None);
        assert!(!next_file(&world).exists());
        assert_eq!(world.restarted().await.relay_key.address().await, new);
    }
}

/// The state of an interrupted rotation with both keys: the old file, and the next key's former
/// file.
async fn broken_off_after_the_kms_took_the_new_key() -> (World, Vec<u8>) {
    let world = World::new(V07).await;
    let old = fs::read(key_file(&world)).unwrap();
    world.relay_key.rotate().await.unwrap();
    fs::rename(key_file(&world), next_file(&world)).unwrap();
    fs::write(key_file(&world), &old).unwrap();
    (world, old)
}

#[tokio::test]
async fn a_crash_after_the_kms_took_the_new_key_finds_it_at_the_next_start() {
    let (world, old) = broken_off_after_the_kms_took_the_new_key().await;
    let taken = world.relay_key.address().await;
    let world = world.restarted().await;
    assert_eq!(world.relay_key.open_rotation(), Some(OpenRotation::ToUnread));
    assert_ne!(world.relay_key.address().await, taken);
    world.relay_key.resolve().await.unwrap();
    assert_eq!(world.relay_key.address().await, taken);
    assert_ne!(fs::read(key_file(&world)).unwrap(), old);
    assert!(!next_file(&world).exists());
}

#[tokio::test]
async fn the_first_request_after_such_a_crash_finds_the_new_key_by_itself() {
    let (world, _) = broken_off_after_the_kms_took_the_new_key().await;
    let taken = world.relay_key.address().await;
    let world = world.restarted().await;
    assert!(sponsors(&world, 1).await);
    assert_eq!(world.relay_key.address().await, taken);
}

#[tokio::test]
async fn a_crash_before_the_kms_heard_of_the_new_key_leaves_the_old_one() {
    let world = World::new(V07).await;
    let old = world.relay_key.address().await;
    // The next key is written before the KMS learns of it; here it never does.
    fs::copy(key_file(&world), next_file(&world)).unwrap();
    fs::remove_file(key_file(&world)).unwrap();
    let settings = serde_json::from_value::<Settings>(world.settings.clone()).unwrap().relay_key;
    let stranger = RelayKey::address_on_disk(&settings, passphrase(&settings).unwrap()).unwrap();
    let (stranger_file, old_file) = (fs::read(key_file(&world)).unwrap(), fs::read(next_file(&world)).unwrap());
    fs::write(key_file(&world), old_file).unwrap();
    fs::write(next_file(&world), stranger_file).unwrap();

    let world = world.restarted().await;
    assert_eq!(world.relay_key.address().await, old);
    world.relay_key.resolve().await.unwrap();
    assert_eq!(world.relay_key.address().await, old);
    assert!(!world.tee.authorises(stranger) && !next_file(&world).exists());
    assert!(sponsors(&world, 1).await);
}

#[tokio::test]
async fn an_unanswered_rotation_keeps_both_keys_until_the_kms_can_be_asked() {
    let world = World::new(V07).await;
    let old = world.relay_key.address().await;
    world.tee.down.store(true, Ordering::SeqCst);
    fs::copy(key_file(&world), next_file(&world)).unwrap();
    assert!(matches!(world.relay_key.rotate().await, Err(RelayKeyError::Unresolved(_))));
    assert!(next_file(&world).exists() && key_file(&world).exists());
    assert_eq!(world.relay_key.address().await, old);
}

#[tokio::test]
async fn a_rotation_that_may_still_arrive_is_completed_with_the_same_key() {
    for restarts in [false, true] {
        let mut world = World::new(V07).await;
        let lease = world.relay_key.lease().await;
        let (key, old) = (world.relay_key.clone(), lease.address());
        let rotation = tokio::spawn(async move { key.rotate().await });
        until(async || next_file(&world).exists()).await;
        // The command is lost, or late.
        world.tee.down.store(true, Ordering::SeqCst);
        drop(lease);
        assert!(matches!(rotation.await.unwrap(), Err(RelayKeyError::Unresolved(_))));
        world.tee.down.store(false, Ordering::SeqCst);
        let next = fs::read(next_file(&world)).unwrap();
        if restarts {
            world = world.restarted().await;
        }
        assert!(sponsors(&world, 1).await && world.relay_key.address().await == old);
        world.relay_key.resolve().await.unwrap();
        let new = world.relay_key.address().await;
        assert!(world.tee.authorises(new) && new != old, "{restarts}");
        assert_eq!((fs::read(key_file(&world)).unwrap(), next_file(&world).exists()), (next, false));
        assert!(sponsors(&world, 2).await);
    }
}

#[tokio::test]
async fn a_rotation_waits_for_signatures_under_way_and_loses_none() {
    let world = World::new(V07).await;
    let lease = world.relay_key.lease().await;
    let (key, old) = (world.relay_key.clone(), lease.address());
    let rotation = tokio::spawn(async move { key.rotate().await });
    // The next key, whose encryption takes a second, is made while signatures are in progress.
    until(async || next_file(&world).exists()).await;
    // Then the rotation waits, and later uses of the key wait behind it.
    until(async || world.relay_key.lease().now_or_never().is_none()).await;
    assert!(!rotation.is_finished() && world.tee.authorises(old));
    drop(lease);
    assert_eq!(rotation.await.unwrap().unwrap(), world.relay_key.address().await);
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
}
