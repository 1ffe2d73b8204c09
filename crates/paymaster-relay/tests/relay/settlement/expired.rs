//! Expired reservations whose nonce is unused.

use std::time::Duration;

use devkit::EntryPointVersion::V07;
use paymaster_relay::RelayError;
use serde_json::{Value, json};

use super::{behind_a_node, has_no_logs, mine, states};
use crate::support::{ACCOUNT, Dapp, Fault, World};

#[tokio::test]
async fn an_operation_in_unread_blocks_is_not_released_and_its_key_stays_taken() {
    let (world, node) = behind_a_node().await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let options = json!({ "idempotencyKey": "order-1" });
    let sponsor = async |dapp: &mut Dapp, op: &Value| {
        let passkey = world.approval(dapp, op).await;
        world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey, options])).await
    };
    let first = sponsor(&mut dapp, &op).await.unwrap();
    // Settlement had read nothing when it was mined, and cannot read when its window is over.
    node.fail(Fault::Rewrites(has_no_logs));
    world.relay.settler.settle().await.unwrap_err();
    mine(&world, &first).await;
    world.pass(700).await;
    assert_eq!(world.try_to_release().await.unwrap(), 0);
    let next = dapp.first_op(1);
    let refusal = sponsor(&mut dapp, &next).await.unwrap_err();
    refusal.assert_is(-32602, "idempotency_conflict", true);

    // Nor after a restart, until settlement has read.
    let mut world = world;
    world.stop().await;
    let world = world.started_again().await;
    assert_eq!(world.try_to_release().await.unwrap(), 0);
    node.fail(Fault::None);
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(world.try_to_release().await.unwrap(), 0);
    assert_eq!(states(&world).await[0].0, "settled");
    let passkey = world.approval(&mut dapp, &next).await;
    let refusal = world.client.call("pm_sponsor_with_tee", json!([next, ACCOUNT, passkey, options])).await.unwrap_err();
    refusal.assert_is(-32602, "idempotency_conflict", false);
}

#[tokio::test]
async fn reservations_of_a_deployment_that_is_no_longer_configured_are_released_too() {
    let mut world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
    world.stop().await;
    world.settings["deployments"][0]["paymaster"] = json!("0x00000000000000000000000000000000000000aa");
    let world = world.started_again().await;
    world.pass(700).await;
    assert_eq!(world.try_to_release().await.unwrap(), 1);
}

/// A sponsorship asks by four calls of contracts in one batch.
fn asks_by_more_than_four_calls(body: &str) -> bool {
    body.matches("eth_call").count() > 4
}

const TOO_MANY_CALLS: &str =
    r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"maximum 4 calls in 1 batch"}}"#;

/// `getNonce` with the key 2.
fn has_no_nonce_of_key_2(question: &Value, answer: &mut Value) {
    let input = question["params"][0]["input"].as_str().unwrap_or_default();
    if input.starts_with("0x35567e1a") && input.ends_with('2') {
        let error = json!({ "code": -32005, "message": "over the rate of compute units" });
        *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "error": error });
    }
}

/// As many sponsorships of one account, each under a nonce key of its own.
async fn unsent(world: &World, count: u64) {
    let mut dapp = world.dapp(ACCOUNT).await;
    for nonce_key in 0..count {
        let op = dapp.first_op(nonce_key);
        world.sponsor(&mut dapp, &op).await.unwrap();
    }
}

#[tokio::test]
async fn a_node_that_takes_few_calls_in_a_batch_is_asked_for_few_nonces() {
    let (world, node) = behind_a_node().await;
    node.fail(Fault::AnswersTo(asks_by_more_than_four_calls, TOO_MANY_CALLS));
    unsent(&world, 7).await;
    world.pass(700).await;
    assert_eq!(world.release_expired().await, 7);
    assert_eq!((world.reserved().await, world.problem("settlement").await), (0, None));
}

fn keeps_the_latest_state_only(question: &Value, answer: &mut Value) {
    if question["method"] == "eth_call" && question["params"][1] != "latest" {
        let error = json!({ "code": -32000, "message": "missing trie node" });
        *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "error": error });
    }
}

#[tokio::test]
async fn a_node_that_keeps_the_latest_state_only_is_asked_for_that() {
    let (world, node) = behind_a_node().await;
    unsent(&world, 3).await;
    world.pass(700).await;
    node.fail(Fault::Rewrites(keeps_the_latest_state_only));
    assert_eq!(world.release_expired().await, 3);
}

#[tokio::test]
async fn a_node_that_takes_too_long_for_many_nonces_is_asked_for_fewer() {
    let (world, node) = behind_a_node().await;
    unsent(&world, 8).await;
    world.pass(700).await;
    node.fail(Fault::SlowCalls(Duration::from_millis(500)));
    assert_eq!(world.release_expired().await, 8);
    assert_eq!(world.problem("settlement").await, None);
}

#[tokio::test]
async fn a_nonce_that_the_node_does_not_tell_keeps_its_own_reservation_only() {
    let (world, node) = behind_a_node().await;
    unsent(&world, 4).await;
    world.pass(700).await;
    node.fail(Fault::Rewrites(has_no_nonce_of_key_2));
    assert_eq!(world.release_expired().await, 3);
    // Where it tells nothing at all, operators are told.
    let error = world.try_to_release().await.unwrap_err();
    assert!(matches!(error, RelayError::ChainUnavailable { .. }), "{error:?}");
    let problem = world.problem("settlement").await.unwrap();
    assert!(problem.starts_with("expired reservations") && problem.contains("compute units"), "{problem}");
    node.fail(Fault::None);
    assert_eq!(world.release_expired().await, 1);
    assert_eq!(world.problem("settlement").await, None);
}
