//! Policies that are limited to origins, API keys and a period.

use devkit::EntryPointVersion::{V07, V09};
use paymaster_relay::ports::Clock as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Refusal, World, server};

const ETHER: u128 = 10u128.pow(18);

/// The answer to `pm_getSponsorshipIntent` with these headers.
async fn intent(world: &World, op: &Value, headers: &[(&str, &str)]) -> Result<Value, Refusal> {
    let params = json!([op, ACCOUNT]);
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_getSponsorshipIntent", "params": params });
    let answer: Value = world.client.post(call.to_string(), headers).await.json().await.unwrap();
    match answer.get("error") {
        Some(error) => Err(Refusal::of(error)),
        None => Ok(answer["result"].clone()),
    }
}

/// Seconds as settings have them: UTC, in the form of RFC 3339.
fn utc(unix: u64) -> String {
    let (days, of_day) = (unix / 86_400, unix % 86_400);
    let is_leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for days in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", left + 1)
}

#[tokio::test]
async fn the_origin_of_a_request_is_compared_with_those_of_the_policy() {
    let world = World::with(V07, ETHER, |settings| {
        settings["policies"][0]["origins"] = json!(["https://dapp.example"]);
    })
    .await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    intent(&world, &op, &[("origin", "https://dapp.example")]).await.unwrap();
    for headers in [&[("origin", "https://evil.example")][..], &[("referer", "https://dapp.example/")], &[]] {
        let refusal = intent(&world, &op, headers).await.unwrap_err();
        refusal.assert_is(-32501, "policy_origin_not_allowed", false);
        assert_eq!(refusal.data["rule"], "origins");
    }
}

#[tokio::test]
async fn a_policy_of_one_api_key_refuses_every_other_and_none() {
    let mut world = World::new(V07).await;
    let (listed, text) = world.api_keys.generate(server()).await.unwrap();
    let (_, other) = world.api_keys.generate(server()).await.unwrap();
    world.settings["policies"][0]["api_keys"] = json!([listed.id.as_str()]);
    let world = world.restarted().await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    intent(&world, &op, &[("x-api-key", text.expose_secret())]).await.unwrap();
    for headers in [&[("x-api-key", other.expose_secret())][..], &[]] {
        intent(&world, &op, headers).await.unwrap_err().assert_is(-32501, "policy_api_key_not_allowed", false);
    }
}

#[tokio::test]
async fn a_policy_starts_at_its_time_and_no_window_outlives_it() {
    for version in [V07, V09] {
        let (mut start, mut end) = (0, 0);
        let world = World::with(version, ETHER, |settings| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            (start, end) = (now + 1000, now + 2000);
            settings["policies"][0]["not_before"] = json!(utc(start));
            settings["policies"][0]["not_after"] = json!(utc(end));
        })
        .await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let op = dapp.first_op(0);
        let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
        refusal.assert_is(-32501, "policy_not_started", true);
        assert_eq!(refusal.data["limit"], start.to_string());

        world.pass(start - world.clock.now()).await;
        let first = world.sponsor(&mut dapp, &op).await.unwrap();
        assert!(first["validUntil"].as_u64().unwrap() < end, "{first}");
        world.pass(end - 100 - world.clock.now()).await;
        let second = dapp.first_op(1);
        let last = world.sponsor(&mut dapp, &second).await.unwrap();
        assert_eq!(last["validUntil"], end);
        // The sponsorship from before gets no window beyond the end either.
        let renewed = world.sponsor(&mut dapp, &op).await.unwrap();
        assert_eq!(renewed["validUntil"], end);

        world.pass(50).await;
        let third = dapp.first_op(2);
        let refusal = world.sponsor(&mut dapp, &third).await.unwrap_err();
        refusal.assert_is(-32501, "policy_ended", false);
        assert_eq!(refusal.data["limit"], end.to_string());
    }
}

#[tokio::test]
async fn the_end_of_a_policy_is_also_told_by_a_chain_that_is_ahead() {
    let mut end = 0;
    let world = World::with(V07, ETHER, |settings| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        end = now + 600;
        settings["policies"][0]["not_after"] = json!(utc(end));
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    world.anvil.increase_time(560).await.unwrap();
    world.anvil.mine(1).await.unwrap();
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap_err().assert_is(-32501, "policy_ended", false);
    assert_eq!(world.reserved().await, 0);
}

#[tokio::test]
async fn a_policy_may_have_shorter_windows_than_the_relay() {
    let world = World::with(V07, ETHER, |settings| settings["policies"][0]["validity_seconds"] = json!(120)).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    assert_eq!(answer["validUntil"], world.clock.now() + 120);
    let second = dapp.first_op(1);
    let passkey = world.approval(&mut dapp, &second).await;
    let longer = json!({ "accountId": ACCOUNT, "passkey": passkey, "validForSeconds": 300 });
    let params = json!([second, world.entry_point(), "0x7a69", longer]);
    world.client.call("pm_getPaymasterData", params).await.unwrap();
    let ends: Vec<i64> = sqlx::query_scalar("SELECT valid_until FROM sponsorships")
        .fetch_all(&world.store.database().pool())
        .await
        .unwrap();
    assert!(ends.iter().all(|end| u64::try_from(*end).unwrap() <= world.clock.now() + 120), "{ends:?}");
}
