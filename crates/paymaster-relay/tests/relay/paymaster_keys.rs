//! The TEE's paymaster key is rotated: operations signed by a retired key are signed again under
//! the same reservation.

use std::sync::atomic::Ordering;

use devkit::EntryPointVersion::V07;
use devkit::TeeSigner;
use paymaster_relay::ports::Clock as _;
use proto::Address;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, World};

/// Longer than the KMS's report of its keys is cached.
const STALE: u64 = 31;

fn eth(address: Address) -> alloy_primitives::Address {
    alloy_primitives::Address::new(address.0)
}

async fn admit(world: &World, signer: Address) {
    let (measurement, tee_id) = ([1; 32].into(), [2; 32].into());
    let signer = TeeSigner { address: eth(signer), measurement, tee_id };
    world.paymaster.admit_signer(&signer).await.unwrap();
}

/// A request of an account as sent, and its answer.
async fn sponsored(world: &World, nonce_key: u64) -> (Value, Value) {
    let mut dapp = world.dapp(&format!("{ACCOUNT}-{nonce_key}")).await;
    let op = dapp.first_op(nonce_key);
    let passkey = world.approval(&mut dapp, &op).await;
    let params = json!([op, dapp.account_id, passkey]);
    let answer = again(world, &params).await;
    (params, answer)
}

async fn again(world: &World, params: &Value) -> Value {
    world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap()
}

#[tokio::test]
async fn answers_of_the_kms_from_a_clock_that_was_ahead_are_requested_again() {
    let world = World::new(V07).await;
    let right = world.clock.now();
    world.clock.advance(100);
    let (params, _) = sponsored(&world, 1).await;
    let next = world.tee.rotate_paymaster_key();
    admit(&world, next).await;
    world.clock.set(right);
    assert_eq!(again(&world, &params).await["teeDeviceId"], next.to_string());
}

#[tokio::test]
async fn a_signature_of_a_retired_key_is_replaced_under_the_same_reservation() {
    let world = World::new(V07).await;
    let (params, first) = sponsored(&world, 1).await;
    let charged = world.reserved().await;
    let next = world.tee.rotate_paymaster_key();
    admit(&world, next).await;
    // Until the relay learns of the rotation, it returns the same bytes.
    assert_eq!(again(&world, &params).await["paymasterData"], first["paymasterData"]);

    world.clock.advance(STALE);
    let second = again(&world, &params).await;
    assert_eq!(second["teeDeviceId"], next.to_string());
    assert_ne!(second["paymasterData"], first["paymasterData"]);
    assert_eq!((&second["validUntil"], &second["validAfter"]), (&first["validUntil"], &first["validAfter"]));
    assert_eq!((world.reserved().await, world.reserved_rows().await.len()), (charged, 1));
    assert_eq!(world.sponsorships(), 2);
    assert_eq!(again(&world, &params).await["paymasterData"], second["paymasterData"], "within one key the same bytes");
    assert_eq!(world.sponsorships(), 2);

    // With the old signer removed, only the new answer can be mined.
    world.paymaster.remove_signer(first["teeDeviceId"].as_str().unwrap().parse().unwrap()).await.unwrap();
    assert!(world.chain.entry_point.handle_ops(&second["userOperation"]).await.unwrap().success);
}

#[tokio::test]
async fn a_key_that_signs_is_known_for_the_rotated_one_at_once() {
    let world = World::new(V07).await;
    let (params, first) = sponsored(&world, 1).await;
    let next = world.tee.rotate_paymaster_key();
    admit(&world, next).await;
    // An answer by the new key shows that the old one is retired.
    assert_eq!(sponsored(&world, 2).await.1["teeDeviceId"], next.to_string());
    assert_ne!(again(&world, &params).await["paymasterData"], first["paymasterData"]);
}

#[tokio::test]
async fn a_key_of_nobody_we_know_stands_as_long_as_the_contract_admits_it() {
    let world = World::new(V07).await;
    let (params, first) = sponsored(&world, 1).await;
    let old = first["teeDeviceId"].as_str().unwrap().parse().unwrap();
    let next = world.tee.rotate_paymaster_key();
    admit(&world, next).await;
    // A new process does not know the old key, which could belong to another TEE.
    let world = world.restarted().await;
    assert_eq!(again(&world, &params).await["paymasterData"], first["paymasterData"]);
    world.paymaster.remove_signer(old).await.unwrap();
    // The contract's answer is still cached.
    world.clock.advance(STALE);
    let second = again(&world, &params).await;
    assert_eq!(second["teeDeviceId"], next.to_string());
    assert_eq!(world.reserved_rows().await.len(), 1);
}

#[tokio::test]
async fn a_signature_stands_while_the_kms_does_not_answer() {
    let world = World::new(V07).await;
    let (params, first) = sponsored(&world, 1).await;
    world.tee.rotate_paymaster_key();
    world.clock.advance(STALE);
    world.tee.down.store(true, Ordering::SeqCst);
    assert_eq!(again(&world, &params).await["paymasterData"], first["paymasterData"]);
}

#[tokio::test]
async fn a_mined_operation_is_not_signed_again() {
    let world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let (params, first) = sponsored(&world, 1).await;
    assert!(world.chain.entry_point.handle_ops(&first["userOperation"]).await.unwrap().success);
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    world.tee.rotate_paymaster_key();
    world.clock.advance(STALE);
    assert_eq!(again(&world, &params).await["paymasterData"], first["paymasterData"]);
    assert_eq!(world.sponsorships(), 1);
}

#[tokio::test]
async fn a_signature_of_a_key_that_the_contract_no_longer_admits_is_refused_like_a_new_request() {
    let world = World::new(V07).await;
    let (params, first) = sponsored(&world, 1).await;
    let charged = world.reserved().await;
    let signer: alloy_primitives::Address = first["teeDeviceId"].as_str().unwrap().parse().unwrap();
    world.paymaster.remove_signer(signer).await.unwrap();
    // The contract's answer is still cached.
    assert_eq!(again(&world, &params).await["paymasterData"], first["paymasterData"]);

    world.clock.advance(STALE);
    let mut dapp = world.dapp("another").await;
    let op = dapp.first_op(2);
    let passkey = world.approval(&mut dapp, &op).await;
    let fresh = json!([op, dapp.account_id, passkey]);
    for (method, params) in [
        ("pm_sponsor_with_tee", params.clone()),
        ("pm_getSponsorshipIntent", json!([params[0], params[1]])),
        ("pm_sponsor_with_tee", fresh.clone()),
        ("pm_getSponsorshipIntent", json!([fresh[0], fresh[1]])),
    ] {
        let refused = world.client.call(method, params).await.unwrap_err();
        refused.assert_is(-32501, "paymaster_signer_not_admitted", true);
        assert!(refused.message.contains(&signer.to_string()), "{}", refused.message);
    }
    assert_eq!((world.sponsorships(), world.reserved().await), (1, charged), "nothing more was signed or reserved");

    admit(&world, signer.into()).await;
    assert_eq!(again(&world, &params).await["paymasterData"], first["paymasterData"]);
    let second = again(&world, &fresh).await;
    assert!(world.chain.entry_point.handle_ops(&second["userOperation"]).await.unwrap().success);
}

#[tokio::test]
async fn a_signature_stands_while_the_chain_does_not_answer() {
    let mut world = World::new(V07).await;
    let (params, first) = sponsored(&world, 1).await;
    world.settings["chain"]["rpc_url"] = "http://127.0.0.1:1".into();
    let world = world.restarted().await;
    assert_eq!(again(&world, &params).await["paymasterData"], first["paymasterData"]);
}

#[tokio::test]
async fn a_signature_of_a_key_that_the_contract_does_not_admit_is_not_given() {
    let world = World::new(V07).await;
    let (params, first) = sponsored(&world, 1).await;
    // Rotated before the contract admits the next key, and the relay has not learnt of it.
    let next = world.tee.rotate_paymaster_key();
    let mut dapp = world.dapp("another").await;
    let op = dapp.first_op(2);
    let passkey = world.approval(&mut dapp, &op).await;
    let fresh = json!([op, dapp.account_id, passkey]);
    let charged = world.reserved().await;
    let refused = world.client.call("pm_sponsor_with_tee", fresh.clone()).await.unwrap_err();
    refused.assert_is(-32501, "paymaster_signer_not_admitted", true);
    assert!(refused.message.contains(&next.to_string()), "{}", refused.message);
    assert_eq!(world.reserved().await, charged, "an answer that is not returned is not charged");
    admit(&world, next).await;
    assert_eq!(again(&world, &fresh).await["teeDeviceId"], next.to_string());
    assert_ne!(again(&world, &params).await["paymasterData"], first["paymasterData"]);
}
