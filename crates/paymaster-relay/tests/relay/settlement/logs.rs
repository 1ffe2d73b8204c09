//! Logs: how many blocks are queried at once, and nodes that lag, refuse or have none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use paymaster_relay::RelayError;
use serde_json::{Value, json};

use super::{
    LOGS, allows_ten_blocks, behind_a_node, block_number, blocks_behind, costs, has_no_block_below_90, has_no_logs,
    keeps_logs_from_block_90, mine, next_block, sponsored, states,
};
use crate::support::{ACCOUNT, Fault};

#[tokio::test]
async fn a_node_that_allows_few_blocks_in_one_question_is_asked_for_few() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    mine(&world, &answer).await;
    world.anvil.mine(40).await.unwrap();
    node.fail(Fault::Rewrites(allows_ten_blocks));
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(states(&world).await[0].0, "settled");
    assert_eq!((world.problem("settlement").await, blocks_behind(&world)), (None, 0.0));
}

#[tokio::test]
async fn settlement_that_fails_is_named_and_measured_until_it_works() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    assert_eq!(world.problem("settlement").await, None);
    world.anvil.mine(7).await.unwrap();
    node.fail(Fault::Rewrites(has_no_logs));
    world.relay.settler.settle().await.unwrap_err();
    let problem = world.problem("settlement").await.unwrap();
    assert!(problem.contains("-32601") && problem.contains("the method is disabled"), "{problem}");
    assert_eq!(blocks_behind(&world), 7.0);
    node.fail(Fault::None);
    world.relay.settler.settle().await.unwrap();
    assert_eq!((world.problem("settlement").await, blocks_behind(&world)), (None, 0.0));
}

#[tokio::test]
async fn blocks_of_a_long_absence_are_read_in_several_rounds_and_none_is_left_out() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    world.anvil.mine(200).await.unwrap();
    mine(&world, &answer).await;
    world.anvil.mine(1).await.unwrap();
    node.fail(Fault::Rewrites(allows_ten_blocks));

    let (mut settled, mut rounds) = (0, 0);
    while settled == 0 {
        let asked_before = node.asked(LOGS).len();
        settled = world.relay.settler.settle().await.unwrap();
        rounds += 1;
        // 16, and what finds out at the reread blocks how many the node takes.
        let asked = node.asked(LOGS).len() - asked_before;
        assert!(asked <= 32 && rounds < 20, "{asked}");
        assert_eq!(world.problem("settlement").await.is_some(), settled == 0);
    }
    assert!(rounds > 1);
    assert_eq!(states(&world).await[0].0, "settled");
}

#[tokio::test]
async fn blocks_whose_logs_the_node_does_not_have_yet_are_not_read_and_nothing_in_them_is_released() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let (op, other) = (dapp.first_op(0), dapp.first_op(1));
    let options = json!({ "idempotencyKey": "order-1" });
    let passkey = world.approval(&mut dapp, &op).await;
    let answer = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey, options])).await.unwrap();
    let has = next_block(&world).await - 1;
    node.fail(Fault::LogsUpTo(has));
    mine(&world, &answer).await;
    world.anvil.mine(20).await.unwrap();
    world.pass(700).await;
    world.anvil.mine(20).await.unwrap();
    for _ in 0..2 {
        world.relay.settler.settle().await.unwrap_err();
        assert_eq!(next_block(&world).await, has + 1);
        assert_eq!(world.try_to_release().await.unwrap(), 0);
        let problem = world.problem("settlement").await.unwrap();
        assert!(problem.contains("logs lag"), "{problem}");
    }
    let passkey = world.approval(&mut dapp, &other).await;
    let params = json!([other, ACCOUNT, passkey, options]);
    let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
    refusal.assert_is(-32602, "idempotency_conflict", true);

    // The backend partially catches up: the available blocks are read.
    node.fail(Fault::LogsUpTo(has + 15));
    world.relay.settler.settle().await.unwrap_err();
    assert_eq!(states(&world).await[0].0, "settled");
    assert!((has + 2..=has + 16).contains(&next_block(&world).await));
    node.fail(Fault::None);
    world.relay.settler.settle().await.unwrap();
    assert_eq!(world.problem("settlement").await, None);
}

#[tokio::test]
async fn logs_that_lag_by_no_more_than_the_confirmations_are_no_problem() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    mine(&world, &answer).await;
    world.anvil.mine(2).await.unwrap();
    let has = next_block(&world).await + 1;
    node.fail(Fault::LogsUpTo(has));
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(next_block(&world).await, has + 1);
    assert_eq!((world.problem("settlement").await, blocks_behind(&world)), (None, 1.0));
}

#[tokio::test]
async fn an_operation_mined_before_the_node_gave_any_logs_is_settled() {
    let (world, node) = behind_a_node().await;
    node.fail(Fault::Rewrites(has_no_logs));
    world.relay.settler.settle().await.unwrap_err();
    let answer = sponsored(&world).await;
    mine(&world, &answer).await;
    world.anvil.mine(20).await.unwrap();
    world.relay.settler.settle().await.unwrap_err();
    node.fail(Fault::None);
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(states(&world).await[0].0, "settled");
}

fn tells_of_logs_of_other_blocks(question: &Value, answer: &mut Value) {
    if question["method"] == LOGS {
        for log in answer["result"].as_array_mut().unwrap() {
            log["blockNumber"] = json!("0x8000000000000001");
        }
    }
}

fn asks_for_logs(body: &str) -> bool {
    body.contains(LOGS)
}

/// One query of logs in five.
fn is_refused(body: &str) -> bool {
    static QUERIES: AtomicUsize = AtomicUsize::new(1);
    asks_for_logs(body) && QUERIES.fetch_add(1, Ordering::SeqCst).is_multiple_of(5)
}

fn refuses_some_queries(question: &Value, answer: &mut Value) {
    if question["method"] == LOGS && is_refused(LOGS) {
        has_no_logs(question, answer);
    }
}

#[tokio::test]
async fn a_node_that_refuses_some_queries_holds_no_settlement_up() {
    for (all, some) in [
        (Fault::Rewrites(has_no_logs), Fault::Rewrites(refuses_some_queries)),
        (Fault::Limits(asks_for_logs, Duration::ZERO), Fault::Limits(is_refused, Duration::ZERO)),
    ] {
        let (world, node) = behind_a_node().await;
        world.relay.settler.settle().await.unwrap();
        world.anvil.mine(50).await.unwrap();
        node.fail(all);
        for _ in 0..2 {
            world.relay.settler.settle().await.unwrap_err();
        }
        node.fail(some);
        for _ in 0..4 {
            world.anvil.mine(10).await.unwrap();
            let _ = world.relay.settler.settle().await;
        }
        world.relay.settler.settle().await.unwrap();
        assert_eq!((world.problem("settlement").await, blocks_behind(&world)), (None, 0.0));
    }
}

#[tokio::test]
async fn refusals_that_are_not_about_the_number_of_blocks_leave_it_as_it_was() {
    for fault in [Fault::Limits(asks_for_logs, Duration::ZERO), Fault::Rewrites(has_no_logs)] {
        let (world, node) = behind_a_node().await;
        world.relay.settler.settle().await.unwrap();
        world.anvil.mine(50).await.unwrap();
        node.fail(fault);
        for _ in 0..2 {
            world.relay.settler.settle().await.unwrap_err();
        }
        node.fail(Fault::None);
        let before = node.asked(LOGS).len();
        world.relay.settler.settle().await.unwrap();
        assert_eq!((node.asked(LOGS).len() - before, blocks_behind(&world)), (1, 0.0));
    }
}

/// Those of blocks below the number 90.
fn asks_for_old_logs(body: &str) -> bool {
    let calls: Vec<Value> = serde_json::from_str(body).unwrap_or_default();
    let is_old = |call: &Value| block_number(&call["params"][0]["fromBlock"]).is_some_and(|from| from < 90);
    calls.iter().any(|call| call["method"] == LOGS && is_old(call))
}

#[tokio::test]
async fn a_node_that_fails_slowly_for_old_logs_holds_settlement_up_for_some_rounds_only() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    world.anvil.mine(120).await.unwrap();
    // Longer than a quarter of the time that a node has.
    node.fail(Fault::Fails(asks_for_old_logs, Duration::from_millis(800)));
    let mut rounds = 1;
    while world.relay.settler.settle().await.is_err() {
        rounds += 1;
        assert!(rounds < 40, "{:?}", world.problem("settlement").await);
    }
    assert!(rounds >= 10, "{rounds}");
    assert_eq!((world.problem("settlement").await, blocks_behind(&world)), (None, 0.0));
}

#[tokio::test]
async fn a_log_of_a_block_that_was_not_asked_for_is_the_nodes_fault() {
    let (world, node) = behind_a_node().await;
    let answer = sponsored(&world).await;
    mine(&world, &answer).await;
    node.fail(Fault::Rewrites(tells_of_logs_of_other_blocks));
    let error = world.relay.settler.settle().await.unwrap_err();
    assert!(matches!(error, RelayError::ChainUnavailable { .. }), "{error:?}");
    assert!(world.problem("settlement").await.unwrap().contains("a log of block 9223372036854775809"));
    node.fail(Fault::None);
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
}

#[tokio::test]
async fn a_node_that_keeps_no_old_logs_holds_settlement_up_for_some_rounds_only() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let (op, unsent) = (dapp.first_op(0), dapp.first_op(1));
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    world.sponsor(&mut dapp, &unsent).await.unwrap();
    mine(&world, &answer).await;
    world.anvil.mine(90).await.unwrap();
    world.pass(700).await;
    node.fail(Fault::Rewrites(keeps_logs_from_block_90));
    for _ in 0..9 {
        world.relay.settler.settle().await.unwrap_err();
        assert!(world.problem("settlement").await.unwrap().contains("4444"));
        assert_eq!(world.try_to_release().await.unwrap(), 0);
    }
    assert_eq!(world.relay.settler.settle().await.unwrap(), 0);
    assert_eq!(world.problem("settlement").await, None);
    // What used the nonce is looked up in the same blocks, and these may only be refused for now.
    for released in [1, 0, 0, 0, 0, 0, 0, 0, 0, 0] {
        assert_eq!(world.relay.settler.release_unused().await.unwrap(), released);
        world.relay.settler.release_used().await.unwrap_err();
        assert_ne!(states(&world).await[0].0, "settled");
    }
    assert_eq!(world.try_to_release().await.unwrap(), 0);
    let states: Vec<_> = states(&world).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!((states, costs(&world).await[0].1), (vec!["settled".to_owned(), "released".to_owned()], true));
}

#[tokio::test]
async fn a_node_that_answers_null_for_old_blocks_holds_settlement_up_for_some_rounds_only() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    world.anvil.mine(120).await.unwrap();
    node.fail(Fault::Rewrites(has_no_block_below_90));
    let mut rounds = 1;
    while world.relay.settler.settle().await.is_err() {
        rounds += 1;
        assert!(rounds < 30, "{:?}", world.problem("settlement").await);
    }
    assert!(rounds >= 10, "{rounds}");
    assert_eq!(blocks_behind(&world), 0.0);
}
