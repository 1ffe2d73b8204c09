//! The relay's key: encrypted, rotated with a proof by both keys, and never lost in between.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use devkit::EntryPointVersion::V07;
use paymaster_relay::relay_key::RelayKeyError;
use proto::Permissions;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, World, open_key};

fn key_file(world: &World) -> PathBuf {
    world.dir.path().join("relay-key.json")
}

fn next_file(world: &World) -> PathBuf {
    world.dir.path().join("relay-key.next.json")
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

    fs::write(world.passphrase_file(), "another passphrase").unwrap();
    assert!(matches!(open_key(&world.settings, &world.tee), Err(RelayKeyError::Undecryptable { .. })));
    fs::write(world.passphrase_file(), "\n").unwrap();
    assert!(matches!(open_key(&world.settings, &world.tee), Err(RelayKeyError::PassphraseMissing { .. })));
    let mut none = world.settings.clone();
    none["relay_key"]["passphrase_file"] = Value::Null;
    assert!(matches!(open_key(&none, &world.tee), Err(RelayKeyError::PassphraseUnconfigured)));
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
async fn a_refused_rotation_keeps_the_old_key() {
    let world = World::new(V07).await;
    let old = world.relay_key.address().await;
    world.tee.revoke(old);
    // Without the permission to rotate itself, the trusted core wants the admin's signature too.
    world.tee.authorise(old, Permissions::SPONSOR);
    assert!(matches!(world.relay_key.rotate().await, Err(RelayKeyError::NotAccepted(_))));
    assert_eq!(world.relay_key.address().await, old);
    assert!(!next_file(&world).exists());
    assert!(!world.relay_key.is_unresolved());
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

/// Both keys at once in the hands of a rotation that broke off: the old file, and what the next one was.
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
    assert!(world.relay_key.is_unresolved());
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
    // The next key is written before the KMS is told; here it never is.
    fs::copy(key_file(&world), next_file(&world)).unwrap();
    fs::remove_file(key_file(&world)).unwrap();
    let stranger = open_key(&world.settings, &world.tee).unwrap().address().await;
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
async fn a_rotation_waits_for_signatures_under_way_and_loses_none() {
    let world = World::new(V07).await;
    let lease = world.relay_key.lease().await;
    let (key, old) = (world.relay_key.clone(), lease.address());
    let rotation = tokio::spawn(async move { key.rotate().await });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!rotation.is_finished() && world.tee.authorises(old));
    drop(lease);
    assert_eq!(rotation.await.unwrap().unwrap(), world.relay_key.address().await);
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
}
