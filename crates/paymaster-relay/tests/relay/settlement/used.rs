//! Expired reservations whose nonce was used.

use devkit::EntryPointVersion::V07;
use devkit::passkey::SignCounter;
use serde_json::{Value, json};

use super::{
    LOGS, allows_ten_blocks, behind_a_node, behind_a_node_with_two_deployments, costs, has_no_block_below_90,
    keeps_logs_from_block_90, mine, next_block, sponsored, states, tells_of_no_logs,
};
use crate::support::{ACCOUNT, Fault, World};

/// Another operation with the same nonce.
fn rival(op: &Value) -> Value {
    let mut other = op.clone();
    other["callGasLimit"] = json!("0x30000");
    other
}

#[tokio::test]
async fn an_operation_that_the_logs_lack_is_not_released_and_its_key_stays_taken() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let (op, next) = (dapp.first_op(0), dapp.first_op(1));
    let options = json!({ "idempotencyKey": "order-1" });
    let passkey = world.approval(&mut dapp, &op).await;
    let answer = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey, options])).await.unwrap();
    node.fail(Fault::Rewrites(tells_of_no_logs));
    mine(&world, &answer).await;
    world.pass(700).await;
    assert_eq!(world.release_expired().await, 0);
    assert_eq!((states(&world).await[0].0.as_str(), costs(&world).await[0].1), ("settled", true));
    assert_eq!(world.reserved().await, 0);

    let passkey = world.approval(&mut dapp, &next).await;
    let params = json!([next, ACCOUNT, passkey, options]);
    let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
    refusal.assert_is(-32602, "idempotency_conflict", false);
}

fn lacks_the_logs_of_the_paymaster(question: &Value, answer: &mut Value) {
    if question["params"][0]["topics"][3].is_string() {
        tells_of_no_logs(question, answer);
    }
}

#[tokio::test]
async fn an_operation_that_the_logs_of_the_paymaster_lack_is_settled_by_the_log_of_its_account() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    node.fail(Fault::Rewrites(lacks_the_logs_of_the_paymaster));
    let cost = mine(&world, &answer).await;
    world.pass(700).await;
    let read = next_block(&world).await;
    assert_eq!(world.relay.settler.settle().await.unwrap(), 0);
    assert_eq!(world.try_to_release().await.unwrap(), 0);
    let (state, settled) = states(&world).await[0].clone();
    // Rounded up from wei.
    assert!(
        state == "settled" && settled.is_some_and(|settled| (cost..=cost + 1).contains(&settled)),
        "{settled:?}, {cost}"
    );
    assert!(next_block(&world).await > read, "nothing is read again");
    assert_eq!(world.reserved().await, 0);
}

/// Those of one account are asked for by its address.
fn has_no_logs_of_accounts(question: &Value, answer: &mut Value) {
    if question["method"] == LOGS && question["params"][0]["topics"][2].is_string() {
        let error = json!({ "code": -32005, "message": "the query is too heavy" });
        *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "error": error });
    }
}

#[tokio::test]
async fn a_used_nonce_that_the_logs_do_not_explain_keeps_its_own_reservation_only() {
    let (world, node) = behind_a_node().await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let first = dapp.first_op(0);
    let second = rival(&first);
    world.sponsor(&mut dapp, &first).await.unwrap();
    let answer = world.sponsor(&mut dapp, &second).await.unwrap();
    let unsent = dapp.first_op(1);
    world.sponsor(&mut dapp, &unsent).await.unwrap();
    mine(&world, &answer).await;
    world.pass(700).await;
    node.fail(Fault::Rewrites(has_no_logs_of_accounts));
    world.relay.settler.settle().await.unwrap();
    assert_eq!(world.relay.settler.release_unused().await.unwrap(), 1);
    assert!(world.relay.settler.release_used().await.is_err());
    let problem = world.problem("settlement").await.unwrap();
    assert!(problem.starts_with("expired reservations whose nonce was used"), "{problem}");
    node.fail(Fault::None);
    assert_eq!(world.release_expired().await, 1);
    let states: Vec<_> = states(&world).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["released", "settled", "released"]);
}

fn gives_the_logs_of_one_block(question: &Value, answer: &mut Value) {
    if question["method"] == LOGS && question["params"][0]["fromBlock"] != question["params"][0]["toBlock"] {
        let error = json!({ "code": -32600, "message": "up to a 1 block range is allowed" });
        *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "error": error });
    }
}

#[tokio::test]
async fn logs_that_take_more_than_one_round_to_read_are_read_on_in_the_next() {
    let (world, node) = behind_a_node_with_two_deployments().await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let first = dapp.first_op(0);
    let second = rival(&first);
    world.sponsor(&mut dapp, &first).await.unwrap();
    world.anvil.mine(300).await.unwrap();
    world.clock.advance(300);
    let answer = world.sponsor(&mut dapp, &second).await.unwrap();
    mine(&world, &answer).await;
    world.pass(1500).await;
    world.relay.settler.settle().await.unwrap();
    node.fail(Fault::Rewrites(gives_the_logs_of_one_block));
    let mut rounds = 0;
    while world.try_to_release().await.unwrap() == 0 {
        rounds += 1;
        // More than a round reads.
        world.anvil.mine(300).await.unwrap();
        world.clock.advance(300);
        // Nothing was found used since, as after a sweep that failed.
        assert_eq!(world.relay.settler.release_used().await.unwrap(), 0);
        assert!(rounds < 5);
    }
    assert!(rounds > 0);
    let states: Vec<_> = states(&world).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["released", "settled"]);
}

/// As if the account had changed the paymaster data where the contract allows it.
fn tells_of_another_hash(question: &Value, answer: &mut Value) {
    if question["method"] == LOGS {
        for log in answer["result"].as_array_mut().unwrap() {
            log["topics"][1] = json!(format!("0x{}", "77".repeat(32)));
        }
    }
}

#[tokio::test]
async fn of_operations_with_one_nonce_one_at_most_is_booked_at_a_cost() {
    let same_cost = |cost: i64| move |booked: i64| booked == cost || booked == cost + 1;
    for (fault, is_known) in
        [(Fault::Rewrites(tells_of_no_logs), false), (Fault::Rewrites(tells_of_another_hash), true)]
    {
        let (world, node) = behind_a_node().await;
        world.relay.settler.settle().await.unwrap();
        let mut dapp = world.dapp(ACCOUNT).await;
        let first = dapp.first_op(0);
        let second = rival(&first);
        let answer = world.sponsor(&mut dapp, &first).await.unwrap();
        world.sponsor(&mut dapp, &second).await.unwrap();
        node.fail(fault);
        let cost = mine(&world, &answer).await;
        world.pass(700).await;
        assert_eq!(world.release_expired().await, 0);
        let costs = costs(&world).await;
        let booked: Vec<_> = costs.iter().map(|(cost, _)| cost.unwrap()).filter(|cost| *cost > 0).collect();
        assert_eq!(booked.len(), 1, "{costs:?}");
        let is_worst_case = costs.iter().any(|(_, is_worst_case)| *is_worst_case);
        assert_eq!((is_worst_case, same_cost(cost)(booked[0])), (!is_known, is_known), "{costs:?}");
        assert_eq!(world.reserved().await, 0);
    }
}

#[tokio::test]
async fn an_operation_replaced_by_another_with_its_nonce_is_released() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let first = dapp.first_op(0);
    let second = rival(&first);
    world.sponsor(&mut dapp, &first).await.unwrap();
    let answer = world.sponsor(&mut dapp, &second).await.unwrap();
    mine(&world, &answer).await;
    world.pass(700).await;
    assert_eq!(world.release_expired().await, 1);
    let states: Vec<_> = states(&world).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["released", "settled"]);
}

#[tokio::test]
async fn a_replaced_operation_is_released_though_the_logs_lag_by_the_confirmations() {
    let (world, node) = behind_a_node().await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let first = dapp.first_op(0);
    let second = rival(&first);
    world.sponsor(&mut dapp, &first).await.unwrap();
    let answer = world.sponsor(&mut dapp, &second).await.unwrap();
    mine(&world, &answer).await;
    world.pass(700).await;
    world.relay.settler.settle().await.unwrap();
    node.fail(Fault::LogsUpTo(next_block(&world).await - 1));
    world.anvil.mine(1).await.unwrap();
    assert_eq!(world.release_expired().await, 1);
}

/// As a backend does that does not have the account's first operation yet.
fn lags_behind_the_account(question: &Value, answer: &mut Value) {
    let input = question["params"][0]["input"].as_str().unwrap_or_default();
    if question["params"][0] == "latest" {
        answer["result"]["number"] = json!("0x2");
    } else if question["method"] == "eth_getCode" {
        answer["result"] = json!("0x");
    } else if input.starts_with("0x35567e1a") {
        answer["result"] = json!(format!("0x{}", "0".repeat(64)));
    }
}

#[tokio::test]
async fn an_operation_that_is_sponsored_again_after_it_was_mined_keeps_its_key() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    dapp.passkey.behaviour.counter = SignCounter::Counting;
    let (op, next) = (dapp.first_op(0), dapp.first_op(1));
    let options = json!({ "idempotencyKey": "order-1" });
    let mut sponsor = async |op: &Value| {
        let passkey = world.approval(&mut dapp, op).await;
        world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey, options])).await
    };
    let answer = sponsor(&op).await.unwrap();
    let cost = mine(&world, &answer).await;
    world.anvil.mine(10).await.unwrap();
    world.clock.advance(20);
    world.relay.settler.settle().await.unwrap();
    node.fail(Fault::Rewrites(lags_behind_the_account));
    sponsor(&op).await.unwrap();
    node.fail(Fault::None);
    world.pass(700).await;
    world.relay.settler.settle().await.unwrap();
    assert_eq!(world.try_to_release().await.unwrap(), 0);
    let settled = |cost| ("settled".to_owned(), Some(cost));
    let states = states(&world).await;
    assert!(
        states[0].1.is_some_and(|booked| (cost..=cost + 1).contains(&booked)) && states[1..] == [settled(0)],
        "{states:?}"
    );
    sponsor(&next).await.unwrap_err().assert_is(-32602, "idempotency_conflict", false);
}

fn has_no_block_below_90_and_allows_ten(question: &Value, answer: &mut Value) {
    has_no_block_below_90(question, answer);
    allows_ten_blocks(question, answer);
}

#[tokio::test]
async fn a_used_nonce_in_blocks_that_are_gone_keeps_no_reservation_for_good() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    // Settlement misses it.
    node.fail(Fault::Rewrites(tells_of_no_logs));
    mine(&world, &answer).await;
    world.pass(700).await;
    world.anvil.mine(120).await.unwrap();
    world.relay.settler.settle().await.unwrap();
    node.fail(Fault::Rewrites(has_no_block_below_90_and_allows_ten));
    let mut rounds = 0;
    while world.reserved().await > 0 {
        let _ = world.try_to_release().await;
        rounds += 1;
        assert!(rounds < 30, "{:?}", world.problem("settlement").await);
    }
    assert!(rounds > 10, "{rounds}");
    assert_eq!((states(&world).await[0].0.as_str(), costs(&world).await[0].1), ("settled", true));
}

#[tokio::test]
async fn a_node_that_prunes_all_logs_of_an_account_before_it_is_believed_keeps_nothing_reserved() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    mine(&world, &answer).await;
    let mut dapp = world.dapp("bob").await;
    let op = dapp.first_op(0);
    let other = world.sponsor(&mut dapp, &op).await.unwrap();
    node.fail(Fault::Rewrites(tells_of_no_logs));
    mine(&world, &other).await;
    world.pass(700).await;
    world.relay.settler.settle().await.unwrap();
    assert_eq!(world.relay.settler.release_unused().await.unwrap(), 0);
    assert!(next_block(&world).await < 80);
    node.fail(Fault::Rewrites(keeps_logs_from_block_90));
    world.relay.settler.release_used().await.unwrap_err();
    // The chain grows past the last block that was to be read for these accounts.
    world.anvil.mine(120).await.unwrap();
    let mut rounds = 0;
    while world.reserved().await > 0 {
        let _ = world.try_to_release().await;
        rounds += 1;
        assert!(rounds < 15, "{:?}", states(&world).await);
    }
    assert_eq!(costs(&world).await.iter().map(|(_, is_worst)| *is_worst).collect::<Vec<_>>(), [true, true]);
}
