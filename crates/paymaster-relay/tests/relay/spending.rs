//! A policy spends no more than its limits over time.

use alloy_primitives::{Address, U256};
use devkit::EntryPointVersion::V07;
use devkit::user_operation::Draft;
use paymaster_relay::ports::Clock;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{ACCOUNT, World};

const ETHER: u128 = 10u128.pow(18);
const DAY: u64 = 24 * 60 * 60;
/// Gas 150,000 + 500,000 + 60,000 + 60,000 at 4 gwei ([`devkit::user_operation::Draft`]).
const GAS: u128 = 770_000;
const COST: u128 = GAS * 4_000_000_000;

async fn with(limits: Value) -> World {
    World::with(V07, ETHER, |settings| settings["policies"][0]["limits"] = limits).await
}

fn next_day(world: &World) -> u64 {
    let now = world.clock.now();
    now - now % DAY + DAY
}

#[tokio::test]
async fn an_account_over_its_daily_limit_is_told_limit_use_and_reset_and_passes_the_next_day() {
    let limit = 3 * COST - 1_000_000_000;
    let world = with(json!([{ "per": "account", "window": "day", "max_wei": limit.to_string() }])).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let reset = next_day(&world);
    for key in 0..2 {
        let op = dapp.first_op(key);
        world.sponsor(&mut dapp, &op).await.unwrap();
    }
    let op = dapp.first_op(2);
    for method in ["pm_getSponsorshipIntent", "pm_getPaymasterStubData"] {
        let params = match method {
            "pm_getSponsorshipIntent" => json!([op, ACCOUNT]),
            _ => json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]),
        };
        let refusal = world.client.call(method, params).await.unwrap_err();
        refusal.assert_is(-32501, "policy_limit_reached", true);
        assert_eq!((&refusal.data["resetAt"], &refusal.data["used"]), (&json!(reset), &Value::Null), "{method}");
    }
    let signed = world.sponsorships();
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32501, "policy_limit_reached", true);
    assert_eq!(refusal.data["rule"], "limits.max_wei per account per day");
    assert_eq!((&refusal.data["policyId"], &refusal.data["resetAt"]), (&json!("default"), &json!(reset)));
    let figures = (&refusal.data["limit"], &refusal.data["used"]);
    assert_eq!(figures, (&json!(limit.to_string()), &json!((2 * COST).to_string())));
    assert_eq!(world.sponsorships(), signed, "it is refused before it is signed");

    let mut other = world.dapp("bob").await;
    let op_of_other = other.first_op(0);
    world.sponsor(&mut other, &op_of_other).await.unwrap();
    world.pass(reset - world.clock.now()).await;
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn what_everybody_spends_is_told_nobody() {
    let world = with(json!([{ "per": "policy", "window": "total", "max_operations": 1 }])).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
    let op = dapp.first_op(1);
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32501, "policy_limit_reached", true);
    assert_eq!(
        (&refusal.data["limit"], &refusal.data["rule"]),
        (&json!("1"), &json!("limits.max_operations per policy in total"))
    );
    assert_eq!((&refusal.data["used"], &refusal.data["resetAt"]), (&Value::Null, &Value::Null));
    assert!(refusal.message.ends_with("at most 1 operations per policy in total"), "{refusal:?}");
}

#[tokio::test]
async fn a_mined_operation_gives_back_what_it_did_not_cost_once_its_block_is_final() {
    let world =
        with(json!([{ "per": "policy", "window": "total", "max_wei": (2 * COST - 1_000_000_000).to_string() }])).await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let first = dapp.first_op(0);
    let answer = world.sponsor(&mut dapp, &first).await.unwrap();
    let op = dapp.first_op(1);
    let second = world.sponsor(&mut dapp, &op).await;
    second.unwrap_err().assert_is(-32501, "policy_limit_reached", true);

    world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap();
    world.relay.settler.settle().await.unwrap();
    let op = Draft::new(dapp.sender, U256::from(1), dapp.call_data(Address::repeat_byte(1))).to_json(V07);
    let second = world.sponsor(&mut dapp, &op).await;
    second.unwrap_err().assert_is(-32501, "policy_limit_reached", true);
    world.anvil.mine(1).await.unwrap();
    world.relay.settler.settle().await.unwrap();
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn an_operation_that_is_never_sent_gives_back_everything_when_its_window_is_over() {
    let world = with(json!([{ "per": "sender", "window": "total", "max_gas": 1_539_999 }])).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);
    let answer = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    assert_eq!(world.client.call("pm_sponsor_with_tee", params).await.unwrap()["userOpHash"], answer["userOpHash"]);
    let op = dapp.first_op(1);
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32501, "policy_limit_reached", true);
    let figures = (&refusal.data["limit"], &refusal.data["used"]);
    assert_eq!(figures, (&json!("1539999"), &json!("770000")), "the repeated request was counted once");
    world.pass(700).await;
    assert_eq!(world.release_expired().await, 1);
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn requests_at_once_and_a_restart_pass_no_limit() {
    let world = with(json!([{ "per": "policy", "window": "month", "max_operations": 5 }])).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut calls = JoinSet::new();
    for key in 0..20 {
        let op = dapp.first_op(key);
        let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);
        let client = world.client.clone();
        calls.spawn(async move { client.call("pm_sponsor_with_tee", params).await });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 5);
    for refusal in answers.into_iter().filter_map(Result::err) {
        refusal.assert_is(-32501, "policy_limit_reached", true);
    }
    let world = world.restarted().await;
    let op = dapp.first_op(21);
    world.sponsor(&mut dapp, &op).await.unwrap_err().assert_is(-32501, "policy_limit_reached", true);
}
