//! The methods of Pimlico's paymaster: gas from the bundler's estimate, and which policies sponsor.

use devkit::EntryPointVersion::{V06, V07};
use serde_json::{Value, json};

use crate::support::{Bundler, Refusal, Says, World};

const ETHER: u128 = 10u128.pow(18);
const SPONSOR: &str = "pm_sponsorUserOperation";
const VALIDATE: &str = "pm_validateSponsorshipPolicies";
const GAS_PRICE: &str = "pimlico_getUserOperationGasPrice";
const GAS: [&str; 3] = ["callGasLimit", "verificationGasLimit", "preVerificationGas"];

/// A relay that sponsors accounts with their own signer, with a bundler behind it.
async fn world(version: devkit::EntryPointVersion) -> (World, Bundler) {
    let bundler = Bundler::start();
    let urls = json!({ "urls": [bundler.url()] });
    let world = World::with(version, ETHER, |settings| {
        let open =
            |id: &str, cost: &str| json!({ "id": id, "max_cost_per_operation": cost, "allow_without_passkey": true });
        let closed = json!({ "id": "closed", "max_cost_per_operation": "100000000000000000" });
        settings["policies"] = json!([open("open", "10000000000000000"), open("cheap", "1"), closed]);
        settings["bundler"] = urls;
    })
    .await;
    world.permit_without_passkey().await;
    (world, bundler)
}

fn estimate(of: &Value) -> Says {
    let mut answer = json!({ "paymasterVerificationGasLimit": "0x1", "paymasterPostOpGasLimit": "0x2" });
    for name in GAS {
        answer[name] = of[name].clone();
    }
    Says::Result(answer.to_string())
}

async fn refusal(world: &World, method: &str, params: Value) -> Refusal {
    world.client.call(method, params).await.unwrap_err()
}

#[tokio::test]
async fn gas_that_an_operation_lacks_is_estimated_with_the_paymaster_that_it_will_have() {
    for version in [V06, V07] {
        let (world, bundler) = world(version).await;
        let mut dapp = world.dapp("alice").await;
        let full = dapp.first_op(0);
        bundler.answers(estimate(&full));
        let mut op = full.clone();
        op.as_object_mut().unwrap().remove("callGasLimit");
        (op["verificationGasLimit"], op["preVerificationGas"]) = ("0x0".into(), Value::Null);
        let answer = world.client.call(SPONSOR, json!([op, world.entry_point(), {}])).await.unwrap();
        for name in GAS {
            assert_eq!(answer[name], full[name], "{answer}");
        }
        let asked = bundler.asked().pop().unwrap();
        assert_eq!(asked["method"], "eth_estimateUserOperationGas");
        assert_eq!(asked["params"][1], world.entry_point());
        let asked = asked["params"][0].as_object().unwrap();
        assert!(GAS.iter().all(|name| !asked.contains_key(*name)), "{asked:?}");

        // What it asked about is as long as what it answers, and that is mined as it is.
        let mut mined = full.clone();
        for (name, value) in answer.as_object().unwrap() {
            if name.starts_with("paymaster") {
                assert_eq!(asked[name].as_str().map(str::len), value.as_str().map(str::len), "{name}");
            }
            mined[name] = value.clone();
        }
        mined["signature"] = world.signed_as_it_is(&mut dapp, &mined).await.into();
        assert!(world.chain.entry_point.handle_ops(&mined).await.unwrap().success);
    }
}

#[tokio::test]
async fn an_operation_with_all_of_its_gas_is_sponsored_without_a_bundler() {
    let (world, bundler) = world(V07).await;
    let mut dapp = world.dapp("alice").await;
    let op = dapp.first_op(0);
    let context = json!({ "sponsorshipPolicyId": "open", "validForSeconds": 120 });
    let params = json!([op, world.entry_point(), context]);
    let answer = world.client.call(SPONSOR, params.clone()).await.unwrap();
    assert_eq!(world.client.call(SPONSOR, params).await.unwrap(), answer);
    let erc7677 = json!([op, world.entry_point(), "0x7a69", { "policyId": "open" }]);
    let data = world.client.call("pm_getPaymasterData", erc7677).await.unwrap();
    for (name, value) in data.as_object().unwrap() {
        assert_eq!(answer[name], *value);
    }
    let named: Vec<_> = answer.as_object().unwrap().keys().collect();
    assert_eq!(named.len(), data.as_object().unwrap().len() + GAS.len(), "{named:?}");

    // With its passkey, under a policy that wants one.
    let op = dapp.first_op(1);
    let context =
        json!({ "accountId": "alice", "policyId": "closed", "passkey": world.approval(&mut dapp, &op).await });
    world.client.call(SPONSOR, json!([op, world.entry_point(), context])).await.unwrap();
    assert_eq!(bundler.asked(), Vec::<Value>::new());
}

#[tokio::test]
async fn an_estimate_is_refused_as_a_stub_is_and_then_as_the_bundler_refuses_it() {
    let (world, bundler) = world(V07).await;
    let dapp = world.dapp("alice").await;
    let mut op = dapp.first_op(0);
    op.as_object_mut().unwrap().remove("callGasLimit");
    let with = |op: &Value, context: Value| json!([op, world.entry_point(), context]);
    for (params, code, reason) in [
        (with(&op, json!({ "policyId": "closed" })), -32507, "passkey_missing"),
        (with(&op, json!({ "policyId": "none" })), -32602, "unknown_policy"),
        (with(&op, json!({ "meta": {} })), -32602, "invalid_field"),
        (json!([op, null]), -32602, "invalid_field"),
        (json!([{ "sender": op["sender"] }, world.entry_point()]), -32602, "invalid_field"),
    ] {
        refusal(&world, SPONSOR, params).await.assert_is(code, reason, false);
    }
    assert_eq!(bundler.asked(), Vec::<Value>::new());

    for unusable in [
        r#"{"callGasLimit":"0x1"}"#,
        r#"{"callGasLimit":"0x1","verificationGasLimit":"0x0","preVerificationGas":"0x1"}"#,
        r#"{"callGasLimit":"0x1000000000000000000000000000000","verificationGasLimit":"0x1","preVerificationGas":"0x1"}"#,
    ] {
        bundler.answers(Says::Result(unusable.to_owned()));
        refusal(&world, SPONSOR, with(&op, json!(null))).await.assert_is(-32603, "bundler_unavailable", true);
    }
    bundler.answers(Says::Error(r#"{"code":-32500,"message":"AA13 initCode failed or OOG"}"#.to_owned()));
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": SPONSOR, "params": with(&op, json!({})) });
    let answer: Value = world.client.post(call.to_string(), &[]).await.json().await.unwrap();
    assert_eq!(answer["error"], json!({ "code": -32500, "message": "AA13 initCode failed or OOG" }));
    assert_eq!(world.reserved().await, 0);

    let without =
        World::with(V07, ETHER, |settings| settings["policies"][0]["allow_without_passkey"] = true.into()).await;
    without.permit_without_passkey().await;
    let params = json!([op, without.entry_point(), {}]);
    let refusal = refusal(&without, SPONSOR, params).await;
    refusal.assert_is(-32601, "bundler_not_configured", false);
    assert!(refusal.message.ends_with("give the operation all of its gas limits"), "{refusal:?}");
}

#[tokio::test]
async fn the_policies_that_would_sponsor_are_listed() {
    let (world, bundler) = world(V07).await;
    let op = world.dapp("alice").await.first_op(0);
    let ids = json!(["none", "cheap", "open", "closed"]);
    let valid = world.client.call(VALIDATE, json!([op, world.entry_point(), ids])).await.unwrap();
    let data = json!({ "name": "open", "author": "super-relay", "icon": null, "description": null });
    assert_eq!(valid, json!([{ "sponsorshipPolicyId": "open", "data": data }]));
    assert_eq!(world.reserved().await, 0);
    assert_eq!(bundler.asked(), Vec::<Value>::new());

    let mut later = op.clone();
    later["nonce"] = "0x1".into();
    for (params, code, reason) in [
        (json!([op, world.entry_point(), "open"]), -32602, "invalid_field"),
        (json!([op, world.entry_point(), ["a", "b", "c", "d", "open"]]), -32602, "invalid_field"),
        (json!([op, world.entry_point(), [1]]), -32602, "invalid_field"),
        // The account's fault, under any policy.
        (json!([later, world.entry_point(), ["open"]]), -32500, "account_nonce_invalid"),
    ] {
        let refusal = refusal(&world, VALIDATE, params).await;
        assert_eq!((refusal.code, refusal.reason()), (code, reason));
    }
}

#[tokio::test]
async fn the_gas_price_is_the_bundlers() {
    const PRICE: &str = r#"{"slow":{"maxFeePerGas":"0x1","maxPriorityFeePerGas":"0x1"},"standard":{"maxFeePerGas":"0x2","maxPriorityFeePerGas":"0x1"},"fast":{"maxFeePerGas":"0x3","maxPriorityFeePerGas":"0x1"}}"#;
    let (world, bundler) = world(V07).await;
    bundler.answers(Says::Result(PRICE.to_owned()));
    let price = world.client.call(GAS_PRICE, json!([])).await.unwrap();
    assert_eq!(price, serde_json::from_str::<Value>(PRICE).unwrap());
    assert_eq!((&bundler.asked()[0]["method"], &bundler.asked()[0]["params"]), (&json!(GAS_PRICE), &json!([])));
}
