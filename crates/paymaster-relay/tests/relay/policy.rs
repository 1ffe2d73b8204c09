//! Policies and budgets, through the whole relay.

use alloy_primitives::{Address, Bytes, U256};
use devkit::EntryPointVersion::{V06, V07, V08};
use devkit::{Call, EntryPointVersion, execute_batch};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{ACCOUNT, Dapp, Refusal, World};

const ETHER: u128 = 10u128.pow(18);
const GOOD: Address = Address::repeat_byte(0xaa);
const BAD: Address = Address::repeat_byte(0xbb);
/// SimpleAccountFactory of v0.6, v0.7 and v0.8, at its address for salt 0.
const FACTORIES: [&str; 3] = [
    "0x9406Cc6185a346906296840746125a0E44976454",
    "0x91E60e0613810449d098b0b5Ec8b51A0FE8c8985",
    "0x13E9ed32155810FDbd067D4522C492D6f68E5944",
];
/// Gas 150,000 + 500,000 + 60,000 + 60,000 at 4 gwei ([`devkit::user_operation::Draft`]).
const COST: u128 = 770_000 * 4_000_000_000;

fn batch(dapp: &Dapp, version: EntryPointVersion, targets: &[Address]) -> Value {
    let calls: Vec<_> =
        targets.iter().map(|target| Call { target: *target, value: U256::ZERO, data: Bytes::new() }).collect();
    dapp.op_calling(0, execute_batch(version, &calls).unwrap())
}

#[tokio::test]
async fn one_bad_inner_call_refuses_the_batch_before_anybody_signs() {
    for version in [V06, V07, V08] {
        let world = World::with(version, ETHER, |settings| {
            settings["policies"][0]["targets"] = json!([{ "address": GOOD }]);
            settings["policies"][0]["factories"] = json!(FACTORIES);
        })
        .await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let op = batch(&dapp, version, &[GOOD, BAD, GOOD]);
        let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
        refusal.assert_is(-32501, "target_not_allowed", false);
        assert_eq!((&refusal.data["rule"], &refusal.data["policyId"]), (&json!("targets"), &json!("default")));
        let params = json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
        let refusal = world.client.call("pm_getPaymasterStubData", params).await.unwrap_err();
        refusal.assert_is(-32501, "target_not_allowed", false);
        assert_eq!(world.sponsorships(), 0);

        let op = batch(&dapp, version, &[GOOD, GOOD]);
        world.sponsor(&mut dapp, &op).await.unwrap();
    }
}

#[tokio::test]
async fn the_cost_cap_counts_the_worst_case_to_the_wei() {
    for (cap, passes) in [(COST, true), (COST - 1, false)] {
        let world = World::with(V07, ETHER, |settings| {
            settings["policies"][0]["max_cost_per_operation"] = json!(cap.to_string());
        })
        .await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let op = dapp.first_op(0);
        match world.sponsor(&mut dapp, &op).await {
            Ok(_) => assert!(passes),
            Err(refusal) => {
                assert!(!passes);
                refusal.assert_is(-32501, "cost_above_policy", false);
                assert_eq!(refusal.data["limit"], cap.to_string());
                assert_eq!(refusal.data["used"], COST.to_string());
                let told = format!(
                    "policy \"default\": the operation may cost {COST} wei (all its gas limits at maxFeePerGas), above \
                     max_cost_per_operation, {cap} wei"
                );
                assert_eq!(refusal.message, told);
            }
        }
    }
}

#[tokio::test]
async fn an_account_without_the_standing_is_refused_by_rule() {
    let world = World::with(V07, ETHER, |settings| {
        settings["policies"] = json!([
            { "id": "default", "max_cost_per_operation": ETHER.to_string() },
            { "id": "members", "max_cost_per_operation": ETHER.to_string(), "min_membership": "basic", "min_balance": 5 },
        ]);
        settings["default_account"] = Value::Null;
        settings["accounts"] = json!([
            { "id": "alice", "membership": "premium", "balance": "5" },
            { "id": "bob", "balance": 4, "membership": "basic" },
            { "id": "carol", "balance": 9 },
            { "id": "dave", "active": false },
        ]);
    })
    .await;
    for (name, reason) in [
        ("alice", None),
        ("bob", Some("balance_too_low")),
        ("carol", Some("membership_too_low")),
        ("dave", Some("account_inactive")),
        ("erin", Some("account_unlisted")),
    ] {
        let mut dapp = world.dapp(name).await;
        let op = dapp.first_op(0);
        let passkey = world.approval(&mut dapp, &op).await;
        let params = json!([op, name, passkey, { "policyId": "members" }]);
        let answer = world.client.call("pm_sponsor_with_tee", params).await;
        match reason {
            None => assert!(answer.is_ok()),
            Some(reason) => {
                let refusal = answer.unwrap_err();
                refusal.assert_is(-32501, reason, false);
                let rule = refusal.data["rule"].as_str().unwrap();
                let names = |word: &str| refusal.message.contains(word);
                assert!(names("policy \"members\": ") && (names(rule) || names("relay.accounts")), "{refusal:?}");
            }
        }
    }
    let info = world.client.call("pm_get_account_info", json!(["alice"])).await.unwrap();
    assert_eq!((&info["membership"], &info["balance"]), (&json!("premium"), &json!("5")));
    assert_eq!(info["passkeys"].as_array().unwrap().len(), 1);
    assert_eq!(info["limits"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_deposit_is_never_promised_twice_however_many_ask_at_once() {
    // Three fit, and a fourth is short by one wei.
    let world = World::with(V07, 4 * COST - 1, |_| {}).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut calls = JoinSet::new();
    for key in 0..16 {
        let op = dapp.first_op(key);
        let passkey = world.approval(&mut dapp, &op).await;
        let client = world.client.clone();
        calls.spawn(async move { client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    assert_eq!(world.reserved().await, 3 * COST);
    assert_eq!(world.sponsorships(), 3, "nothing is signed without a reservation");
    for refusal in answers.into_iter().filter_map(Result::err) {
        refusal.assert_is(-32508, "paymaster_deposit_too_low", true);
        assert_eq!(refusal.data["required"], COST.to_string());
        assert_tells_nothing_of_the_deposit(&refusal);
    }

    // Once a final block is past the windows there is room again.
    world.pass(700).await;
    assert_eq!(world.release_expired().await, 3);
    let op = dapp.first_op(99);
    world.sponsor(&mut dapp, &op).await.unwrap();
}

/// Neither the deposit nor its remainder is disclosed: only the client's own amount.
fn assert_tells_nothing_of_the_deposit(refusal: &Refusal) {
    let mut keys: Vec<_> = refusal.data.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["reason", "requestId", "required", "retryable"]);
    assert_eq!(refusal.message, format!("the paymaster's deposit does not cover {COST} wei"));
}

#[tokio::test]
async fn a_refusal_for_a_ceiling_of_the_tee_states_it() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.tee.change_ceilings(|ceilings| ceilings.max_cost = proto::Wei(1_000_000));
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32501, "cost_above_ceiling", false);
    assert!(refusal.message.ends_with(": maxCost is 1000000 wei"), "{refusal:?}");
    assert_eq!(refusal.data["limit"], "1000000");

    world.tee.change_ceilings(|ceilings| (ceilings.max_cost, ceilings.max_window) = (proto::Wei(u128::MAX), 300));
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32503, "window_too_wide", false);
    assert!(refusal.message.ends_with(": maxWindow is 300 s"), "{refusal:?}");
    assert_eq!(refusal.data["limit"], "300");
}
