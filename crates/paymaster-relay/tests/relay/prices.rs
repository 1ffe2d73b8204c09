//! Limits in US dollars, at a fixed price or at that of a feed on the chain.

use alloy_primitives::U256;
use alloy_provider::Provider as _;
use devkit::EntryPointVersion::V07;
use paymaster_relay::Settings;
use paymaster_relay::catalogue::Catalogue;
use paymaster_relay::ports::Clock;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, World};

const ETHER: u128 = 10u128.pow(18);
const FEED: &str = "0xfeedfeedfeedfeedfeedfeedfeedfeedfeedfeed";
/// Returns its storage: slot 5 for `decimals()`, otherwise the slots 0 to 4, as `latestRoundData()`
/// has them.
const FEED_CODE: &str = concat!(
    "0x5f3560e01c63313ce56714603057",
    "600054600052600154602052600254604052600354606052600454608052",
    "60a05ff3",
    "5b6005545f5260205ff3"
);
/// The cost of each operation is 770,000 gas at 4 gwei: 7.70 dollars at this price.
const PRICE: u64 = 2500;

async fn with(price: Value, max_usd: &str) -> World {
    World::with(V07, ETHER, |settings| {
        settings["chain"]["price"] = price;
        settings["policies"][0]["limits"] = json!([{ "per": "account", "window": "total", "max_usd": max_usd }]);
    })
    .await
}

async fn set(world: &World, slot: u64, value: U256) {
    let params = (FEED, format!("{slot:#x}"), format!("{value:#066x}"));
    let _: Value = world.anvil.provider().raw_request("anvil_setStorageAt".into(), params).await.unwrap();
}

/// The feed's answer from now on, with 8 decimals; it was updated that many seconds ago.
async fn answer(world: &World, dollars: u64, age: u64) {
    // The last answer is kept for some seconds.
    world.clock.advance(11);
    let _: Value = world.anvil.provider().raw_request("anvil_setCode".into(), (FEED, FEED_CODE)).await.unwrap();
    set(world, 1, U256::from(dollars) * U256::from(100_000_000)).await;
    set(world, 3, U256::from(world.clock.now() - age)).await;
    set(world, 5, U256::from(8)).await;
}

#[tokio::test]
async fn a_limit_in_dollars_holds_at_the_price_when_each_operation_was_reserved() {
    let world = with(json!({ "feed": FEED, "max_age_seconds": 100 }), "20").await;
    let mut dapp = world.dapp(ACCOUNT).await;
    answer(&world, PRICE, 0).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
    // 7.70 are counted, and one more would be 15.40.
    answer(&world, 2 * PRICE, 0).await;
    let op = dapp.first_op(1);
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32501, "policy_limit_reached", true);
    let figures = (&refusal.data["limit"], &refusal.data["used"], &refusal.data["rule"]);
    assert_eq!(figures, (&json!("20"), &json!("7.7"), &json!("limits.max_usd per account in total")));
    assert!(refusal.message.contains("at most 20 US dollars"), "{refusal:?}");
    answer(&world, PRICE, 0).await;
    world.sponsor(&mut dapp, &op).await.unwrap();
    let op = dapp.first_op(2);
    assert_eq!(world.sponsor(&mut dapp, &op).await.unwrap_err().data["used"], "15.4");
}

#[tokio::test]
async fn without_a_current_price_nothing_is_sponsored_and_nobody_is_asked() {
    let world = with(json!({ "feed": FEED, "max_age_seconds": 100 }), "20").await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let refused = async |dapp: &mut _, why: &str| {
        let refusal = world.client.call("pm_getSponsorshipIntent", json!([op, ACCOUNT])).await.unwrap_err();
        refusal.assert_is(-32603, "price_unavailable", true);
        let refusal = world.sponsor(dapp, &op).await.unwrap_err();
        refusal.assert_is(-32603, "price_unavailable", true);
        assert_eq!((world.sponsorships(), world.reserved().await), (0, 0), "{why}");
    };
    refused(&mut dapp, "there is no contract").await;
    answer(&world, PRICE, 101).await;
    refused(&mut dapp, "it is stale").await;
    answer(&world, 0, 0).await;
    refused(&mut dapp, "it is no price").await;
    answer(&world, PRICE, 90).await;
    world.client.call("pm_getSponsorshipIntent", json!([op, ACCOUNT])).await.unwrap();
    // What was read in time may be too old by now.
    world.clock.advance(9);
    world.client.call("pm_getSponsorshipIntent", json!([op, ACCOUNT])).await.unwrap();
    world.clock.advance(2);
    refused(&mut dapp, "it became stale").await;
    answer(&world, PRICE, 0).await;
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn a_fixed_price_needs_no_feed_and_a_policy_without_dollars_no_price() {
    let world = with(json!({ "usd": "2500.00" }), "7.70").await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
    let op = dapp.first_op(1);
    world.sponsor(&mut dapp, &op).await.unwrap_err().assert_is(-32501, "policy_limit_reached", true);

    let world = World::with(V07, ETHER, |settings| settings["chain"]["price"] = json!({ "feed": FEED })).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn a_price_that_is_missing_or_given_twice_is_refused_at_the_start() {
    let world = World::new(V07).await;
    let refused = |price: Value| {
        let mut settings = world.settings.clone();
        settings["chain"]["price"] = price;
        settings["policies"][0]["limits"] = json!([{ "per": "policy", "window": "day", "max_usd": "1" }]);
        let settings: Settings = serde_json::from_value(settings).unwrap();
        Catalogue::new(&settings).unwrap_err().to_string()
    };
    for (price, expected) in [
        (Value::Null, "chain.price: missing: policy \"default\" has a limit in US dollars"),
        (json!({}), "chain.price: set usd or feed"),
        (json!({ "usd": "1", "feed": FEED }), "chain.price: usd and feed are both set"),
        (json!({ "usd": "0.00" }), "chain.price: usd must be above 0"),
        (json!({ "feed": FEED, "max_age_seconds": 0 }), "chain.price: max_age_seconds must be above 0"),
    ] {
        let error = refused(price);
        assert!(error.starts_with(expected), "{error}");
    }
}
