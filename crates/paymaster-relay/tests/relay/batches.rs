//! Batches in ethers' form, and the calls that providers make first.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};
use serve::{Bounds, Listener};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::{ACCOUNT, Client, Refusal, World};

fn call(id: usize) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "eth_chainId", "params": [] })
}

async fn answers(world: &World, batch: &[Value]) -> Vec<Value> {
    let response = world.client.post(json!(batch).to_string(), &[]).await;
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_batch_of_a_hundred_calls_passes_with_the_defaults() {
    let world = World::new(V07).await;
    let batch: Vec<_> = (0..100).map(call).collect();
    let answers = answers(&world, &batch).await;
    let passed = answers.iter().enumerate().filter(|(id, answer)| answer["id"] == *id && answer["result"] == "0x7a69");
    assert_eq!(passed.count(), 100);
}

#[tokio::test]
async fn every_call_of_a_batch_over_the_limit_is_refused_by_its_id_with_the_limit() {
    let world = World::new(V07).await;
    let notification = json!({ "jsonrpc": "2.0", "method": "eth_chainId" });
    let mut batch: Vec<_> = (0..100).map(call).collect();
    batch.extend([notification, json!(5), json!(6)]);
    let answers = answers(&world, &batch).await;
    let ids: Vec<_> = answers.iter().map(|answer| answer["id"].clone()).collect();
    let expected: Vec<_> = (0..100).map(|id| json!(id)).chain([Value::Null]).collect();
    assert_eq!(ids, expected, "a notification has no answer, and entries without an id share one");
    for answer in &answers {
        let refusal = Refusal::of(&answer["error"]);
        refusal.assert_is(-32600, "batch_too_large", false);
        assert_eq!((&refusal.data["limit"], &refusal.data["used"]), (&json!("100"), &json!("103")));
        assert!(refusal.message.contains("100"), "{refusal:?}");
    }
}

#[tokio::test]
async fn a_batch_far_over_the_limit_gets_one_answer() {
    let world = World::with(V07, 1, |settings| settings["rpc"] = json!({ "max_body_bytes": 1_000_000 })).await;
    let response = world.client.post(json!(vec![1; 100_000]).to_string(), &[]).await;
    let answer: Value = response.json().await.unwrap();
    let refusal = Refusal::of(&answer["error"]);
    refusal.assert_is(-32600, "batch_too_large", false);
    assert_eq!(refusal.data["limit"], "100");
}

/// Every call that was charged for is answered: the limit on answers follows from those on batches
/// and bodies.
#[tokio::test]
async fn a_batch_as_large_as_a_body_may_be_is_answered_in_full() {
    let limits = json!({ "max_body_bytes": 24_000, "max_batch": 4 });
    let world = World::with(V07, 10u128.pow(18), |settings| settings["rpc"] = limits).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut batch = Vec::new();
    for id in 1..=4 {
        let op = dapp.op_calling(id, vec![0xab; 2000].into());
        let passkey = world.approval(&mut dapp, &op).await;
        let params = json!([op, ACCOUNT, passkey]);
        batch.push(json!({ "jsonrpc": "2.0", "id": id, "method": "pm_sponsor_with_tee", "params": params }));
    }
    assert!(json!(batch).to_string().len() > 20_000);
    let answers = answers(&world, &batch).await;
    assert_eq!(answers.len(), 4);
    assert!(answers.iter().all(|answer| answer["result"]["success"] == true), "{answers:?}");
}

/// Only the long document of `rpc.discover` reaches the limit, since its calls are short.
#[tokio::test]
async fn once_the_answers_of_a_batch_are_over_the_limit_no_more_calls_of_it_are_made() {
    let limits = json!({ "anonymous_calls_per_minute": 60 });
    let world = World::with(V07, 1, |settings| settings["rpc"] = limits).await;
    let discover = |id| json!({ "jsonrpc": "2.0", "id": id, "method": "rpc.discover" });
    let mut batch: Vec<_> = (0..16).map(discover).collect();
    batch.push(call(16));
    let answers = answers(&world, &batch).await;
    let made = answers.iter().take_while(|answer| answer["result"].is_object()).count();
    assert!((1..4).contains(&made), "{made}");
    for (id, answer) in answers.iter().enumerate().skip(made) {
        assert_eq!(answer["id"], id);
        Refusal::of(&answer["error"]).assert_is(-32600, "response_too_large", false);
    }
    let families = world.registry.gather();
    let requests = families.iter().find(|family| family.name() == "relay_requests_total").unwrap();
    let calls: f64 = requests.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum();
    assert_eq!((answers.len(), calls), (17, (made + 1) as f64), "the last one was over the limit");
}

#[tokio::test]
async fn the_long_document_counts_against_the_rate_and_short_facts_do_not() {
    let world = World::with(V07, 1, |settings| settings["rpc"] = json!({ "anonymous_calls_per_minute": 2 })).await;
    for _ in 0..3 {
        world.client.call("eth_chainId", json!([])).await.unwrap();
    }
    world.client.call("rpc.discover", json!([])).await.unwrap();
    let refusal = world.client.call("rpc.discover", json!([])).await.unwrap_err();
    refusal.assert_is(-32504, "rate_limited", true);
}

#[tokio::test]
async fn the_first_calls_of_providers_are_answered() {
    let world = World::new(V07).await;
    for (method, result) in [
        ("eth_chainId", "0x7a69"),
        ("net_version", "31337"),
        ("web3_clientVersion", concat!("super-relay/", env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(world.client.call(method, json!([])).await.unwrap(), result, "{method}");
        let refusal = world.client.call(method, json!([1])).await.unwrap_err();
        refusal.assert_is(-32602, "invalid_field", false);
    }
}

#[tokio::test]
async fn the_refusal_of_an_unknown_method_lists_the_known_ones() {
    let world = World::new(V07).await;
    let refusal = world.client.call("pm_steal", json!([])).await.unwrap_err();
    refusal.assert_is(-32601, "method_not_found", false);
    let supported: Vec<_> =
        refusal.data["supported"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(refusal.message.contains("pm_steal"), "{refusal:?}");
    for method in ["pm_sponsor_with_tee", "pm_getPaymasterStubData", "eth_chainId"] {
        assert!(supported.contains(&method) && refusal.message.contains(method), "{refusal:?}");
    }
    let long = world.client.call(&"x\n".repeat(50_000), json!([])).await.unwrap_err();
    assert!(long.message.len() < 1000 && !long.message.contains('\n'), "{long:?}");
}

#[tokio::test]
async fn a_body_in_any_encoding_is_refused_as_that() {
    let world = World::new(V07).await;
    let body = call(1).to_string();
    for encoding in ["gzip", "br", "zstd", "gzip, identity", "x-unknown"] {
        let response = world.client.post(body.clone(), &[("content-encoding", encoding)]).await;
        assert_eq!(response.status(), 415, "{encoding}");
        assert_eq!(response.headers()["accept-encoding"], "identity");
        let answer: Value = response.json().await.unwrap();
        let refusal = Refusal::of(&answer["error"]);
        refusal.assert_is(-32600, "content_encoding_not_supported", false);
        assert!(refusal.message.contains(encoding), "{refusal:?}");
    }
    for encoding in ["identity", "Identity"] {
        let response = world.client.post(body.clone(), &[("content-encoding", encoding)]).await;
        assert_eq!(response.json::<Value>().await.unwrap()["result"], "0x7a69");
    }
}

#[tokio::test]
async fn a_call_that_a_batch_has_no_time_for_is_refused_by_its_id_and_passes_later() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", tcp.local_addr().unwrap());
    let listener = Listener::new(tcp, Bounds { serving: Duration::from_secs(2), ..Bounds::default() });
    tokio::spawn(Arc::clone(&world.relay.rpc).serve(listener, CancellationToken::new()));

    let op = dapp.first_op(0);
    let approval = world.approval(&mut dapp, &op).await;
    let params = json!([op, ACCOUNT, approval]);
    let sponsor = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_sponsor_with_tee", "params": params });
    world.tee.hold();
    let batch = json!([call(0), sponsor, call(2), call(3)]).to_string();
    let response = Client::new(url).post(batch, &[]).await;
    assert_eq!(response.status(), 200);
    let answers: Vec<Value> = response.json().await.unwrap();
    let ids: Vec<_> = answers.iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [0, 1, 2, 3]);
    assert_eq!(answers[0]["result"], "0x7a69");
    for answer in &answers[1..] {
        let refusal = Refusal::of(&answer["error"]);
        refusal.assert_is(-32603, "request_timeout", true);
        assert!(refusal.message.contains("within 2 s"), "{refusal:?}");
    }
    world.tee.release();
    world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    assert_eq!(world.tee.sponsorships.load(Ordering::SeqCst), 1, "it ran to completion, and was charged once");
}
