//! The relay's key is replaced while requests are served.

use devkit::EntryPointVersion::V07;
use serde_json::Value;

use crate::support::{Approval, Key, Setup, Signal, TeeAccount, World, eventually, increment};

#[tokio::test]
async fn on_sighup_a_new_key_takes_over_and_the_old_one_is_turned_away() {
    let mut world = World::start(V07).await;
    let mut account = TeeAccount::create(&world).await;
    let old = Key::from_bytes(&world.relay_key());
    assert_eq!(world.kms().relay_signers().await, [text(&old)]);
    let approval = Approval::of(&world, &mut account, 1).await;
    assert!(approval.send(&world, &old).await.is_ok());

    world.node.signal(Signal::HUP);
    let new = rotated(&world, &old).await;

    let again = Approval::of(&world, &mut account, 2).await;
    again.send(&world, &old).await.unwrap_err().is_final(403, "signer_not_authorised");
    assert!(again.send(&world, &new).await.is_ok());
    let operation = account.operation(&world).await;
    let answer = account.sponsored(&world, &operation).await.unwrap();
    assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);

    world.node.kill().await;
    world.restart().await;
    assert_eq!(world.kms().relay_signers().await, [text(&new)]);
    let operation = account.operation(&world).await;
    assert!(account.sponsored(&world, &operation).await.is_ok());
}

#[tokio::test]
async fn no_request_fails_while_keys_are_rotated() {
    let often = |configuration: &mut Value| configuration["kms"]["rotation_interval_seconds"] = 1.into();
    let world = Setup::of(V07).configure(often).start().await;
    let mut account = TeeAccount::create(&world).await;
    let mut operation = account.operation(&world).await;

    for round in 0..30 {
        if round % 5 == 0 {
            world.node.signal(Signal::HUP);
        }
        account.sponsored(&world, &operation).await.unwrap();
        operation = increment(&operation, "callGasLimit");
    }

    assert_eq!(world.kms().relay_signers().await.len(), 1);
}

async fn rotated(world: &World, old: &Key) -> Key {
    eventually(async || (world.kms().relay_signers().await != [text(old)]).then_some(())).await;
    // The key's file is replaced after the KMS's answer.
    eventually(async || Some(Key::from_bytes(&world.relay_key())).filter(|key| key.address() != old.address())).await
}

fn text(key: &Key) -> String {
    key.address().to_string()
}
