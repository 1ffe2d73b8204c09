//! Refusals by the KMS to a relay that calls it over HTTP: an unknown key, a used nonce, a wrong
//! time.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{Approval, Key, Setup, TeeAccount, World};

const RELAY: u8 = 0x71;
const STRANGER: u8 = 0x72;

#[tokio::test]
async fn a_request_that_was_seen_before_is_refused() {
    let world = with_a_relay_of_our_own().await;
    let mut account = TeeAccount::create(&world).await;
    let approval = Approval::of(&world, &mut account, 1).await;
    let answer = approval.send(&world, &Key::new(RELAY)).await.unwrap();
    assert_eq!(answer["success"], true);

    let refusal = approval.send(&world, &Key::new(RELAY)).await.unwrap_err();

    refusal.is_final(401, "nonce_replayed");
}

#[tokio::test]
async fn a_request_seen_before_is_refused_after_a_restart_too() {
    let mut world = with_a_relay_of_our_own().await;
    let mut account = TeeAccount::create(&world).await;
    let approval = Approval::of(&world, &mut account, 1).await;
    approval.send(&world, &Key::new(RELAY)).await.unwrap();

    world.node.kill().await;
    world.restart().await;

    approval.send(&world, &Key::new(RELAY)).await.unwrap_err().is_final(401, "nonce_replayed");
}

#[tokio::test]
async fn a_relay_key_that_is_not_authorised_is_refused() {
    let world = with_a_relay_of_our_own().await;
    let mut account = TeeAccount::create(&world).await;
    let approval = Approval::of(&world, &mut account, 1).await;

    let refusal = approval.send(&world, &Key::new(STRANGER)).await.unwrap_err();

    refusal.is_final(403, "signer_not_authorised");
    assert!(approval.send(&world, &Key::new(RELAY)).await.is_ok());
}

#[tokio::test]
async fn a_request_of_another_time_is_refused_for_good_or_until_its_time_comes() {
    let world = with_a_relay_of_our_own().await;
    let mut account = TeeAccount::create(&world).await;
    let mut approval = Approval::of(&world, &mut account, 1).await;
    let now = approval.timestamp;

    approval.timestamp = now - 310;
    approval.send(&world, &Key::new(RELAY)).await.unwrap_err().is_final(401, "timestamp_skewed");
    // An hour, since a busy machine may be slow to send it.
    approval.timestamp = now + 3600;
    approval.send(&world, &Key::new(RELAY)).await.unwrap_err().is_retryable(401, "timestamp_skewed");
}

#[tokio::test]
async fn every_decision_about_an_authorised_relay_is_recorded_and_unknown_callers_add_no_audit_rows() {
    let world = with_a_relay_of_our_own().await;
    let mut account = TeeAccount::create(&world).await;
    let approval = Approval::of(&world, &mut account, 1).await;
    let before = world.kms().decisions().await;

    approval.send(&world, &Key::new(STRANGER)).await.unwrap_err();
    assert_eq!(world.kms().decisions().await, before);
    approval.send(&world, &Key::new(RELAY)).await.unwrap();
    approval.send(&world, &Key::new(RELAY)).await.unwrap_err();

    assert_eq!(world.kms().decisions().await, before + 2);
}

async fn with_a_relay_of_our_own() -> World {
    let admitted = |configuration: &mut Value| {
        configuration["bootstrap"]["relay_signers"] = json!([Key::new(RELAY).address()]);
    };
    Setup::of(V07).configure(admitted).start().await
}
