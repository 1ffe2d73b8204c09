//! Several deployments on one chain: none holds another up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use paymaster_relay::store::Store;
use serde_json::Value;

use super::{
    LOGS, V07_ENTRY_POINT, asks_for_block_below, behind_a_node_with_deployments_of_v08_and_v07,
    behind_a_node_with_two_deployments, has_no_logs, is_pruned, keeps_logs_from_block_90, next_block, sponsored,
};
use crate::support::Fault;

#[tokio::test]
async fn a_node_that_keeps_no_old_logs_holds_no_deployment_up_for_good() {
    let (world, node) = behind_a_node_with_two_deployments().await;
    world.relay.settler.settle().await.unwrap();
    world.anvil.mine(120).await.unwrap();
    node.fail(Fault::Rewrites(keeps_logs_from_block_90));
    let mut rounds = 1;
    while world.relay.settler.settle().await.is_err() {
        rounds += 1;
        assert!(rounds < 30);
    }
    assert!(rounds >= 10);
    let next = world.store.next_blocks(31337).await.unwrap();
    assert!(next.len() == 2 && next.iter().all(|(_, next)| *next > 100), "{next:?}");
}

fn has_no_logs_of_v07(question: &Value, answer: &mut Value) {
    let address = question["params"][0]["address"].as_str().unwrap_or_default();
    if question["method"] == LOGS && address.eq_ignore_ascii_case(V07_ENTRY_POINT) {
        has_no_logs(question, answer);
    }
}

#[tokio::test]
async fn a_deployment_that_cannot_be_settled_holds_no_other_up() {
    let (world, node) = behind_a_node_with_two_deployments().await;
    world.relay.settler.settle().await.unwrap();
    let before = world.store.next_blocks(31337).await.unwrap();
    world.anvil.mine(10).await.unwrap();
    node.fail(Fault::Rewrites(has_no_logs_of_v07));
    world.relay.settler.settle().await.unwrap_err();
    let moved = async || {
        let after = world.store.next_blocks(31337).await.unwrap();
        after.iter().filter(|cursor| !before.contains(cursor)).count()
    };
    assert_eq!(moved().await, 1);
    node.fail(Fault::None);
    world.relay.settler.settle().await.unwrap();
    assert_eq!(moved().await, 2);
}

#[tokio::test]
async fn a_deployment_whose_logs_are_refused_slows_no_other_down() {
    let (world, node) = behind_a_node_with_two_deployments().await;
    world.relay.settler.settle().await.unwrap();
    let before = world.store.next_blocks(31337).await.unwrap();
    node.fail(Fault::Rewrites(has_no_logs_of_v07));
    for round in 1..=3 {
        world.anvil.mine(50).await.unwrap();
        world.relay.settler.settle().await.unwrap_err();
        let problem = world.problem("settlement").await.unwrap();
        assert!(problem.contains(&format!("EntryPoint {V07_ENTRY_POINT}")), "{problem}");
        let after = world.store.next_blocks(31337).await.unwrap();
        let moved: Vec<_> = after.iter().filter(|cursor| !before.contains(cursor)).collect();
        assert!(moved.len() == 1 && moved[0].1 == before[0].1 + 50 * round, "{after:?}");
    }
}

fn asks_for_logs_of_v07(body: &str) -> bool {
    body.contains(LOGS) && body.contains(&V07_ENTRY_POINT.to_lowercase())
}

#[tokio::test]
async fn a_slow_refusal_of_one_deployments_logs_is_no_outage_for_another() {
    let (world, node) = behind_a_node_with_two_deployments().await;
    world.relay.settler.settle().await.unwrap();
    let before = world.store.next_blocks(31337).await.unwrap();
    world.anvil.mine(50).await.unwrap();
    // Longer than what counts as an immediate failure.
    node.fail(Fault::Limits(asks_for_logs_of_v07, Duration::from_millis(400)));
    world.relay.settler.settle().await.unwrap_err();
    let after = world.store.next_blocks(31337).await.unwrap();
    let moved: Vec<_> = after.iter().filter(|cursor| !before.contains(cursor)).collect();
    assert!(moved.len() == 1 && moved[0].1 == before[0].1 + 50, "{after:?}");
}

/// Blocks below this one are gone.
static OLDEST: AtomicU64 = AtomicU64::new(0);

fn has_no_old_blocks(question: &Value, answer: &mut Value) {
    if asks_for_block_below(OLDEST.load(Ordering::SeqCst), question) {
        is_pruned(question, answer);
    }
    has_no_logs_of_v07(question, answer);
}

#[tokio::test]
async fn a_deployment_whose_last_block_is_gone_keeps_nothing_reserved_at_another() {
    let (world, node) = behind_a_node_with_deployments_of_v08_and_v07().await;
    world.relay.settler.settle().await.unwrap();
    OLDEST.store(next_block(&world).await, Ordering::SeqCst);
    sponsored(&world).await;
    node.fail(Fault::Rewrites(has_no_old_blocks));
    world.pass(700).await;
    for _ in 0..2 {
        world.relay.settler.settle().await.unwrap_err();
    }
    world.relay.settler.release_unused().await.unwrap_err();
    assert_eq!(world.reserved().await, 0);
}
