//! Several deployments on one chain: none holds another up.

use paymaster_relay::store::Store;
use serde_json::Value;

use super::{LOGS, behind_a_node_with_two_deployments, has_no_logs, keeps_logs_from_block_90};
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
    if question["method"] == LOGS && address.eq_ignore_ascii_case("0x0000000071727De22E5E9d8BAf0edAc6f37da032") {
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
        assert!(problem.contains("EntryPoint 0x0000000071727De22E5E9d8BAf0edAc6f37da032"), "{problem}");
        let after = world.store.next_blocks(31337).await.unwrap();
        let moved: Vec<_> = after.iter().filter(|cursor| !before.contains(cursor)).collect();
        assert!(moved.len() == 1 && moved[0].1 == before[0].1 + 50 * round, "{after:?}");
    }
}
