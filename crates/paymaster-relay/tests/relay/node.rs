//! A node that fails in various ways, and the cost of an untrusted factory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alloy_primitives::{Address, U256};
use devkit::EntryPointVersion::{V07, V09};
use devkit::user_operation::Draft;
use futures_util::future::join_all;
use paymaster_relay::chain::{ChainError, EntryPointReader, RpcChain};
use paymaster_relay::settings::ChainSettings;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use url::Url;

use crate::support::{ACCOUNT, Dapp, Fault, Node, World, until};

const ETHER: u128 = 10u128.pow(18);
/// An attacker's factory.
const SLOW: Address = Address::repeat_byte(0xab);
const SLOW_IN_HEX: &str = "abababababababababababababababababababab";
/// The selector of `getSenderAddress`, which runs a factory.
const RUNS_A_FACTORY: &str = "9b249f69";
const LATEST: &str = "eth_getBlockByNumber";
const LOGS: &str = "eth_getLogs";

async fn behind_a_node(version: devkit::EntryPointVersion) -> (World, Node) {
    let mut node = None;
    let world = World::with(version, ETHER, |settings| {
        node = Some(Node::within(settings));
        settings["chain"]["timeout_seconds"] = json!(1);
    })
    .await;
    (world, node.unwrap())
}

fn chain(node: &Node) -> RpcChain {
    let settings: ChainSettings = serde_json::from_value(json!({
        "chain_id": 31337, "rpc_url": node.url(), "timeout_seconds": 5,
    }))
    .unwrap();
    RpcChain::new(&settings).unwrap()
}

#[tokio::test]
async fn a_node_that_answers_with_a_servers_error_or_nonsense_is_not_asked_again_until_it_recovers() {
    let (world, _) = behind_a_node(V07).await;
    for (status, body) in [
        ("503 Service Unavailable", ""),
        ("429 Too Many Requests", "slow down"),
        ("502 Bad Gateway", "<html>"),
        ("200 OK", "<html>"),
        ("200 OK", r#"{"status":"ok"}"#),
    ] {
        let node = Node::before(world.anvil.url().as_str());
        let chain = chain(&node);
        node.fail(Fault::Answers(status, body));
        // Once a probe has failed too.
        until(async || {
            let asked = node.asked(LATEST).len();
            let error = chain.latest_block().await.unwrap_err();
            assert!(matches!(error, ChainError::Unreachable { .. }), "{status} {body}: {error:?}");
            node.asked(LATEST).len() == asked
        })
        .await;
        node.fail(Fault::None);
        until(async || chain.latest_block().await.is_ok()).await;
    }
}

#[tokio::test]
async fn an_error_in_json_rpc_is_an_answer() {
    let (world, _) = behind_a_node(V07).await;
    let node = Node::before(world.anvil.url().as_str());
    let chain = chain(&node);
    // The status does not matter if the body is JSON-RPC: nodes behind proxies answer like this.
    let refusal = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32005,"message":"limit exceeded"}}"#;
    for (count, status) in ["200 OK", "400 Bad Request"].iter().enumerate() {
        node.fail(Fault::Answers(status, refusal));
        let error = chain.latest_block().await.unwrap_err();
        assert!(matches!(error, ChainError::Node { .. }), "{error:?}");
        assert_eq!(node.asked(LATEST).len(), count + 1);
    }
    node.fail(Fault::None);
    chain.latest_block().await.unwrap();
}

#[tokio::test]
async fn a_node_error_is_reported_on_one_line_and_truncated() {
    let (world, _) = behind_a_node(V07).await;
    let node = Node::before(world.anvil.url().as_str());
    let chain = chain(&node);
    let message = format!("\u{1b}[31m\r\n2026 ERROR forged {}", "A".repeat(5000));
    let refusal = json!({ "jsonrpc": "2.0", "id": 0, "error": { "code": -32000, "message": message } });
    node.fail(Fault::Answers("200 OK", refusal.to_string().leak()));
    let error = chain.latest_block().await.unwrap_err().to_string();
    assert!(error.contains("the node answered -32000") && error.contains("forged AAA"), "{error}");
    assert!(!error.contains(char::is_control) && error.len() < 200, "{error:?}");
}

/// The answers to a batch of nodes without batch support.
const NO_BATCHES: [&str; 3] = [
    "[]",
    r#"[{"jsonrpc":"2.0","id":1000000,"result":"0x0"}]"#,
    r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batches are not supported"}}"#,
];

fn is_batch(body: &str) -> bool {
    body.starts_with('[')
}

#[tokio::test]
async fn a_node_that_takes_no_batches_is_named_in_the_status() {
    let (world, node) = behind_a_node(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    for answer in NO_BATCHES {
        node.fail(Fault::AnswersTo(is_batch, answer));
        world.sponsor(&mut dapp, &op).await.unwrap_err().assert_is(-32603, "chain_unavailable", true);
        let problem = world.problem("chain").await.expect(answer);
        assert!(problem.contains("JSON-RPC batch"), "{answer}: {problem}");
        node.fail(Fault::None);
        assert_eq!(world.problem("chain").await, None);
    }
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn all_that_an_operation_is_held_against_is_read_in_one_batch() {
    /// The selectors of `getNonce` and `balanceOf`.
    const CALLS: [&str; 2] = ["0x35567e1a", "0x70a08231"];
    let (world, node) = behind_a_node(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let first = world.sponsor(&mut dapp, &op).await.unwrap();
    world.chain.entry_point.handle_ops(&first["userOperation"]).await.unwrap();

    let draft = dapp.draft(0, dapp.call_data(Address::repeat_byte(1)));
    let op = Draft { nonce: U256::from(1), deploy: None, ..draft }.to_json(V07);
    for method in ["pm_getPaymasterStubData", "pm_sponsor_with_tee"] {
        let params = match method {
            "pm_sponsor_with_tee" => json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]),
            _ => json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]),
        };
        let asked_before = node.asked("").len();
        world.client.call(method, params).await.unwrap();
        let asked = &node.asked("")[asked_before..];
        let [batch] = asked else { panic!("{method}: {} requests: {asked:?}", asked.len()) };
        let batch: Vec<Value> = serde_json::from_str(batch).unwrap();
        let of = |name: &str| batch.iter().filter(|call| call["method"] == name).collect::<Vec<_>>();
        assert_eq!((of(LATEST).len(), of("eth_getCode").len()), (1, 1), "{method}: {batch:?}");
        assert_eq!(of(LATEST)[0]["params"][0], "latest");
        for selector in CALLS {
            let calls = of("eth_call").into_iter().filter(|call| call["params"][0].to_string().contains(selector));
            assert_eq!(calls.count(), 1, "{method}, {selector}: {batch:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_is_refused_at_its_limit() {
    let (world, _) = behind_a_node(V07).await;
    let node = Node::before(world.anvil.url().as_str());
    let chain = chain(&node);
    node.fail(Fault::Endless(|_| true));
    let error = chain.latest_block().await.unwrap_err();
    assert!(matches!(error, ChainError::AnswerTooLarge { limit } if limit > 1 << 20), "{error:?}");
    let limit = 80 << 20;
    assert!(node.sent() < limit, "{}", node.sent());
}

#[tokio::test]
async fn a_node_that_redirects_is_no_node() {
    let (world, elsewhere) = behind_a_node(V07).await;
    let node = Node::before(world.anvil.url().as_str());
    let moved = format!("307 Temporary Redirect\r\nlocation: {}", elsewhere.url());
    node.fail(Fault::Answers(moved.leak(), ""));
    let (chain, asked_before) = (chain(&node), elsewhere.asked(LATEST).len());
    let error = chain.latest_block().await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { .. }), "{error:?}");
    assert_eq!(elsewhere.asked(LATEST).len(), asked_before);
}

#[tokio::test]
async fn no_factory_is_run_for_an_account_that_is_deployed() {
    let (world, node) = behind_a_node(V09).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let first = world.sponsor(&mut dapp, &op).await.unwrap();
    assert_eq!(node.asked(RUNS_A_FACTORY).len(), 1);
    world.chain.entry_point.handle_ops(&first["userOperation"]).await.unwrap();

    let call_data = dapp.call_data(Address::repeat_byte(1));
    let draft = Draft { nonce: U256::from(1), ..dapp.draft(0, call_data) };
    world.sponsor(&mut dapp, &draft.to_json(V09)).await.unwrap();
    assert_eq!(node.asked(RUNS_A_FACTORY).len(), 1);
}

#[tokio::test]
async fn a_factory_gets_little_more_gas_than_the_operation_has_for_it() {
    let (world, node) = behind_a_node(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut draft = dapp.draft(0, dapp.call_data(Address::repeat_byte(1)));
    let enough = draft.gas.verification;
    world.sponsor(&mut dapp, &draft.to_json(V07)).await.unwrap();
    let gas = gas_of_factory(&node.asked(RUNS_A_FACTORY)[0]);
    assert!((enough..enough + 150_000).contains(&gas), "{gas}");

    // An operation whose gas the EntryPoint could not create the account with is refused as such.
    draft.gas.verification = 20_000;
    draft.nonce = U256::from(1) << 64;
    let refusal = world.sponsor(&mut dapp, &draft.to_json(V07)).await.unwrap_err();
    refusal.assert_is(-32500, "account_creation_failed", true);
}

/// The gas of the call that runs a factory, in a request that may be a batch.
fn gas_of_factory(body: &str) -> u64 {
    let request: Value = serde_json::from_str(body).unwrap();
    let calls = request.as_array().cloned().unwrap_or_else(|| vec![request]);
    let call = calls.iter().map(|call| &call["params"][0]).find(|call| call.to_string().contains(RUNS_A_FACTORY));
    let gas = call.unwrap()["gas"].as_str().unwrap();
    u64::from_str_radix(gas.trim_start_matches("0x"), 16).unwrap()
}

#[tokio::test]
async fn a_factory_that_takes_too_long_is_told_as_that_and_is_no_outage_of_the_chain() {
    let (world, node) = behind_a_node(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    node.fail(Fault::Slow(RUNS_A_FACTORY, Duration::from_secs(30)));
    let op = dapp.first_op(0);
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32500, "factory_not_run", true);
    assert_eq!(world.reserved().await, 0);
    world.try_to_release().await.unwrap();
    // Another nonce, and the same factory and data: it isn't run again for a moment.
    let next = dapp.first_op(1);
    let refusal = world.sponsor(&mut dapp, &next).await.unwrap_err();
    refusal.assert_is(-32500, "factory_not_run", true);
    assert_eq!(node.asked(RUNS_A_FACTORY).len(), 1);
    node.fail(Fault::None);
    let passkey = world.approval(&mut dapp, &op).await;
    until(async || world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.is_ok()).await;
}

#[tokio::test]
async fn slow_factories_of_one_address_keep_nobody_elses_account_from_being_made() {
    let mut node = None;
    let world = World::with(V07, ETHER, |settings| node = Some(Node::within(settings))).await;
    let (node, mut dapp) = (node.unwrap(), world.dapp(ACCOUNT).await);
    node.fail(Fault::Slow(SLOW_IN_HEX, Duration::from_secs(300)));
    let from = std::net::IpAddr::from([127, 0, 0, 2]);
    let attacker = devkit::http::builder().local_address(from).build().unwrap();
    for number in 0..24_u8 {
        let call = stub_with_a_slow_factory(&world, &dapp, number);
        tokio::spawn(attacker.post(world.client.url()).json(&call).send());
    }
    // By now each of them has requested the account, and then immediately a place.
    until(async || node.asked(LATEST).len() >= 24 && node.asked(SLOW_IN_HEX).len() >= 2).await;

    let op = dapp.first_op(100);
    let answer = timeout(Duration::from_secs(15), world.sponsor(&mut dapp, &op)).await;
    answer.expect("it waits for the attacker's factories").unwrap();
    assert_eq!(node.asked(SLOW_IN_HEX).len(), 2, "a quarter of the places");
}

fn stub_with_a_slow_factory(world: &World, dapp: &Dapp, number: u8) -> Value {
    let call_data = dapp.call_data(Address::repeat_byte(1));
    let draft = Draft { deploy: Some((SLOW, vec![number].into())), ..dapp.draft(number.into(), call_data) };
    let params = json!([draft.to_json(V07), world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
    json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_getPaymasterStubData", "params": params })
}

#[tokio::test]
async fn callers_that_hang_up_have_no_more_factories_run_at_once() {
    let mut node = None;
    let world = World::with(V07, ETHER, |settings| node = Some(Node::within(settings))).await;
    let (node, dapp) = (node.unwrap(), world.dapp(ACCOUNT).await);
    node.fail(Fault::Slow(SLOW_IN_HEX, Duration::from_secs(300)));
    for number in 0..2 {
        let call = stub_with_a_slow_factory(&world, &dapp, number);
        let sent = tokio::spawn(devkit::http::client().post(world.client.url()).json(&call).send());
        until(async || node.asked(SLOW_IN_HEX).len() > usize::from(number)).await;
        sent.abort();
    }
    // The node still has both, which are all that one address may have.
    let call = stub_with_a_slow_factory(&world, &dapp, 2);
    let third = tokio::spawn(devkit::http::client().post(world.client.url()).json(&call).send());
    let is_run = timeout(Duration::from_secs(2), until(async || node.asked(SLOW_IN_HEX).len() > 2)).await;
    assert!(is_run.is_err() && node.asked(LATEST).len() >= 3, "it is run beside those of callers that hung up");
    third.abort();
}

/// An operation of ours was mined after the last settlement, followed by that many blocks.
async fn mined_before(world: &World, blocks: u64) {
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap();
    world.anvil.mine(blocks).await.unwrap();
}

#[tokio::test]
async fn logs_that_are_over_the_limit_are_read_in_smaller_parts() {
    let (world, node) = behind_a_node(V07).await;
    mined_before(&world, 5).await;
    node.fail(Fault::Endless(is_for_several_blocks));
    world.relay.settler.settle().await.unwrap();
    assert_eq!(world.reserved().await, 0);
}

fn is_for_several_blocks(body: &str) -> bool {
    filter_of(body).is_some_and(|filter| filter["fromBlock"] != filter["toBlock"])
}

#[tokio::test]
async fn logs_that_are_not_read_in_time_are_no_outage_of_the_chain_and_fewer_blocks_are_asked_for_next() {
    let (world, node) = behind_a_node(V07).await;
    mined_before(&world, 40).await;
    let asked_before = node.asked(LOGS).len();
    node.fail(Fault::Slow(LOGS, Duration::from_secs(300)));
    let mut dapp = world.dapp("another").await;
    for nonce_key in 0..2 {
        world.relay.settler.settle().await.unwrap_err();
        let problem = world.problem("settlement").await.unwrap();
        assert!(problem.contains("were not read in time"), "{problem}");
        let op = dapp.first_op(nonce_key);
        world.sponsor(&mut dapp, &op).await.unwrap();
    }
    let widths: Vec<u64> = node.asked(LOGS)[asked_before..].iter().map(|body| blocks_asked_for(body)).collect();
    assert!(widths.len() == 2 && widths[1] <= widths[0].div_ceil(2), "{widths:?}");

    node.fail(Fault::None);
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(world.problem("settlement").await, None);
}

#[tokio::test]
async fn a_node_that_does_not_answer_wide_questions_for_logs_is_asked_for_fewer_blocks() {
    let (world, node) = behind_a_node(V07).await;
    mined_before(&world, 5).await;
    node.fail(Fault::AnswersTo(is_for_several_blocks, "<html>"));
    until(async || world.relay.settler.settle().await.is_ok()).await;
    assert_eq!(world.reserved().await, 0);
}

/// The log filter of a batch; `None` if it queries no logs.
fn filter_of(body: &str) -> Option<Value> {
    let request: Value = serde_json::from_str(body).unwrap();
    let logs = request.as_array()?.iter().find(|question| question["method"] == LOGS)?;
    Some(logs["params"][0].clone())
}

fn blocks_asked_for(body: &str) -> u64 {
    let filter = filter_of(body).unwrap();
    let block = |name: &str| {
        let number = filter[name].as_str().unwrap();
        u64::from_str_radix(number.trim_start_matches("0x"), 16).unwrap()
    };
    block("toBlock") - block("fromBlock") + 1
}

/// A host that disappeared silently, and its replacement: old connections are silent, new ones are
/// served. Counts the requests over the silent ones.
async fn moved_host(to: String) -> (Url, watch::Sender<bool>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (moved, unheard) = (watch::Sender::new(false), Arc::<AtomicUsize>::default());
    let (moves, count) = (moved.clone(), Arc::clone(&unheard));
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(&to).await.unwrap();
            let (is_new, mut moves, count) = (*moves.borrow(), moves.subscribe(), Arc::clone(&count));
            tokio::spawn(async move {
                if is_new {
                    return drop(copy_bidirectional(&mut client, &mut server).await);
                }
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => return,
                    _ = moves.wait_for(|moved| *moved) => {}
                }
                if client.read_u8().await.is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                std::future::pending::<()>().await;
            });
        }
    });
    (url, moved, unheard)
}

#[tokio::test]
async fn connections_to_a_host_that_is_gone_are_given_up_together() {
    let (world, _) = behind_a_node(V07).await;
    let (url, moved, unheard) = moved_host(world.anvil.url().authority().to_owned()).await;
    let settings = json!({ "chain_id": 31337, "rpc_url": url, "timeout_seconds": 2 });
    let chain = RpcChain::new(&serde_json::from_value(settings).unwrap()).unwrap();
    let asked = join_all((0..20).map(|_| chain.latest_block())).await;
    assert!(asked.iter().all(Result::is_ok), "{asked:?}");
    moved.send_replace(true);
    chain.latest_block().await.unwrap_err();
    until(async || chain.latest_block().await.is_ok()).await;
    assert!(unheard.load(Ordering::SeqCst) <= 2, "{unheard:?} connections were tried one after the other");
}
