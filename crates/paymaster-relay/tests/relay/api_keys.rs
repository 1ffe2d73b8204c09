//! API keys: how they are sent, what they allow, and when they end.

use std::time::Duration;

use devkit::EntryPointVersion::V07;
use jsonrpsee::core::client::ClientT;
use jsonrpsee::rpc_params;
use jsonrpsee_ws_client::{WsClient, WsClientBuilder};
use paymaster_relay::clients::{ApiKey, ApiKeyError, KeyKind, NewApiKey, Origins, Rate, Scope};
use paymaster_relay::ports::Clock;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{ACCOUNT, Refusal, World, server};

async fn closed() -> World {
    World::with(V07, 10u128.pow(18), |settings| settings["rpc"] = json!({ "require_api_key": true })).await
}

async fn generate(world: &World, new: NewApiKey) -> (ApiKey, String) {
    let (key, text) = world.api_keys.generate(new).await.unwrap();
    (key, text.expose_secret().to_owned())
}

/// The answer to a call, with this path and these headers.
async fn ask(world: &World, path: &str, headers: &[(&str, &str)], method: &str, params: Value) -> Value {
    let call = json!({ "jsonrpc": "2.0", "id": "a", "method": method, "params": params });
    let mut request = devkit::http::client().post(format!("{}{path}", world.client.url())).json(&call);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "a refusal is an answer, whose body every client reads");
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["id"], "a", "clients wait for their id");
    answer
}

async fn chain_id(world: &World, path: &str, headers: &[(&str, &str)]) -> Value {
    ask(world, path, headers, "eth_chainId", json!([])).await
}

async fn refused(world: &World, key: &str, method: &str, params: Value) -> Refusal {
    Refusal::of(&ask(world, &format!("/rpc/{key}"), &[], method, params).await["error"])
}

#[tokio::test]
async fn a_key_is_taken_from_either_header_and_from_the_path() {
    let world = closed().await;
    let (_, key) = generate(&world, server()).await;
    assert!(key.starts_with("srk_") && key.len() == 47, "{key}");
    let bearer = format!("Bearer {key}");
    for (path, headers) in [
        ("/".to_owned(), vec![("authorization", bearer.as_str())]),
        ("/rpc".to_owned(), vec![("authorization", &bearer.replace("Bearer", "bearer"))]),
        ("/".to_owned(), vec![("x-api-key", key.as_str())]),
        (format!("/rpc/{key}"), vec![]),
        (format!("/rpc/31337/{key}"), vec![]),
        (format!("/rpc/0x7a69/{key}/"), vec![("x-api-key", key.as_str())]),
    ] {
        assert_eq!(chain_id(&world, &path, &headers).await["result"], "0x7a69", "{headers:?}");
    }
}

#[tokio::test]
async fn without_a_key_or_with_a_wrong_one_every_call_is_refused_by_its_id() {
    let world = closed().await;
    let (_, key) = generate(&world, server()).await;
    let (_, other) = generate(&world, server()).await;
    let bearer = format!("Bearer {key}");
    let wrong = key.replace("srk_", "srk_0");
    for (path, headers, words) in [
        ("/".to_owned(), vec![], "required"),
        ("/rpc/31337".to_owned(), vec![], "required"),
        ("/".to_owned(), vec![("authorization", "Bearer wrong")], "unknown"),
        ("/".to_owned(), vec![("authorization", "Basic wrong")], "required"),
        ("/".to_owned(), vec![("authorization", key.as_str())], "required"),
        ("/".to_owned(), vec![("x-api-key", "wrong")], "unknown"),
        (format!("/rpc/{wrong}"), vec![], "unknown"),
        (format!("/rpc/{other}"), vec![("authorization", bearer.as_str())], "different"),
        ("/".to_owned(), vec![("authorization", &bearer), ("x-api-key", &other)], "different"),
    ] {
        let refusal = Refusal::of(&chain_id(&world, &path, &headers).await["error"]);
        refusal.assert_is(-32050, "unauthorised", false);
        assert!(refusal.message.contains(words), "{refusal:?}");
        for secret in [&key, &other, &wrong] {
            assert!(!format!("{refusal:?}").contains(secret.as_str()), "{refusal:?}");
        }
    }
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" }, { "jsonrpc": "2.0", "id": 2, "method": "pm_steal" },
    ]);
    let answers: Vec<Value> = world.client.post(batch.to_string(), &[]).await.json().await.unwrap();
    assert_eq!([&answers[0]["id"], &answers[1]["id"]], [1, 2]);
    assert!(answers.iter().all(|answer| answer["error"]["data"]["reason"] == "unauthorised"), "{answers:?}");
    let socket = world.client.url().replace("http", "ws");
    assert!(WsClientBuilder::default().build(&socket).await.is_err());
    assert!(WsClientBuilder::default().build(&format!("{socket}/rpc/{key}")).await.is_ok());
}

#[tokio::test]
async fn a_wrong_key_is_refused_where_none_is_needed_too() {
    let world = World::new(V07).await;
    assert_eq!(chain_id(&world, "/", &[]).await["result"], "0x7a69");
    let refusal = Refusal::of(&chain_id(&world, "/rpc/srk_wrong", &[]).await["error"]);
    refusal.assert_is(-32050, "unauthorised", false);
}

#[tokio::test]
async fn the_chain_in_the_path_is_the_relays() {
    let world = World::new(V07).await;
    for path in ["/rpc/1", "/rpc/0x1", "/rpc/1/srk_any"] {
        let refusal = Refusal::of(&chain_id(&world, path, &[]).await["error"]);
        refusal.assert_is(-32602, "wrong_chain", false);
        assert_eq!(refusal.data["supported"], json!(["31337"]));
    }
    for path in ["/v1", "/rpc/mainnet", "/rpc/31337/key"] {
        let response = devkit::http::client().post(format!("{}{path}", world.client.url())).json(&json!({})).send();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 404);
        let answer: Value = response.json().await.unwrap();
        Refusal::of(&answer["error"]).assert_is(-32600, "path_not_found", false);
    }
}

#[tokio::test]
async fn the_keys_of_the_settings_are_those_of_servers() {
    let hash = hex::encode(Sha256::digest("open sesame"));
    let world = World::with(V07, 1, |settings| settings["rpc"] = json!({ "api_key_hashes": [hash] })).await;
    assert_eq!(chain_id(&world, "/", &[("authorization", "Bearer open sesame")]).await["result"], "0x7a69");
    assert_eq!(chain_id(&world, "/", &[]).await["error"]["data"]["reason"], "unauthorised");
    assert!(world.api_keys.list().is_empty(), "they are not stored");
    let error = world.api_keys.revoke(&hash[..16]).await.unwrap_err();
    assert!(matches!(error, ApiKeyError::OfSettings { .. }), "{error}");
    assert_eq!(chain_id(&world, "/", &[("x-api-key", "open sesame")]).await["result"], "0x7a69");
}

#[tokio::test]
async fn a_revocation_is_heard_at_once_by_open_web_sockets_too_and_outlives_a_restart() {
    let world = closed().await;
    let (key, text) = generate(&world, server()).await;
    let path = format!("/rpc/{text}");
    let socket = format!("{}{path}", world.client.url().replace("http", "ws"));
    let socket = WsClientBuilder::default().build(&socket).await.unwrap();
    let _: String = socket.request("eth_chainId", rpc_params![]).await.unwrap();

    assert_eq!(world.api_keys.revoke(key.id.as_str()).await.unwrap(), key.id);
    let jsonrpsee::core::client::Error::Call(error) =
        socket.request::<String, _>("eth_chainId", rpc_params![]).await.unwrap_err()
    else {
        panic!("no answer to a call")
    };
    assert_eq!((error.code(), error.message()), (-32050, "the API key was revoked"));
    assert_eq!(chain_id(&world, &path, &[]).await["error"]["data"]["reason"], "unauthorised");

    let world = world.restarted().await;
    assert_eq!(chain_id(&world, &path, &[]).await["error"]["message"], "the API key was revoked");
    assert!(world.api_keys.list()[0].revoked_at.is_some());
    let pasted = world.api_keys.revoke(&text).await.unwrap_err();
    assert_eq!(pasted.to_string(), "that is a key, not an id: see `api-key list`");
    let unknown = world.api_keys.revoke("nobody").await.unwrap_err();
    assert!(matches!(unknown, ApiKeyError::Unknown { .. }), "{unknown}");
}

#[tokio::test]
async fn a_revocation_that_cannot_be_recorded_holds_at_once_and_says_so() {
    let world = closed().await;
    let (key, text) = generate(&world, server()).await;
    world.store.database().close().await;
    let error = world.api_keys.revoke(key.id.as_str()).await.unwrap_err();
    assert!(matches!(error, ApiKeyError::NotRecorded { .. }), "{error}");
    assert_eq!(chain_id(&world, &format!("/rpc/{text}"), &[]).await["error"]["message"], "the API key was revoked");
}

#[tokio::test]
async fn an_expired_key_is_called_that() {
    let world = closed().await;
    let (key, text) = generate(&world, NewApiKey { valid_for_seconds: Some(60), ..server() }).await;
    let path = format!("/rpc/{text}");
    assert_eq!(key.expires_at, Some(world.clock.now() + 60));
    assert_eq!(chain_id(&world, &path, &[]).await["result"], "0x7a69");
    world.clock.advance(60);
    let refusal = Refusal::of(&chain_id(&world, &path, &[]).await["error"]);
    refusal.assert_is(-32050, "api_key_expired", false);
}

#[tokio::test]
async fn a_key_calls_what_its_scopes_name_and_public_facts() {
    let world = closed().await;
    let (_, text) = generate(&world, NewApiKey { scopes: vec![Scope::Sponsor], ..server() }).await;
    for method in ["pm_supportedEntryPoints", "pm_chainId", "web3_clientVersion"] {
        let answer = ask(&world, &format!("/rpc/{text}"), &[], method, json!([])).await;
        assert!(answer.get("result").is_some(), "{answer}");
    }
    let refusal = refused(&world, &text, "pm_get_account_info", json!([ACCOUNT])).await;
    refusal.assert_is(-32050, "scope_missing", false);
    assert_eq!((&refusal.data["required"], &refusal.data["supported"]), (&json!("accounts"), &json!(["sponsor"])));
    let refusal = refused(&world, &text, "pm_getSponsorshipIntent", json!([{}, ACCOUNT])).await;
    refusal.assert_is(-32602, "invalid_field", false);
}

#[tokio::test]
async fn a_key_chooses_among_its_policies_and_the_first_is_its_default() {
    let world = World::with(V07, 10u128.pow(18), |settings| {
        let policy = |id: &str, cost: &str| json!({ "id": id, "max_cost_per_operation": cost });
        settings["policies"] = json!([policy("dear", "100000000000000000"), policy("cheap", "1"), policy("free", "2")]);
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let params = |policy: Value| json!([op, ACCOUNT, passkey, { "policyId": policy }]);
    let new = NewApiKey { policies: vec!["cheap".to_owned(), "free".to_owned()], ..server() };
    let (_, text) = generate(&world, new).await;

    for (policy, by) in [(Value::Null, "cheap"), (json!("cheap"), "cheap"), (json!("free"), "free")] {
        let refusal = refused(&world, &text, "pm_sponsor_with_tee", params(policy)).await;
        refusal.assert_is(-32501, "cost_above_policy", false);
        assert_eq!(refusal.data["policyId"], by);
    }
    for policy in ["dear", "nobody's", &"x".repeat(100_000)] {
        let context = json!({ "accountId": ACCOUNT, "policyId": policy });
        for (method, params) in [
            ("pm_sponsor_with_tee", params(json!(policy))),
            ("pm_getSponsorshipIntent", json!([op, ACCOUNT, { "policyId": policy }])),
            ("pm_getPaymasterStubData", json!([op, world.entry_point(), "0x7a69", context])),
        ] {
            let refusal = refused(&world, &text, method, params).await;
            refusal.assert_is(-32050, "policy_not_allowed", false);
            assert_eq!(refusal.data["supported"], json!(["cheap", "free"]), "{method}");
            assert!(refusal.message.len() < 300, "{refusal:?}");
        }
    }
    let info = ask(&world, &format!("/rpc/{text}"), &[], "pm_get_account_info", json!([ACCOUNT])).await;
    let limits = info["result"]["limits"].as_array().unwrap();
    assert_eq!(limits.iter().map(|limit| &limit["policyId"]).collect::<Vec<_>>(), ["cheap", "free"]);
    assert_eq!(world.sponsorships(), 0);
}

#[tokio::test]
async fn a_quota_is_counted_by_call_and_outlives_a_restart() {
    let world = closed().await;
    let (_, text) = generate(&world, NewApiKey { quota: Some(3), ..server() }).await;
    let info = || json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_get_account_info", "params": ["nobody"] });
    let answers: Vec<Value> =
        world.client.post(json!([info(), info()]).to_string(), &[("x-api-key", &text)]).await.json().await.unwrap();
    assert!(answers.iter().all(|answer| answer["error"]["data"]["reason"] == "account_unknown"), "{answers:?}");
    world.api_keys.save_usage().await.unwrap();

    let world = world.restarted().await;
    assert_eq!(
        (world.api_keys.list()[0].usage.calls, world.api_keys.list()[0].usage.last_used_at),
        (2, Some(world.clock.now()))
    );
    refused(&world, &text, "pm_get_account_info", json!(["nobody"])).await.assert_is(-32602, "account_unknown", true);
    let refusal = refused(&world, &text, "pm_get_account_info", json!(["nobody"])).await;
    refusal.assert_is(-32504, "quota_exhausted", true);
    let reset_at = refusal.data["resetAt"].as_u64().unwrap();
    assert_eq!((&refusal.data["limit"], reset_at % 86_400), (&json!("3"), 0));
    assert_eq!(
        chain_id(&world, &format!("/rpc/{text}"), &[]).await["result"],
        "0x7a69",
        "public facts are not counted"
    );
    world.clock.advance(reset_at - world.clock.now());
    refused(&world, &text, "pm_get_account_info", json!(["nobody"])).await.assert_is(-32602, "account_unknown", true);
}

#[tokio::test]
async fn a_clock_that_jumps_a_day_ahead_and_back_gives_a_quota_once_also_over_a_restart() {
    let world = closed().await;
    let (_, text) = generate(&world, NewApiKey { quota: Some(2), ..server() }).await;
    let today = world.clock.now();
    let ask = async |world: &World| refused(world, &text, "pm_get_account_info", json!(["nobody"])).await;
    assert_eq!(ask(&world).await.reason(), "account_unknown");
    world.clock.set(today + 86_400);
    assert_eq!(ask(&world).await.reason(), "account_unknown");
    world.api_keys.save_usage().await.unwrap();
    let world = world.restarted().await;
    world.clock.set(today);
    for reason in ["account_unknown", "quota_exhausted"] {
        assert_eq!(ask(&world).await.reason(), reason);
    }
}

#[tokio::test]
async fn a_key_that_calls_too_fast_is_refused_call_by_call_until_the_second_it_is_told() {
    let world = closed().await;
    let rate = Some(Rate { per_minute: 30, burst: 3 });
    let (key, text) = generate(&world, NewApiKey { rate, quota: Some(5), ..server() }).await;
    let listed = |world: &World| world.api_keys.list().into_iter().find(|listed| listed.key.id == key.id).unwrap();
    let (_, other) = generate(&world, server()).await;
    let info = |id: u64| json!({ "jsonrpc": "2.0", "id": id, "method": "pm_get_account_info", "params": ["nobody"] });
    let batch: Value = (0..5).map(info).collect();
    let answers: Vec<Value> = world.client.post(batch.to_string(), &[("x-api-key", &text)]).await.json().await.unwrap();
    assert_eq!(answers.iter().map(|answer| answer["id"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let (served, too_fast) = answers.split_at(3);
    assert!(served.iter().all(|answer| answer["error"]["data"]["reason"] == "account_unknown"), "{answers:?}");
    for answer in too_fast {
        let refusal = Refusal::of(&answer["error"]);
        refusal.assert_is(-32504, "rate_limited", true);
        assert_eq!((&refusal.data["limit"], &refusal.data["retryAfter"]), (&json!("30"), &json!(2)));
        assert_eq!(refusal.message, "over the rate of 30 calls a minute: try again in 2 s");
    }
    assert_eq!(listed(&world).usage.calls, 3, "calls over the rate do not count in the day");
    assert_eq!(chain_id(&world, &format!("/rpc/{text}"), &[]).await["result"], "0x7a69");
    refused(&world, &other, "pm_get_account_info", json!(["nobody"])).await.assert_is(-32602, "account_unknown", true);

    world.clock.advance(2);
    for reason in ["account_unknown", "rate_limited"] {
        assert_eq!(refused(&world, &text, "pm_get_account_info", json!(["nobody"])).await.reason(), reason);
    }
    world.api_keys.save_usage().await.unwrap();
    let world = world.restarted().await;
    assert_eq!(listed(&world).key.rate, rate);
    for reason in ["account_unknown", "quota_exhausted"] {
        assert_eq!(refused(&world, &text, "pm_get_account_info", json!(["nobody"])).await.reason(), reason);
    }
}

#[tokio::test]
async fn everybody_without_a_key_shares_one_rate_and_keys_have_their_own() {
    let world = World::with(V07, 1, |settings| settings["rpc"] = json!({ "anonymous_calls_per_minute": 4 })).await;
    let (_, text) = generate(&world, server()).await;
    for reason in ["account_unknown", "account_unknown", "rate_limited"] {
        let answer = ask(&world, "/", &[], "pm_get_account_info", json!(["nobody"])).await;
        assert_eq!(answer["error"]["data"]["reason"], reason, "{answer}");
        assert_eq!(chain_id(&world, "/", &[]).await["result"], "0x7a69", "public facts are not counted");
    }
    let answer = ask(&world, "/", &[], "pm_get_account_info", json!(["nobody"])).await;
    let refusal = Refusal::of(&answer["error"]);
    refusal.assert_is(-32504, "rate_limited", true);
    assert_eq!((&refusal.data["limit"], &refusal.data["retryAfter"]), (&json!("4"), &json!(8)));
    assert!(refusal.message.contains("all calls without an API key"), "{refusal:?}");
    refused(&world, &text, "pm_get_account_info", json!(["nobody"])).await.assert_is(-32602, "account_unknown", true);
}

#[tokio::test]
async fn a_key_that_makes_no_sense_is_not_made() {
    let world = closed().await;
    let publishable = || NewApiKey { kind: KeyKind::Publishable, policies: vec!["default".to_owned()], ..server() };
    for (new, field) in [
        (NewApiKey { label: String::new(), ..server() }, "label"),
        (NewApiKey { label: "x".repeat(65), ..server() }, "label"),
        (NewApiKey { label: "a\nb".to_owned(), ..server() }, "label"),
        (NewApiKey { label: "a\u{202e}b".to_owned(), ..server() }, "label"),
        (NewApiKey { label: "a\u{2028}b".to_owned(), ..server() }, "label"),
        (NewApiKey { policies: vec!["nobody's".to_owned()], ..server() }, "policies"),
        (NewApiKey { policies: Vec::new(), ..publishable() }, "policies"),
        (NewApiKey { scopes: vec![Scope::Sponsor, Scope::Invite], ..publishable() }, "scopes"),
        (NewApiKey { origins: Origins::any(), ..server() }, "origins"),
        (NewApiKey { rate: Some(Rate { per_minute: 0, burst: 1 }), ..server() }, "rate"),
        (NewApiKey { rate: Some(Rate { per_minute: 1, burst: 0 }), ..server() }, "rate"),
        (NewApiKey { quota: Some(0), ..server() }, "quota"),
        (NewApiKey { valid_for_seconds: Some(0), ..server() }, "validForSeconds"),
        (NewApiKey { valid_for_seconds: Some(u64::MAX), ..server() }, "validForSeconds"),
    ] {
        match world.api_keys.generate(new).await {
            Err(ApiKeyError::Invalid { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{field}: {:?}", other.map(|(key, _)| key)),
        }
    }
    assert!(world.api_keys.list().is_empty());
    let (key, _) = generate(&world, publishable()).await;
    assert_eq!((key.scopes, key.origins), (vec![Scope::Sponsor], Origins::any()));
    assert_eq!(key.rate, Some(Rate::PUBLISHABLE), "a publishable key has a rate");
}

#[tokio::test]
async fn the_store_holds_no_key_but_its_hash() {
    let world = closed().await;
    let (_, text) = generate(&world, server()).await;
    let rows: Vec<(Vec<u8>, String)> = sqlx::query_as("SELECT hash, label || scopes || policies || id FROM api_keys")
        .fetch_all(&world.store.database().pool())
        .await
        .unwrap();
    assert_eq!(rows[0].0, Sha256::digest(text.as_bytes()).to_vec());
    assert!(!rows[0].1.contains(&text[4..]));
}

async fn web_socket(world: &World, key: &str) -> Result<WsClient, jsonrpsee::core::ClientError> {
    WsClientBuilder::default().build(format!("{}/rpc/{key}", world.client.url().replace("http", "ws"))).await
}

#[tokio::test]
async fn a_key_that_is_revoked_or_expired_opens_no_web_socket() {
    let world = closed().await;
    let (key, revoked) = generate(&world, server()).await;
    let (_, expired) = generate(&world, NewApiKey { valid_for_seconds: Some(60), ..server() }).await;
    for text in [&revoked, &expired] {
        assert!(web_socket(&world, text).await.is_ok());
    }
    world.api_keys.revoke(key.id.as_str()).await.unwrap();
    world.clock.advance(60);
    for text in [&revoked, &expired] {
        let refused = web_socket(&world, text).await.unwrap_err();
        assert!(format!("{refused:?}").contains("401"), "{refused:?}");
    }
}

#[tokio::test]
async fn an_open_web_socket_ends_with_its_key_and_only_with_its_own() {
    let world = closed().await;
    let (key, revoked) = generate(&world, server()).await;
    let (_, expired) = generate(&world, NewApiKey { valid_for_seconds: Some(60), ..server() }).await;
    let (_, good) = generate(&world, server()).await;
    let [revoked, expired, good] = [&revoked, &expired, &good].map(|text| web_socket(&world, text));
    let (revoked, expired, good) = (revoked.await.unwrap(), expired.await.unwrap(), good.await.unwrap());
    let chain_id = async |client: &WsClient| client.request::<Value, _>("eth_chainId", rpc_params![]).await;
    for client in [&revoked, &expired, &good] {
        chain_id(client).await.unwrap();
    }
    world.api_keys.revoke(key.id.as_str()).await.unwrap();
    world.clock.advance(60);
    for (client, word) in [(&revoked, "revoked"), (&expired, "expired")] {
        let refused = chain_id(client).await.unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
    }
    for client in [revoked, expired] {
        tokio::time::timeout(Duration::from_secs(60), client.on_disconnect()).await.expect("it stays open");
    }
    chain_id(&good).await.unwrap();
}
