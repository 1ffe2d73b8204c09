//! Log lines about an outage: one when it begins, one when it ends, however many tasks notice it.
//! And how much of the log callers can fill.

use std::sync::Arc;
use std::time::{Duration, Instant};

use devkit::EntryPointVersion::V07;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio_util::sync::CancellationToken;

use crate::support::{ACCOUNT, Fault, Log, Node, World, server, until};

#[tokio::test]
async fn a_node_that_takes_no_batches_is_told_of_once() {
    let log = Log::start();
    let mut node = None;
    let world = World::with(V07, 10u128.pow(18), |settings| node = Some(Node::within(settings))).await;
    let node = node.unwrap();
    node.fail(Fault::AnswersTo(|body| body.starts_with('['), "[]"));
    let stop = CancellationToken::new();
    let told = async {
        until(async || !log.lines("the chain is failing").is_empty()).await;
        node.fail(Fault::None);
        until(async || !log.lines("the chain recovered").is_empty()).await;
        stop.cancel();
    };
    tokio::join!(world.relay.sweeper.run(stop.clone()), told);
    let lines = log.lines("the chain is failing");
    assert!(lines.len() == 1 && lines[0].contains("JSON-RPC batch"), "{lines:?}");
}

fn batch_of_unknown_methods() -> String {
    json!(vec![json!({ "jsonrpc": "2.0", "id": 1, "method": "x" }); 100]).to_string()
}

#[tokio::test]
async fn a_flood_of_calls_fills_neither_the_log_nor_the_place_of_calls_with_a_key() {
    let log = Log::start();
    let world = World::new(V07).await;
    let (_, key) = world.api_keys.generate(server()).await.unwrap();
    let began = Instant::now();
    for _ in 0..20 {
        world.client.post(batch_of_unknown_methods(), &[]).await;
        let chain_ids = json!(vec![json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" }); 100]);
        world.client.post(chain_ids.to_string(), &[]).await;
    }
    let written = log.lines("answered").len() + log.lines("refused").len();
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!((1..=101 + 10 * (seconds + 1)).contains(&written), "{written} lines in {seconds} s");
    assert_eq!(log.lines("pm_getPaymasterData"), Vec::<String>::new(), "the methods are listed in the answer");

    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "x" });
    world.client.post(call.to_string(), &[("x-api-key", key.expose_secret()), ("x-request-id", "with-a-key")]).await;
    assert_eq!(log.lines("with-a-key").len(), 1);
    until(async || {
        world.client.post(call.to_string(), &[]).await;
        !log.lines("suppressed").is_empty()
    })
    .await;
}

#[tokio::test]
async fn repeats_of_a_sponsorship_do_not_fill_the_log() {
    let log = Log::start();
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_sponsor_with_tee", "params": params });
    let began = Instant::now();
    let mut hashes = Vec::new();
    for _ in 0..4 {
        let answers = world.client.post(json!(vec![&call; 50]).to_string(), &[]).await;
        let answers: Vec<Value> = serde_json::from_str(&answers.text().await.unwrap()).unwrap();
        hashes.extend(answers.iter().filter_map(|answer| answer["result"]["userOpHash"].as_str().map(str::to_owned)));
    }
    assert_eq!(hashes, vec![hashes[0].clone(); 200]);
    let (new, repeated) = (log.lines("is_repeated=false"), log.lines("is_repeated=true"));
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert_eq!(new.len(), 1, "{new:?}");
    assert!((1..=101 + 10 * (seconds + 1)).contains(&repeated.len()), "{} lines in {seconds} s", repeated.len());
}

#[tokio::test]
async fn an_outage_of_the_database_is_logged_once_however_many_tasks_need_it() {
    let log = Log::start();
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);

    let options = SqliteConnectOptions::new().filename(world.settings["database"].as_str().unwrap());
    let mut elsewhere = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut elsewhere).await.unwrap();
    let stop = CancellationToken::new();
    let settling = {
        let (settler, stop) = (Arc::clone(&world.relay.settler), stop.clone());
        tokio::spawn(async move { settler.run(Duration::from_secs(1), stop).await })
    };
    until(async || !log.lines("is failing").is_empty()).await;
    let sweeping = {
        let (sweeper, stop) = (Arc::clone(&world.relay.sweeper), stop.clone());
        tokio::spawn(async move { sweeper.run(stop).await })
    };
    for _ in 0..2 {
        let refusal = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap_err();
        assert!(["store_unavailable", "claims_unavailable"].contains(&refusal.reason()), "{refusal:?}");
    }
    assert_eq!(log.lines("recovered"), Vec::<String>::new());
    sqlx::query("ROLLBACK").execute(&mut elsewhere).await.unwrap();
    until(async || !log.lines("recovered").is_empty()).await;
    world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    stop.cancel();
    settling.await.unwrap();
    sweeping.await.unwrap();

    let (begun, over) = (log.lines("is failing"), log.lines("recovered"));
    assert!(begun.len() == 1 && over.len() == 1, "{begun:?} {over:?}");
    assert!(begun[0].contains("WARN") && begun[0].contains("the relay's database is failing"), "{begun:?}");
    assert!(over[0].contains("WARN") && over[0].contains("the relay's database recovered after"), "{over:?}");
}
