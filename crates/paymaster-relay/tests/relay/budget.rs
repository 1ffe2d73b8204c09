//! Nobody can reserve more than their share of a deposit.

use std::str::FromStr;

use devkit::EntryPointVersion::V07;
use proto::Wei;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{ACCOUNT, Dapp, World};

const ETHER: u128 = 10u128.pow(18);
/// Gas 150,000 + 500,000 + 60,000 + 60,000 at 4 gwei ([`devkit::user_operation::Draft`]).
const COST: u128 = 770_000 * 4_000_000_000;

async fn with(caps: Value) -> World {
    World::with(V07, ETHER, |settings| settings["reservations"] = caps).await
}

/// Field case 05b: as expensive as the policy allows, from a sender without an owner, until
/// refused.
fn dear_op(dapp: &Dapp, key: u64) -> Value {
    let mut op = dapp.first_op(key);
    op["maxFeePerGas"] = json!("0x1dcd650000");
    op
}

#[tokio::test]
async fn one_account_with_the_defaults_leaves_nine_tenths_of_the_deposit_to_others() {
    let world = with(json!({})).await;
    let mut mallory = world.dapp("mallory").await;
    let mut accepted = 0;
    let refusal = loop {
        let op = dear_op(&mallory, accepted);
        match world.sponsor(&mut mallory, &op).await {
            Ok(_) => accepted += 1,
            Err(refusal) => break refusal,
        }
    };
    refusal.assert_is(-32501, "account_reservations_exceeded", true);
    assert_eq!(refusal.data["rule"], "reservations.max_percent_per_account");
    assert_eq!(refusal.data["limit"], "10");
    assert_eq!(refusal.data["used"], Value::Null, "the used part of a share would disclose the deposit");
    assert!(world.reserved().await <= ETHER / 10, "{accepted}");
    assert_eq!(world.sponsorships(), accepted, "refused requests are not signed");

    let mut honest = world.dapp(ACCOUNT).await;
    let op = honest.first_op(0);
    world.sponsor(&mut honest, &op).await.unwrap();
}

#[tokio::test]
async fn an_account_with_as_many_open_reservations_as_it_may_have_waits_until_one_is_released() {
    let world = with(json!({ "max_per_account": 3, "max_percent_per_account": 100 })).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut calls = JoinSet::new();
    for key in 0..8 {
        let op = dapp.first_op(key);
        let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);
        let client = world.client.clone();
        calls.spawn(async move { client.call("pm_sponsor_with_tee", params).await });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    for refusal in answers.into_iter().filter_map(Result::err) {
        refusal.assert_is(-32501, "account_reservations_exceeded", true);
        assert_eq!(refusal.data["rule"], "reservations.max_per_account");
        assert_eq!((&refusal.data["limit"], &refusal.data["used"]), (&json!("3"), &json!("3")));
    }
    assert_eq!(world.reserved_rows().await.len(), 3);

    world.release_all().await;
    let op = dapp.first_op(9);
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn a_cap_in_wei_is_told_with_what_the_account_used_of_it_itself() {
    let cap = 2 * COST + 1_000_000_000;
    let world = World::with(V07, ETHER, |settings| {
        settings["policies"][0]["max_cost_per_operation"] = json!(COST.to_string());
        settings["reservations"] = json!({ "max_wei_per_account": cap.to_string(), "max_percent_per_account": 100 });
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    for key in 0..2 {
        let op = dapp.first_op(key);
        world.sponsor(&mut dapp, &op).await.unwrap();
    }
    let op = dapp.first_op(2);
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32501, "account_reservations_exceeded", true);
    let figure = |key: &str| Wei(u128::from_str(refusal.data[key].as_str().unwrap()).unwrap());
    assert_eq!((figure("limit"), figure("used")), (Wei(cap), Wei(2 * COST)));
    assert_eq!(refusal.data["rule"], "reservations.max_wei_per_account");
}

#[tokio::test]
async fn a_refusal_by_the_trusted_application_gives_the_accounts_room_back() {
    let world = with(json!({ "max_per_account": 1 })).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    dapp.passkey.behaviour.origin = "https://evil.example".to_owned();
    world.sponsor(&mut dapp, &op).await.unwrap_err().assert_is(-32507, "origin_not_allowed", false);
    assert_eq!(world.sponsorships(), 1, "only the trusted application checks the origins");
    dapp.passkey.behaviour.origin = "https://example.org".to_owned();
    let op = dapp.first_op(1);
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn an_approval_that_the_tee_refused_costs_one_call_and_one_refusal_however_often_it_is_sent() {
    let world = World::with(V07, ETHER, |settings| settings["max_refusals"] = json!(3)).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    dapp.passkey.behaviour.origin = "https://evil.example".to_owned();
    let elsewhere = world.approval(&mut dapp, &op).await;
    for _ in 0..5 {
        let refusal = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, elsewhere])).await.unwrap_err();
        refusal.assert_is(-32507, "origin_not_allowed", false);
    }
    assert_eq!(world.sponsorships(), 1);
    dapp.passkey.behaviour.origin = "https://example.org".to_owned();
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn an_account_whose_approvals_the_tee_keeps_refusing_has_to_wait_and_nobody_else_has() {
    let world = World::with(V07, ETHER, |settings| settings["max_refusals"] = json!(3)).await;
    let mut mallory = world.dapp("mallory").await;
    mallory.passkey.behaviour.origin = "https://evil.example".to_owned();
    for key in 0..3 {
        let op = mallory.first_op(key);
        world.sponsor(&mut mallory, &op).await.unwrap_err().assert_is(-32507, "origin_not_allowed", false);
    }
    let op = mallory.first_op(3);
    for _ in 0..2 {
        let refusal = world.sponsor(&mut mallory, &op).await.unwrap_err();
        refusal.assert_is(-32501, "refusal_limit_reached", true);
        assert_eq!((&refusal.data["rule"], &refusal.data["limit"]), (&json!("max_refusals"), &json!("3")));
    }
    assert_eq!((world.sponsorships(), world.reserved().await), (3, 0));

    let mut honest = world.dapp(ACCOUNT).await;
    let op = honest.first_op(0);
    world.sponsor(&mut honest, &op).await.unwrap();

    world.clock.advance(600);
    mallory.passkey.behaviour.origin = "https://example.org".to_owned();
    let op = mallory.first_op(3);
    world.sponsor(&mut mallory, &op).await.unwrap();
}
