//! A mined operation's reservation ends once its block is final, across restarts and
//! reorganisations; another's ends with its window.

mod books;
mod deployments;
mod expired;
mod head;
mod logs;
mod mined;
mod penalty;
mod rates;
mod used;

use devkit::EntryPointVersion;
use devkit::EntryPointVersion::{V07, V08};
use paymaster_relay::store::Store;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Node, World};

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

const LOGS: &str = "eth_getLogs";

async fn behind_a_node() -> (World, Node) {
    let mut node = None;
    let world = World::with(V07, 10u128.pow(18), |settings| node = Some(Node::within(settings))).await;
    (world, node.unwrap())
}

async fn next_block(world: &World) -> u64 {
    world.store.next_blocks(31337).await.unwrap()[0].1
}

/// A block's number in a query; `None` for a tag such as `latest`.
fn block_number(asked: &Value) -> Option<u64> {
    u64::from_str_radix(asked.as_str()?.strip_prefix("0x")?, 16).ok()
}

fn allows_ten_blocks(question: &Value, answer: &mut Value) {
    let block = |name: &str| block_number(&question["params"][0][name]).unwrap();
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

fn tells_of_no_logs(question: &Value, answer: &mut Value) {
    if question["method"] == LOGS {
        *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": [] });
    }
}

fn keeps_logs_from_block_90(question: &Value, answer: &mut Value) {
    if question["method"] == LOGS && block_number(&question["params"][0]["fromBlock"]).is_some_and(|from| from < 90) {
        is_pruned(question, answer);
    }
}

fn is_pruned(question: &Value, answer: &mut Value) {
    let error = json!({ "code": 4444, "message": "pruned history unavailable" });
    *answer = json!({ "jsonrpc": "2.0", "id": question["id"], "error": error });
}

/// Whether it queries a block below that number.
fn asks_for_block_below(number: u64, question: &Value) -> bool {
    let asked = block_number(&question["params"][0]);
    question["method"] == "eth_getBlockByNumber" && asked.is_some_and(|asked| asked < number)
}

/// As a node does that keeps no blocks below the number 90.
fn has_no_block_below_90(question: &Value, answer: &mut Value) {
    if asks_for_block_below(90, question) {
        answer["result"] = Value::Null;
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

const V07_ENTRY_POINT: &str = "0x0000000071727De22E5E9d8BAf0edAc6f37da032";
const V08_ENTRY_POINT: &str = "0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108";

/// Nothing is mined at the second deployment.
async fn behind_a_node_with_two_deployments() -> (World, Node) {
    with_another_deployment(V07, (V08_ENTRY_POINT, "0.8")).await
}

/// The first of them in the store is the second one.
async fn behind_a_node_with_deployments_of_v08_and_v07() -> (World, Node) {
    with_another_deployment(V08, (V07_ENTRY_POINT, "0.7")).await
}

async fn with_another_deployment(version: EntryPointVersion, other: (&str, &str)) -> (World, Node) {
    let mut node = None;
    let world = World::with(version, 10u128.pow(18), |settings| {
        node = Some(Node::within(settings));
        let mut another = settings["deployments"][0].clone();
        (another["entry_point"], another["version"]) = (json!(other.0), json!(other.1));
        another["paymaster"] = json!("0x00000000000000000000000000000000000000aa");
        settings["deployments"].as_array_mut().unwrap().push(another);
    })
    .await;
    (world, node.unwrap())
}
