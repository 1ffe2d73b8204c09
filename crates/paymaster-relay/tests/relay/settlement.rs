//! A mined operation's reservation ends once its block is final, across restarts and
//! reorganisations.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use devkit::EntryPointVersion::V07;
use devkit::passkey::SignCounter;
use devkit::user_operation::Draft;
use paymaster_relay::RelayError;
use paymaster_relay::store::Store;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Dapp, Fault, Node, World};

async fn states(world: &World) -> Vec<(String, Option<i64>)> {
    sqlx::query_as("SELECT state, settled_cost_gwei FROM sponsorships ORDER BY created_at, rowid")
        .fetch_all(&world.store.database().pool())
        .await
        .unwrap()
}

/// The answer for a first operation.
async fn sponsored(world: &World) -> Value {
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap()
}

async fn mine(world: &World, answer: &Value) -> i64 {
    let mined = world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap();
    let gwei: u64 = (mined.actual_gas_cost / alloy_primitives::U256::from(1_000_000_000u64)).to();
    i64::try_from(gwei).unwrap()
}

#[tokio::test]
async fn a_mined_operation_is_settled_at_its_real_cost_and_makes_room_for_others() {
    let world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    assert!(world.reserved().await > 0);
    assert_eq!(world.relay.settler.settle().await.unwrap(), 0);

    let reserved = world.reserved().await;
    let cost = mine(&world, &answer).await;
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(world.reserved().await, reserved, "its block may still be reorganised away");
    world.anvil.mine(1).await.unwrap();
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(world.reserved().await, 0);
    let states = states(&world).await;
    assert_eq!(states[0].0, "settled");
    assert!((cost..=cost + 1).contains(&states[0].1.unwrap()));
}

#[tokio::test]
async fn an_operation_mined_while_the_relay_was_down_is_settled_after_the_restart() {
    let mut world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    world.stop().await;
    mine(&world, &answer).await;
    world.anvil.mine(1).await.unwrap();

    let world = world.started_again().await;
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(states(&world).await[0].0, "settled");
}

#[tokio::test]
async fn an_operation_mined_in_the_last_moment_is_settled_though_its_window_is_over() {
    let world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    mine(&world, &answer).await;
    world.pass(700).await;
    let call_data = dapp.call_data(alloy_primitives::Address::repeat_byte(1));
    let second = Draft::new(dapp.sender, alloy_primitives::U256::from(1), call_data).to_json(V07);
    world.sponsor(&mut dapp, &second).await.unwrap();
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    let states: Vec<_> = states(&world).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["settled", "signed"]);
}

#[tokio::test]
async fn an_operation_whose_block_is_reorganised_away_was_never_given_up() {
    let world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);
    let answer = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    let reserved = world.reserved_rows().await;
    let before = world.anvil.snapshot().await.unwrap();

    mine(&world, &answer).await;
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(world.reserved_rows().await, reserved);
    world.anvil.revert(before).await.unwrap();
    assert_eq!(world.relay.settler.settle().await.unwrap(), 0);
    assert_eq!(world.reserved_rows().await, reserved);
    assert_eq!(states(&world).await, [("signed".to_owned(), None)]);
    let again = world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    assert_eq!(again["userOperation"], answer["userOperation"]);

    mine(&world, &answer).await;
    world.anvil.mine(1).await.unwrap();
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(states(&world).await[0].0, "settled");
    assert_eq!(world.reserved().await, 0);
}

#[tokio::test]
async fn a_request_with_the_key_of_a_mined_operation_is_not_retryable_while_it_is_mined() {
    let world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let (op, other) = (dapp.first_op(0), dapp.first_op(1));
    let options = json!({ "idempotencyKey": "order-1" });
    let passkey = world.approval(&mut dapp, &op).await;
    let answer = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey, options])).await.unwrap();
    let passkey = world.approval(&mut dapp, &other).await;
    let conflict = async |retryable| {
        let params = json!([other, ACCOUNT, passkey, options]);
        let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
        refusal.assert_is(-32602, "idempotency_conflict", retryable);
    };
    conflict(true).await;
    let before = world.anvil.snapshot().await.unwrap();
    mine(&world, &answer).await;
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(states(&world).await[0].0, "signed", "its block is not final");
    conflict(false).await;

    world.anvil.revert(before).await.unwrap();
    world.relay.settler.settle().await.unwrap();
    conflict(true).await;
    mine(&world, &answer).await;
    world.anvil.mine(1).await.unwrap();
    world.relay.settler.settle().await.unwrap();
    assert_eq!(states(&world).await[0].0, "settled");
    conflict(false).await;
}

#[tokio::test]
async fn the_idempotency_key_of_a_reorganised_operation_still_stands_for_it() {
    // With one confirmation the block was not final; with none it was final, but disappeared
    // anyway.
    for confirmations in [1, 0] {
        let world = World::with(V07, 10u128.pow(18), |settings| {
            settings["chain"]["confirmations"] = json!(confirmations);
        })
        .await;
        world.relay.settler.settle().await.unwrap();
        let mut dapp = world.dapp(ACCOUNT).await;
        dapp.passkey.behaviour.counter = SignCounter::Counting;
        let op = dapp.first_op(0);
        let options = json!({ "idempotencyKey": "order-1" });
        let passkey = world.approval(&mut dapp, &op).await;
        let answer = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey, options])).await.unwrap();
        let before = world.anvil.snapshot().await.unwrap();
        mine(&world, &answer).await;
        assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
        world.anvil.revert(before).await.unwrap();
        world.relay.settler.settle().await.unwrap();

        let passkey = world.approval(&mut dapp, &op).await;
        let again = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey, options])).await.unwrap();
        assert_eq!(world.reserved_rows().await.len(), 1);
        mine(&world, &again).await;
    }
}

const LOGS: &str = "eth_getLogs";

async fn behind_a_node() -> (World, Node) {
    let mut node = None;
    let world = World::with(V07, 10u128.pow(18), |settings| node = Some(Node::within(settings))).await;
    (world, node.unwrap())
}

fn tells(question: &Value, answer: &mut Value, field: &str, value: &str) {
    if question["method"] == "eth_getBlockByNumber" && answer["result"].is_object() {
        answer["result"][field] = json!(value);
    }
}

fn tells_of_blocks_that_do_not_exist(question: &Value, answer: &mut Value) {
    tells(question, answer, "number", "0x7ffffffffffffffe");
    if question["method"] == LOGS {
        *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": [] });
    }
}

fn tells_of_a_latest_block_that_does_not_exist(question: &Value, answer: &mut Value) {
    if question["params"][0] == "latest" {
        tells(question, answer, "number", "0x7ffffffffffffffe");
    }
}

fn lags_by_the_whole_chain(question: &Value, answer: &mut Value) {
    if question["params"][0] == "latest" {
        tells(question, answer, "number", "0x0");
    }
    if question["method"] == LOGS {
        *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": [] });
    }
}

/// Behaves like a backend of another chain: every requested block exists.
fn has_many_more_blocks(question: &Value, answer: &mut Value) {
    if question["params"][0] == "latest" {
        tells(question, answer, "number", "0x4e20");
    } else if question["method"] == "eth_getBlockByNumber" && answer["result"].is_null() {
        let hash = format!("0x{}", "ab".repeat(32));
        answer["result"] = json!({ "number": question["params"][0], "hash": hash, "timestamp": "0x1" });
    }
    if question["method"] == LOGS {
        *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": [] });
    }
}

async fn next_block(world: &World) -> u64 {
    world.store.next_blocks(31337).await.unwrap()[0].1
}

fn allows_ten_blocks(question: &Value, answer: &mut Value) {
    let block = |name: &str| {
        let number = question["params"][0][name].as_str().unwrap();
        u64::from_str_radix(number.trim_start_matches("0x"), 16).unwrap()
    };
    if question["method"] == LOGS && block("toBlock") - block("fromBlock") >= 10 {
        let error = json!({ "code": -32600, "message": "up to a 10 block range is allowed" });
        *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "error": error });
    }
}

fn has_no_logs(question: &Value, answer: &mut Value) {
    if question["method"] == LOGS {
        let error = json!({ "code": -32601, "message": "the method is disabled" });
        *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "error": error });
    }
}

fn blocks_behind(world: &World) -> f64 {
    let families = world.registry.gather();
    let family = families.iter().find(|family| family.name() == "relay_settlement_behind_blocks").unwrap();
    family.get_metric()[0].get_gauge().get_value()
}

#[tokio::test]
async fn an_operation_mined_while_the_node_reported_false_blocks_is_settled_once_it_is_honest() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    let read = next_block(&world).await;
    for lie in [tells_of_blocks_that_do_not_exist, tells_of_a_latest_block_that_does_not_exist] {
        node.fail(Fault::Rewrites(lie));
        world.relay.settler.settle().await.unwrap_err();
        let problem = world.problem("settlement").await.unwrap();
        assert!(problem.contains(&format!("block {}", read + 16_000)), "{problem}");
        assert_eq!(next_block(&world).await, read);
    }

    mine(&world, &answer).await;
    world.anvil.mine(20).await.unwrap();
    node.fail(Fault::None);
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(states(&world).await[0].0, "settled");
    assert_eq!(world.problem("settlement").await, None);
}

#[tokio::test]
async fn a_first_block_whose_number_or_time_no_chain_reaches_is_the_nodes_fault() {
    let over: [fn(&Value, &mut Value); 2] = [
        |question, answer| tells(question, answer, "number", "0x7fffffffffffffff"),
        |question, answer| tells(question, answer, "timestamp", "0x8000000000000000"),
    ];
    for (rewrite, name) in over.into_iter().zip(["number", "timestamp"]) {
        let (world, node) = behind_a_node().await;
        node.fail(Fault::Rewrites(rewrite));
        let error = world.relay.settler.settle().await.unwrap_err();
        assert!(matches!(error, RelayError::ChainUnavailable { .. }), "{error:?}");
        assert!(world.problem("settlement").await.unwrap().contains(&format!("a block whose {name} is ")));
        node.fail(Fault::None);
        world.relay.settler.settle().await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_was_read_on_a_longer_chain_is_settled_on_this_one() {
    let world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    sqlx::query("UPDATE settlement_cursors SET next_block = 849046")
        .execute(&world.store.database().pool())
        .await
        .unwrap();
    mine(&world, &answer).await;
    world.anvil.mine(20).await.unwrap();
    world.relay.settler.settle().await.unwrap_err();
    assert_eq!(world.try_to_release().await.unwrap(), 0);
    assert_eq!(next_block(&world).await, 849_046);
    // A low block may come from a lagging node, and other blocks may be another backend's answer:
    // they are only believed if they persist, with new blocks.
    let unchanged = "UPDATE known_blocks SET number = number";
    for (change, refused) in [(unchanged, 8), ("UPDATE known_blocks SET hash = zeroblob(32)", 9)] {
        sqlx::query("UPDATE settlement_cursors SET next_block = 849046")
            .execute(&world.store.database().pool())
            .await
            .unwrap();
        assert_ne!(sqlx::query(change).execute(&world.store.database().pool()).await.unwrap().rows_affected(), 0);
        settle_until_believed(&world, refused).await;
        assert_eq!(states(&world).await[0].0, "settled");
        let known = world.store.known_blocks(31337).await.unwrap();
        assert!(known.iter().all(|(_, hash)| hash.0 != [0; 32]), "{known:?}");
    }
    // An earlier version recorded no blocks.
    sqlx::query("UPDATE settlement_cursors SET next_block = 849046")
        .execute(&world.store.database().pool())
        .await
        .unwrap();
    sqlx::query("DELETE FROM known_blocks").execute(&world.store.database().pool()).await.unwrap();
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
}

/// This many rounds are refused while the chain is uncertain, and the next one is not.
async fn settle_until_believed(world: &World, refused: u32) {
    for _ in 0..refused {
        world.relay.settler.settle().await.unwrap_err();
    }
    world.relay.settler.settle().await.unwrap();
}

#[tokio::test]
async fn blocks_that_a_node_made_up_hold_settlement_up_for_some_rounds_only() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    node.fail(Fault::Rewrites(has_many_more_blocks));
    world.relay.settler.settle().await.unwrap();
    assert!(next_block(&world).await > 15_000);
    node.fail(Fault::None);
    mine(&world, &answer).await;
    world.anvil.mine(1).await.unwrap();
    world.relay.settler.settle().await.unwrap_err();
    settle_until_believed(&world, 8).await;
    assert_eq!(states(&world).await[0].0, "settled");
}

#[tokio::test]
async fn a_latest_block_far_below_what_was_read_takes_nothing_back_and_sets_nothing_back() {
    let (world, node) = behind_a_node().await;
    world.anvil.mine(1100).await.unwrap();
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    mine(&world, &answer).await;
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    let (read, noted) = (next_block(&world).await, states(&world).await);
    assert!(noted[0].1.is_some());

    node.fail(Fault::Rewrites(lags_by_the_whole_chain));
    world.pass(700).await;
    let mut world = world;
    for _ in 0..2 {
        world.relay.settler.settle().await.unwrap_err();
        assert_eq!(world.try_to_release().await.unwrap(), 0);
        assert_eq!((next_block(&world).await, states(&world).await), (read, noted.clone()));
        let problem = world.problem("settlement").await.unwrap();
        assert!(
            problem.contains(&format!("latest block is 0, and mined operations were read up to {read}")),
            "{problem}"
        );
        world.stop().await;
        world = world.started_again().await;
    }

    node.fail(Fault::None);
    let asked_before = node.asked(LOGS).len();
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(states(&world).await[0].0, "settled");
    assert_eq!(node.asked(LOGS).len() - asked_before, 1);
    assert_eq!(world.problem("settlement").await, None);
}

#[tokio::test]
async fn a_deployment_that_is_new_is_not_read_from_the_block_of_a_node_that_lags() {
    let (mut world, node) = behind_a_node().await;
    world.anvil.mine(1100).await.unwrap();
    world.relay.settler.settle().await.unwrap();
    world.stop().await;
    world.settings["deployments"][0]["paymaster"] = json!("0x00000000000000000000000000000000000000aa");
    let world = world.started_again().await;
    node.fail(Fault::Rewrites(lags_by_the_whole_chain));
    world.relay.settler.settle().await.unwrap_err();
    assert_eq!(world.store.next_blocks(31337).await.unwrap().len(), 1);
    node.fail(Fault::None);
    world.relay.settler.settle().await.unwrap();
    assert!(world.store.next_blocks(31337).await.unwrap().iter().all(|(_, next)| *next > 1100));
}

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
        assert!(node.asked(LOGS).len() - asked_before <= 16 && rounds < 20);
        assert_eq!(world.problem("settlement").await.is_some(), settled == 0);
    }
    assert!(rounds > 1);
    assert_eq!(states(&world).await[0].0, "settled");
}

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

fn tells_of_no_logs(question: &Value, answer: &mut Value) {
    if question["method"] == LOGS {
        *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": [] });
    }
}

fn tells_of_logs_of_other_blocks(question: &Value, answer: &mut Value) {
    if question["method"] == LOGS {
        for log in answer["result"].as_array_mut().unwrap() {
            log["blockNumber"] = json!("0x8000000000000001");
        }
    }
}

fn keeps_logs_from_block_90(question: &Value, answer: &mut Value) {
    let from = question["params"][0]["fromBlock"].as_str();
    if question["method"] == LOGS && from.is_some_and(|from| u64::from_str_radix(&from[2..], 16).unwrap() < 90) {
        let error = json!({ "code": 4444, "message": "pruned history unavailable" });
        *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "error": error });
    }
}

/// The cost in gwei that settlement recorded for each sponsorship, and whether it equals the
/// reserved one.
async fn costs(world: &World) -> Vec<(Option<i64>, bool)> {
    sqlx::query_as(
        "SELECT settled_cost_gwei, settled_cost_gwei IS max_cost_gwei FROM sponsorships ORDER BY created_at, rowid",
    )
    .fetch_all(&world.store.database().pool())
    .await
    .unwrap()
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
    assert!(state == "settled" && settled.is_some_and(|settled| settled - cost <= 1), "{settled:?}, {cost}");
    assert!(next_block(&world).await > read, "nothing is read again");
    assert_eq!(world.reserved().await, 0);
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
    let mut second = first.clone();
    second["callGasLimit"] = json!("0x30000");
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

/// Nothing is mined at the second deployment.
async fn behind_a_node_with_two_deployments() -> (World, Node) {
    let mut node = None;
    let world = World::with(V07, 10u128.pow(18), |settings| {
        node = Some(Node::within(settings));
        let mut other = settings["deployments"][0].clone();
        other["entry_point"] = json!("0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108");
        other["version"] = json!("0.8");
        other["paymaster"] = json!("0x00000000000000000000000000000000000000aa");
        settings["deployments"].as_array_mut().unwrap().push(other);
    })
    .await;
    (world, node.unwrap())
}

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

/// One query of logs in ten.
fn refuses_some_queries(question: &Value, answer: &mut Value) {
    static QUERIES: AtomicUsize = AtomicUsize::new(1);
    if question["method"] == LOGS && QUERIES.fetch_add(1, Ordering::SeqCst).is_multiple_of(10) {
        has_no_logs(question, answer);
    }
}

#[tokio::test]
async fn a_node_that_refuses_some_queries_holds_no_settlement_up() {
    let (world, node) = behind_a_node().await;
    world.relay.settler.settle().await.unwrap();
    world.anvil.mine(50).await.unwrap();
    node.fail(Fault::Rewrites(has_no_logs));
    for _ in 0..20 {
        world.relay.settler.settle().await.unwrap_err();
    }
    node.fail(Fault::Rewrites(refuses_some_queries));
    for _ in 0..4 {
        world.anvil.mine(10).await.unwrap();
        let _ = world.relay.settler.settle().await;
    }
    world.relay.settler.settle().await.unwrap();
    assert_eq!((world.problem("settlement").await, blocks_behind(&world)), (None, 0.0));
}

#[tokio::test]
async fn logs_that_take_more_than_one_round_to_read_are_read_on_in_the_next() {
    let (world, node) = behind_a_node_with_two_deployments().await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let first = dapp.first_op(0);
    let mut second = first.clone();
    second["callGasLimit"] = json!("0x30000");
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
        assert!(rounds < 5);
    }
    assert!(rounds > 0);
    let states: Vec<_> = states(&world).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["released", "settled"]);
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
async fn an_operation_replaced_by_another_with_its_nonce_is_released() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let first = dapp.first_op(0);
    let mut second = first.clone();
    second["callGasLimit"] = json!("0x30000");
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
    let mut second = first.clone();
    second["callGasLimit"] = json!("0x30000");
    world.sponsor(&mut dapp, &first).await.unwrap();
    let answer = world.sponsor(&mut dapp, &second).await.unwrap();
    mine(&world, &answer).await;
    world.pass(700).await;
    world.relay.settler.settle().await.unwrap();
    node.fail(Fault::LogsUpTo(next_block(&world).await - 1));
    world.anvil.mine(1).await.unwrap();
    assert_eq!(world.release_expired().await, 1);
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
