//! The answer of every method, stored under `snapshots/`: a change of what clients parse changes
//! the snapshot. `INSTA_UPDATE=always cargo test --workspace --test relay answers` rewrites them.

use std::collections::BTreeSet;

use devkit::EntryPointVersion::{V06, V07, V09};
use devkit::redacted;
use insta::assert_json_snapshot;
use paymaster_relay::clients::{KeyKind, NewApiKey, Origins, Scope};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::discover::{assert_is, document};
use crate::support::{ACCOUNT, Bundler, Says, World};

const SENDER: &str = "0x00000000000000000000000000000000000000aa";
const HASH: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";

/// What a bundler answers, abridged.
fn of_bundler(method: &str) -> Says {
    let result = match method {
        "eth_sendUserOperation" => json!(HASH),
        "eth_estimateUserOperationGas" => json!({
            "preVerificationGas": "0xb9a5",
            "verificationGasLimit": "0x58e1d",
            "callGasLimit": "0x5a43",
            "paymasterVerificationGasLimit": "0x7530",
            "paymasterPostOpGasLimit": "0x0",
        }),
        "eth_getUserOperationReceipt" => {
            json!({ "userOpHash": HASH, "success": true, "logs": [], "receipt": { "status": "0x1" } })
        }
        "eth_getUserOperationByHash" => json!({ "userOperation": { "sender": SENDER }, "entryPoint": SENDER }),
        "eth_supportedEntryPoints" => json!([SENDER]),
        "pimlico_getUserOperationGasPrice" => {
            let fees = json!({ "maxFeePerGas": "0x2", "maxPriorityFeePerGas": "0x1" });
            json!({ "slow": fees, "standard": fees, "fast": fees })
        }
        _ => json!(null),
    };
    Says::Result(result.to_string())
}

/// A method's answer to a server that has every scope.
async fn answer(world: &World, key: &str, method: &str, params: &Value) -> Value {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let response = world.client.post(call.to_string(), &[("x-api-key", key)]).await;
    let answer: Value = response.json().await.unwrap();
    assert!(answer.get("result").is_some(), "{method}: {answer}");
    answer
}

async fn key(world: &World) -> String {
    let new = NewApiKey {
        label: "snapshots".to_owned(),
        kind: KeyKind::Server,
        scopes: Scope::ALL.to_vec(),
        policies: Vec::new(),
        origins: Origins::default(),
        rate: None,
        quota: None,
        valid_for_seconds: None,
    };
    world.api_keys.generate(new).await.unwrap().1.expose_secret().to_owned()
}

/// The document without the parts that other tests cover: the version, and the errors of each
/// method.
fn abridged(mut answer: Value) -> Value {
    answer["result"]["info"]["version"] = "<version>".into();
    for method in answer["result"]["methods"].as_array_mut().unwrap() {
        method["errors"].take();
    }
    answer
}

#[tokio::test]
async fn the_answer_of_every_method_is_as_it_was() {
    let bundler = Bundler::start();
    let urls = json!({ "urls": [bundler.url()] });
    let world = World::with(V07, 10u128.pow(18), |settings| settings["bundler"] = urls).await;
    let key = key(&world).await;
    let document = document(&world).await;
    let mut alice = world.dapp(ACCOUNT).await;
    let op = alice.first_op(1);
    let passkey = world.approval(&mut alice, &op).await;
    let other = alice.first_op(2);
    let context = json!({ "accountId": ACCOUNT, "passkey": world.approval(&mut alice, &other).await });
    let pimlico = json!([other, world.entry_point(), context]);
    let erc7677 = json!([other, world.entry_point(), "0x7a69", context]);
    let sponsored = json!([op, ACCOUNT, passkey]);

    let calls = [
        ("pm_getSponsorshipIntent", json!([op, ACCOUNT])),
        ("pm_sponsor_with_tee", sponsored.clone()),
        ("pm_sponsor_with_passkey", sponsored),
        ("pm_getPaymasterStubData", erc7677.clone()),
        ("pm_getPaymasterData", erc7677),
        ("pm_sponsorUserOperation", pimlico),
        ("pm_validateSponsorshipPolicies", json!([op, world.entry_point(), ["default"]])),
        ("pimlico_getUserOperationGasPrice", json!([])),
        ("pm_supportedEntryPoints", json!([])),
        ("pm_chainId", json!([])),
        ("pm_get_account_info", json!([ACCOUNT])),
        ("pm_createAccountInvitation", json!([])),
        ("eth_sendUserOperation", json!([op, world.entry_point()])),
        ("eth_estimateUserOperationGas", json!([op, world.entry_point(), { SENDER: { "balance": "0x1" } }])),
        ("eth_getUserOperationReceipt", json!([HASH])),
        ("eth_getUserOperationByHash", json!([HASH])),
        ("eth_supportedEntryPoints", json!([])),
        ("eth_chainId", json!([])),
        ("net_version", json!([])),
        ("web3_clientVersion", json!([])),
        ("rpc.discover", json!([])),
    ];
    let called: BTreeSet<_> = calls.iter().map(|(method, _)| *method).collect();
    assert_eq!(called, world.relay.rpc.method_names().into_iter().collect(), "a method without a snapshot");

    for (method, params) in calls {
        bundler.answers(of_bundler(method));
        let answer = answer(&world, &key, method, &params).await;
        let methods = document["methods"].as_array().unwrap();
        let position = methods.iter().position(|described| described["name"] == method).unwrap();
        for (place, param) in params.as_array().unwrap().iter().enumerate() {
            assert_is(param, &document, &format!("/methods/{position}/params/{place}/schema"));
        }
        assert_is(&answer["result"], &document, &format!("/methods/{position}/result/schema"));
        let shown = if method == "rpc.discover" { abridged(answer) } else { redacted(&answer) };
        assert_json_snapshot!(method, shown);
    }
}

#[tokio::test]
async fn the_answers_of_other_versions_are_as_they_were() {
    for version in [V06, V09] {
        let world = World::new(version).await;
        let key = key(&world).await;
        let document = document(&world).await;
        let mut alice = world.dapp(ACCOUNT).await;
        let op = alice.first_op(1);
        let context = json!({ "accountId": ACCOUNT, "passkey": world.approval(&mut alice, &op).await });
        let erc7677 = json!([op, world.entry_point(), "0x7a69", context]);
        let sponsored = json!([op, ACCOUNT, context["passkey"]]);
        for (method, params) in [
            ("pm_sponsor_with_tee", sponsored),
            ("pm_getPaymasterStubData", erc7677.clone()),
            ("pm_getPaymasterData", erc7677),
        ] {
            let answer = answer(&world, &key, method, &params).await;
            let methods = document["methods"].as_array().unwrap();
            let position = methods.iter().position(|described| described["name"] == method).unwrap();
            assert_is(&params[0], &document, &format!("/methods/{position}/params/0/schema"));
            assert_is(&answer["result"], &document, &format!("/methods/{position}/result/schema"));
            assert_json_snapshot!(format!("{method}-{version:?}"), redacted(&answer));
        }
    }
}

#[tokio::test]
async fn a_refusal_is_as_it_was() {
    let world = World::new(V07).await;
    for (name, params) in [("too-many-parameters", json!([1])), ("no-list", json!({ "a": 1 }))] {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_chainId", "params": params });
        let response = world.client.post(call.to_string(), &[("x-request-id", "snapshot")]).await;
        assert_json_snapshot!(name, redacted(&response.json().await.unwrap()));
    }
}
