//! Calls that are passed on to bundlers: which one is asked, what it receives, what comes back.

use devkit::EntryPointVersion::V07;
use paymaster_relay::clients::{KeyKind, NewApiKey, Origins, Scope};
use prometheus::{Encoder as _, TextEncoder};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::support::{Bundler, Client, Log, Other, Refusal, Says, World, deployment_json, nowhere, server, until};

const ETHER: u128 = 10u128.pow(18);
const ENTRY_POINT: &str = "0x0000000071727De22E5E9d8BAf0edAc6f37da032";
const OTHER_CONTRACT: &str = "0x1111111111111111111111111111111111111111";
const HASH: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";
const SEND: &str = "eth_sendUserOperation";
const ESTIMATE: &str = "eth_estimateUserOperationGas";
const RECEIPT: &str = "eth_getUserOperationReceipt";
const BY_HASH: &str = "eth_getUserOperationByHash";
const ENTRY_POINTS: &str = "eth_supportedEntryPoints";
/// A JSON-RPC error about the key.
const REFUSED: &str = r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"the key is not valid"}}"#;
const METHODS: [&str; 5] = [SEND, ESTIMATE, RECEIPT, BY_HASH, ENTRY_POINTS];

async fn world(urls: &[&str]) -> World {
    let bundler = json!({ "urls": urls, "timeout_seconds": 1 });
    World::with(V07, ETHER, |settings| settings["bundler"] = bundler).await
}

/// An operation with a field that this relay does not know.
fn op() -> Value {
    json!({ "sender": "0x00000000000000000000000000000000000000AA", "nonce": "0x0", "later": { "x": [1, null] } })
}

fn params(method: &str) -> Value {
    match method {
        SEND | ESTIMATE => json!([op(), ENTRY_POINT]),
        RECEIPT | BY_HASH => json!([HASH]),
        _ => json!([]),
    }
}

/// The body of the answer to a call.
async fn text(client: &Client, method: &str, params: &Value) -> String {
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    client.post(call.to_string(), &[]).await.text().await.unwrap()
}

async fn result(world: &World, method: &str) -> Value {
    world.client.call(method, params(method)).await.unwrap()
}

async fn refusal(world: &World, method: &str) -> Refusal {
    world.client.call(method, params(method)).await.unwrap_err()
}

fn methods(bundler: &Bundler) -> Vec<String> {
    bundler.asked().iter().map(|call| call["method"].as_str().unwrap().to_owned()).collect()
}

fn metrics(world: &World) -> String {
    let mut text = Vec::new();
    TextEncoder::new().encode(&world.registry.gather(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn calls_are_passed_on_as_they_came_and_results_come_back_as_they_are() {
    // Spaces, the order of keys, and digits that no float has.
    const ODD: &str = r#"{ "z": 1.10,  "a": 123456789012345678901234567890, "z2": "A\u0042" }"#;
    let bundler = Bundler::start();
    let world = world(&[bundler.url()]).await;
    bundler.answers(Says::Result(ODD.to_owned()));
    for method in METHODS {
        let answer = text(&world.client, method, &params(method)).await;
        assert!(answer.contains(&format!("\"result\":{ODD}")), "{answer}");
        let asked = bundler.asked().pop().unwrap();
        assert_eq!((&asked["method"], &asked["params"]), (&json!(method), &params(method)));
    }
    let overrides = json!({ "0x00000000000000000000000000000000000000aa": { "balance": "0x1", "later": [] } });
    let with_overrides = json!([op(), ENTRY_POINT, overrides]);
    text(&world.client, ESTIMATE, &with_overrides).await;
    assert_eq!(bundler.asked().pop().unwrap()["params"], with_overrides);
    // As everywhere, null is what was not sent.
    text(&world.client, ESTIMATE, &json!([op(), ENTRY_POINT, null])).await;
    assert_eq!(bundler.asked().pop().unwrap()["params"], params(ESTIMATE));
    for (method, answer) in [(RECEIPT, Value::Null), (SEND, json!(HASH)), (ENTRY_POINTS, json!([ENTRY_POINT]))] {
        bundler.answers(Says::Result(answer.to_string()));
        assert_eq!(result(&world, method).await, answer);
    }
}

#[tokio::test]
async fn a_bundlers_own_error_is_kept_and_no_other_bundler_is_asked() {
    const ERROR: &str = r#"{"code":-32521,"message":"UserOperation reverted during simulation with reason: 0x","data":{"b":1,"a":[ "0x08c379a0" ]}}"#;
    const IN_HTTP: &str = r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"missing/invalid userOpHash"}}"#;
    let (first, second) = (Bundler::start(), Bundler::start());
    let world = world(&[first.url(), second.url()]).await;
    for method in METHODS {
        first.answers(Says::Error(ERROR.to_owned()));
        let answer = text(&world.client, method, &params(method)).await;
        assert!(answer.contains(&format!("\"error\":{ERROR}")), "{answer}");
        // Some answer errors with such a status.
        first.answers(Says::Http("400 Bad Request", IN_HTTP));
        let answer: Value = serde_json::from_str(&text(&world.client, method, &params(method)).await).unwrap();
        assert_eq!(answer["error"], json!({ "code": -32602, "message": "missing/invalid userOpHash" }));
    }
    assert_eq!(methods(&first).len(), 10);
    assert_eq!(methods(&second), Vec::<String>::new());
    let said = metrics(&world);
    for method in METHODS {
        let counted = format!("relay_requests_total{{method=\"{method}\",reason=\"bundler_refused\"}} 2");
        assert!(said.contains(&counted), "{said}");
    }
    assert!(
        said.contains(r#"relay_bundler_requests_total{bundler="1",chain_id="31337",outcome="refused"} 10"#),
        "{said}"
    );
}

#[tokio::test]
async fn keys_in_the_url_are_not_in_a_bundlers_error() {
    const KEY: &str = "0123456789abcdef0123";
    let (bundler, node) = (Bundler::start(), "https://node.example.org/v2/");
    let url = format!("{}/v1/{KEY}?apikey=secret-secret-secret", bundler.url());
    let world = world(&[&url]).await;
    let text = |key: &str, other: &str| {
        let message = format!("fetch failed: {node}{key}, {other}");
        json!({ "code": -32008, "message": message, "data": { "url": [other] } })
    };
    bundler.answers(Says::Error(text(KEY, "secret-secret-secret").to_string()));
    for method in METHODS {
        let answer = self::text(&world.client, method, &params(method)).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        // Its code is its own, too, although the relay has one of the same number.
        assert_eq!(answer["error"], text("[redacted]", "[redacted]"), "{method}");
    }
}

#[tokio::test]
async fn a_query_goes_to_the_next_bundler_if_one_does_not_answer() {
    for fault in [
        Says::Http("503 Service Unavailable", ""),
        Says::Http("500 Internal Server Error", r#"{"jsonrpc":"2.0","id":ID,"result":"0x1"}"#),
        Says::Http("429 Too Many Requests", ""),
        Says::Http("401 Unauthorized", "no"),
        Says::Http("403 Forbidden", REFUSED),
        Says::Http("302 Found", ""),
        Says::Http("200 OK", "<html>"),
        Says::Error(r#"{"code":4294967296,"message":"no code of JSON-RPC"}"#.to_owned()),
        Says::HangsUp,
        Says::Nothing,
        Says::Long(1 << 21),
    ] {
        let (first, second) = (Bundler::start(), Bundler::start());
        let world = world(&[first.url(), second.url()]).await;
        first.answers(fault.clone());
        second.answers(Says::Result("\"second\"".to_owned()));
        for method in [ESTIMATE, RECEIPT, BY_HASH, ENTRY_POINTS] {
            assert_eq!(result(&world, method).await, "second", "{fault:?}");
        }
        assert_eq!(methods(&first), methods(&second), "it answers for its chain, and stays preferred: {fault:?}");
        let said = metrics(&world);
        for (number, outcome) in [(1, "unanswered"), (2, "answered")] {
            let labels = format!("bundler=\"{number}\",chain_id=\"31337\",outcome=\"{outcome}\"");
            assert!(said.contains(&format!("relay_bundler_requests_total{{{labels}}} 4")), "{fault:?}: {said}");
        }
    }
}

#[tokio::test]
async fn an_operation_goes_to_another_bundler_only_if_it_was_not_sent_to_the_one_before() {
    let second = Bundler::start();
    second.answers(Says::Result(format!("\"{HASH}\"")));
    let first = nowhere();
    let world = world(&[&first, second.url()]).await;
    assert_eq!(result(&world, SEND).await, HASH);
    assert_eq!(methods(&second), [SEND]);

    for refusal in [
        Says::Http("429 Too Many Requests", ""),
        Says::Http("429 Too Many Requests", REFUSED),
        Says::Http("401 Unauthorized", "no"),
        Says::Http("402 Payment Required", REFUSED),
        Says::Http("403 Forbidden", REFUSED),
        Says::Http("404 Not Found", ""),
    ] {
        let first = Bundler::start();
        let world = self::world(&[first.url(), second.url()]).await;
        first.answers(refusal.clone());
        assert_eq!(result(&world, SEND).await, HASH, "{refusal:?}");
        assert_eq!(methods(&first), [SEND], "{refusal:?}");
    }

    for fault in [
        Says::Http("503 Service Unavailable", ""),
        Says::Http("408 Request Timeout", ""),
        Says::Http("200 OK", "<html>"),
        Says::HangsUp,
        Says::Nothing,
        Says::Long(1 << 21),
    ] {
        let (first, second) = (Bundler::start(), Bundler::start());
        let world = self::world(&[first.url(), second.url()]).await;
        first.answers(fault.clone());
        let refusal = refusal(&world, SEND).await;
        // None of the codes with which viem sends it again.
        refusal.assert_is(-32051, "bundler_unavailable", true);
        assert!(refusal.message.contains("may have taken the operation"), "{refusal:?}");
        assert_eq!((methods(&first), methods(&second)), (vec![SEND.to_owned()], Vec::new()), "{fault:?}");
    }
}

#[tokio::test]
async fn a_bundler_that_does_not_answer_at_all_is_passed_over_until_it_does() {
    let (first, second) = (Bundler::start(), Bundler::start());
    let world = world(&[first.url(), second.url()]).await;
    let log = Log::start();
    first.fails(Says::Nothing);
    second.answers(Says::Result("\"second\"".to_owned()));
    assert_eq!(result(&world, RECEIPT).await, "second");
    let outage = "the bundler at relay.bundler.urls (number 1) does not answer: the bundler at relay.bundler.urls \
                  (number 1) did not answer in time (relay.bundler.timeout_seconds)";
    until(async || !log.lines(outage).is_empty()).await;
    // Operations too: nothing of them is sent to the first.
    let before = methods(&first).len();
    assert_eq!(result(&world, SEND).await, "second");
    assert_eq!(methods(&first).len(), before);

    first.answers(Says::Result("\"first\"".to_owned()));
    until(async || result(&world, RECEIPT).await == "first").await;
}

#[tokio::test]
async fn if_no_bundler_answers_the_call_is_refused_as_retryable_until_one_does() {
    let bundler = Bundler::start();
    let url = format!("{}/secret?apikey=secret", bundler.url().replace("http://", "http://user:secret@"));
    let world = world(&[&url, &nowhere()]).await;
    let log = Log::start();
    for fault in [Says::Http("502 Bad Gateway", "secret"), Says::Nothing, Says::Http("200 OK", "secret")] {
        bundler.fails(fault);
        for method in [ESTIMATE, RECEIPT, BY_HASH, ENTRY_POINTS] {
            let refusal = refusal(&world, method).await;
            refusal.assert_is(-32603, "bundler_unavailable", true);
            assert_eq!(refusal.message, "no bundler answers now");
        }
    }
    // Now that both are known to be down, neither has the operation.
    refusal(&world, SEND).await.assert_is(-32603, "bundler_unavailable", true);
    assert!(!log.lines("no bundler answers now: the bundler at relay.bundler.urls (number 1)").is_empty());
    assert_eq!(log.lines("secret"), Vec::<String>::new());
    assert!(!format!("{:?}", world.relay.parts.chains).contains("secret"));
    bundler.answers(Says::Result("null".to_owned()));
    until(async || world.client.call(RECEIPT, json!([HASH])).await.is_ok()).await;
}

#[tokio::test]
async fn an_expensive_call_that_takes_too_long_is_no_outage_for_others() {
    let bundler = Bundler::start();
    let world = world(&[bundler.url()]).await;
    bundler.answers_to(ESTIMATE, Says::Nothing);
    for _ in 0..2 {
        refusal(&world, ESTIMATE).await.assert_is(-32603, "bundler_unavailable", true);
        assert_eq!(result(&world, RECEIPT).await, Value::Null);
    }
    assert_eq!(methods(&bundler), [ESTIMATE, RECEIPT, ESTIMATE, RECEIPT]);
}

#[tokio::test]
async fn parameters_of_another_shape_are_refused_and_not_passed_on() {
    let bundler = Bundler::start();
    let world = world(&[bundler.url()]).await;
    let long = json!({ "list": vec!["0x"; 600] });
    for (method, params, field) in [
        (SEND, json!([]), "userOperation"),
        (SEND, json!(["0x", ENTRY_POINT]), "userOperation"),
        (SEND, json!([op()]), "entryPoint"),
        (SEND, json!([op(), "0x1"]), "entryPoint"),
        (SEND, json!([op(), ENTRY_POINT, {}]), "params"),
        (SEND, json!([long, ENTRY_POINT]), "params"),
        (ESTIMATE, json!([op(), ENTRY_POINT, "latest"]), "stateOverrides"),
        (RECEIPT, json!([]), "userOpHash"),
        (RECEIPT, json!(["0x11"]), "userOpHash"),
        (BY_HASH, json!([7]), "userOpHash"),
        (ENTRY_POINTS, json!([1]), "params"),
    ] {
        let refusal = world.client.call(method, params.clone()).await.unwrap_err();
        refusal.assert_is(-32602, "invalid_field", false);
        assert_eq!(refusal.data["field"], field, "{method} {params}");
    }
    assert_eq!(methods(&bundler), Vec::<String>::new());
}

#[tokio::test]
async fn operations_that_a_bundler_leaves_unanswered_go_to_another_although_it_answers_cheap_calls() {
    const ERROR: &str = r#"{"code":-32507,"message":"AA25 invalid account nonce"}"#;
    let log = Log::start();
    let (first, second) = (Bundler::start(), Bundler::start());
    let world = world(&[first.url(), second.url()]).await;
    second.answers_to(SEND, Says::Result(json!(HASH).to_string()));
    for _ in 0..3 {
        // That takes no simulation, so a bundler can do it while its backend is down.
        first.answers_to(SEND, Says::Error(ERROR.to_owned()));
        let answer = text(&world.client, SEND, &params(SEND)).await;
        assert!(answer.contains(ERROR), "{answer}");
        first.answers_to(SEND, Says::Http("503 Service Unavailable", ""));
        refusal(&world, SEND).await.assert_is(-32051, "bundler_unavailable", true);
    }
    for _ in 0..3 {
        assert_eq!(result(&world, SEND).await, json!(HASH));
    }
    assert_eq!(methods(&first).iter().filter(|method| *method == SEND).count(), 6);
    let lines = log.lines("leaves operations unanswered, and others are asked first");
    assert!(lines.len() == 1 && lines[0].contains("number 1"), "{lines:?}");
    let looks = world.relay.readiness.bundlers().await;
    let problem = looks[0].problem.as_ref().unwrap();
    assert!(
        problem.ends_with("left 3 operations unanswered since it accepted one") && looks[1].problem.is_none(),
        "{looks:?}"
    );
    assert_eq!(world.problem("bundler").await, None);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_hide_an_operation_that_was_left_unanswered() {
    let (first, second) = (Bundler::start(), Bundler::start());
    let world = world(&[first.url(), second.url()]).await;
    first.answers_to(SEND, Says::Nothing);
    second.answers_to(SEND, Says::Result(json!(HASH).to_string()));
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": SEND, "params": params(SEND) });
    for count in 1..=3 {
        let calling = tokio::spawn(devkit::http::client().post(world.client.url()).json(&body).send());
        until(async || methods(&first).iter().filter(|method| *method == SEND).count() == count).await;
        calling.abort();
    }
    // The last one is given up a second later.
    until(async || world.relay.readiness.bundlers().await[0].problem.is_some()).await;
    assert_eq!(result(&world, SEND).await, json!(HASH));
}

#[tokio::test]
async fn a_relay_without_bundlers_says_so() {
    let world = World::new(V07).await;
    for method in METHODS {
        let refusal = refusal(&world, method).await;
        refusal.assert_is(-32601, "bundler_not_configured", false);
        assert_eq!(refusal.message, "this relay has no bundler: send this call to a bundler's own URL");
    }
    let status = world.relay.readiness.status().await;
    assert!(status.iter().all(|check| check.name != "bundler"), "{status:?}");
    assert_eq!(world.relay.readiness.bundlers().await, []);
}

#[tokio::test]
async fn calls_need_the_scope_of_a_key_and_count_against_its_rate() {
    let bundler = Bundler::start();
    let urls = json!([bundler.url()]);
    let world = World::with(V07, ETHER, |settings| {
        settings["bundler"] = json!({ "urls": urls });
        settings["rpc"] = json!({ "require_api_key": true });
    })
    .await;
    refusal(&world, RECEIPT).await.assert_is(-32050, "unauthorised", false);
    let page = NewApiKey {
        kind: KeyKind::Publishable,
        policies: vec!["default".to_owned()],
        origins: Origins::any(),
        ..server()
    };
    let bundler_only = vec![Scope::Bundler];
    let slow = Some("4/min".parse().unwrap());
    for (key, refused) in [
        (server(), None),
        (NewApiKey { scopes: bundler_only.clone(), ..server() }, None),
        (NewApiKey { scopes: vec![Scope::Sponsor], ..server() }, Some("scope_missing")),
        (page.clone(), Some("scope_missing")),
        (NewApiKey { scopes: bundler_only.clone(), ..page.clone() }, None),
        (NewApiKey { scopes: bundler_only, rate: slow, ..server() }, Some("rate_limited")),
    ] {
        let (made, text) = world.api_keys.generate(key).await.unwrap();
        let client = Client::new(format!("{}/rpc/{}", world.client.url(), text.expose_secret()));
        let mut reasons = Vec::new();
        for method in METHODS {
            let outcome = client.call(method, params(method)).await;
            reasons.extend(outcome.err().map(|refusal| refusal.reason().to_owned()));
        }
        match refused {
            None => assert_eq!(reasons, Vec::<String>::new(), "{made:?}"),
            Some("rate_limited") => assert_eq!(reasons, ["rate_limited"]),
            Some(reason) => assert_eq!(reasons, vec![reason; 5], "{made:?}"),
        }
    }
}

#[tokio::test]
async fn each_chain_has_its_own_bundlers_and_the_path_chooses() {
    const OTHER: u64 = 31338;
    const THIRD: u64 = 31339;
    let (other, third) = (Other::new(OTHER, V07, ETHER).await, Other::new(THIRD, V07, ETHER).await);
    let (here, there) = (Bundler::start(), Bundler::of_chain(OTHER));
    let world = World::beside(&[&other, &third], V07, ETHER, |settings| {
        let mut chains = vec![settings.as_object_mut().unwrap().remove("chain").unwrap()];
        settings["deployments"][0]["chain_id"] = 31337.into();
        for (id, other) in [(OTHER, &other), (THIRD, &third)] {
            let mut chain = chains[0].clone();
            (chain["chain_id"], chain["rpc_url"]) = (id.into(), other.anvil.url().as_str().into());
            chains.push(chain);
            let mut deployment = deployment_json(V07, &other.chain, &other.paymaster);
            deployment["chain_id"] = id.into();
            settings["deployments"].as_array_mut().unwrap().push(deployment);
        }
        chains[0]["bundler"] = json!({ "urls": [here.url()] });
        chains[1]["bundler"] = json!({ "urls": [nowhere(), there.url()], "timeout_seconds": 5 });
        settings["chains"] = chains.into();
    })
    .await;
    let at = |chain_id: u64| Client::new(format!("{}/rpc/{chain_id}", world.client.url()));
    for (chain_id, asked) in [(31337, [1, 0]), (OTHER, [1, 1])] {
        assert_eq!(at(chain_id).call(RECEIPT, json!([HASH])).await.unwrap(), Value::Null);
        assert_eq!([methods(&here).len(), methods(&there).len()], asked);
    }
    let refusal = at(THIRD).call(RECEIPT, json!([HASH])).await.unwrap_err();
    refusal.assert_is(-32601, "bundler_not_configured", false);
    assert!(refusal.message.contains("no bundler for chain 31339"), "{refusal:?}");
    self::refusal(&world, RECEIPT).await.assert_is(-32602, "chain_missing", false);

    let status = world.relay.readiness.status().await;
    let told: Vec<_> = status.iter().filter(|check| check.name == "bundler").map(ToString::to_string).collect();
    assert_eq!(told, ["chain 31337: bundler: ok", "chain 31338: bundler: ok"]);
    let each: Vec<_> = world.relay.readiness.bundlers().await.iter().map(ToString::to_string).collect();
    let silent = "chain 31338: bundler: the bundler at relay.chains.bundler.urls of chain 31338 (number 1) cannot be \
                  reached: Connection refused";
    assert_eq!(each.len(), 3, "{each:?}");
    assert!(each[1].starts_with(silent), "{each:?}");
}

#[tokio::test]
async fn the_status_names_bundlers_of_another_chain_and_silent_ones_if_none_answers() {
    let first = Bundler::start();
    let world = world(&[first.url(), &nowhere()]).await;
    assert_eq!(world.problem("bundler").await, None);
    first.fails(Says::Result("\"0x1\"".to_owned()));
    let expected = "the bundler at relay.bundler.urls (number 1) serves chain 1, and not 31337";
    let problem = world.problem("bundler").await.unwrap();
    assert!(problem.starts_with(expected), "{problem}");
    first.fails(Says::Error(r#"{"code":-32601,"message":"not here"}"#.to_owned()));
    let problem = world.problem("bundler").await.unwrap();
    assert!(problem.contains("(number 1) answered -32601: not here; the bundler at"), "{problem}");
    assert!(problem.contains("(number 2) cannot be reached"), "{problem}");
}

#[tokio::test]
async fn the_status_names_what_is_no_bundler_of_ours_even_if_another_one_answers() {
    let (first, second) = (Bundler::start(), Bundler::start());
    let world = world(&[first.url(), second.url()]).await;
    assert_eq!(world.problem("bundler").await, None);
    for (says, problem) in [
        // A node.
        (Says::Error(r#"{"code":-32601,"message":"no such method"}"#.to_owned()), "answered -32601: no such method"),
        (Says::Result(format!("[\"{OTHER_CONTRACT}\"]")), "supports none of the EntryPoints of relay.deployments"),
        (Says::Http("401 Unauthorized", REFUSED), "answered HTTP status 401"),
    ] {
        first.answers(says);
        let expected = format!("the bundler at relay.bundler.urls (number 1) {problem}");
        assert_eq!(world.problem("bundler").await, Some(expected));
    }
}
