//! Latest blocks that are not believed: of nodes that lag, made blocks up, or serve another chain.

use std::time::Duration;

use devkit::EntryPointVersion::V07;
use paymaster_relay::RelayError;
use paymaster_relay::store::Store;
use serde_json::{Value, json};

use super::{LOGS, behind_a_node, mine, next_block, sponsored, states};
use crate::support::{Fault, World};

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

fn asks_for_the_first_block(body: &str) -> bool {
    body.contains(r#"["0x0",false]"#)
}

#[tokio::test]
async fn a_node_that_fails_for_old_blocks_is_read_like_one_that_has_none() {
    for time in [Duration::ZERO, Duration::from_secs(8)] {
        let (world, node) = behind_a_node().await;
        node.fail(Fault::Fails(asks_for_the_first_block, time));
        world.relay.settler.settle().await.unwrap();
        assert!(!node.asked("eth_getBlockByNumber").is_empty());
        let answer = sponsored(&world).await;
        mine(&world, &answer).await;
        world.anvil.mine(20).await.unwrap();
        assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
        assert_eq!((states(&world).await[0].0.as_str(), world.problem("settlement").await), ("settled", None));
    }
}
