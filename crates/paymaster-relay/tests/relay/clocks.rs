//! Windows that suit the latest block, the next one and the trusted application; and the refusal if
//! there is none.

use std::sync::atomic::Ordering;

use devkit::EntryPointVersion::{V07, V09};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{ACCOUNT, Dapp, Refusal, World, until};

async fn ready() -> (World, Dapp, Value) {
    let world = World::new(V07).await;
    let dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    (world, dapp, op)
}

/// A bundler simulates at the latest block, and the operation is mined in the next one.
async fn suits_the_chain(world: &World, answer: &Value) {
    let latest = world.anvil.latest_time().await.unwrap();
    assert!(answer["validAfter"].as_u64().unwrap() <= latest, "{latest}: {answer}");
    assert!(world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success);
}

/// The refusal of an operation that the user has already approved.
async fn refused(world: &World, params: &Value) -> Refusal {
    let refusal = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap_err();
    assert_eq!(world.reserved().await, 0, "{refusal:?}");
    refusal
}

#[tokio::test]
async fn on_a_chain_that_was_idle_for_50_minutes_a_sponsored_operation_is_mined() {
    for version in [V07, V09] {
        let world = World::new(version).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        world.clock.advance(3000);
        world.anvil.increase_time(3000).await.unwrap();
        let op = dapp.first_op(0);
        let answer = world.sponsor(&mut dapp, &op).await.unwrap();
        suits_the_chain(&world, &answer).await;
    }
}

#[tokio::test]
async fn on_a_chain_whose_clock_is_ahead_a_sponsored_operation_is_mined() {
    let (world, mut dapp, op) = ready().await;
    world.anvil.increase_time(700).await.unwrap();
    world.anvil.mine(1).await.unwrap();
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    suits_the_chain(&world, &answer).await;
    let error = world.relay.parts.chains.iter().next().unwrap().time.check().unwrap_err().to_string();
    assert!(error.contains("ahead of this relay's clock"), "{error}");
}

#[tokio::test]
async fn a_chain_that_is_idle_for_too_long_is_refused_as_that_until_it_has_a_block() {
    let (world, mut dapp, op) = ready().await;
    let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);
    assert_eq!(world.problem("clocks").await, None);
    world.clock.advance(3700);
    refused(&world, &params).await.assert_is(-32503, "chain_idle", true);
    world.relay.parts.chains.iter().next().unwrap().time.check().unwrap();
    let problem = world.problem("clocks").await.expect("no sponsorship could succeed now");
    assert!(problem.contains("the latest block is 37") && problem.contains("no window"), "{problem}");

    world.anvil.increase_time(3700).await.unwrap();
    world.anvil.mine(1).await.unwrap();
    let answer = world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    suits_the_chain(&world, &answer).await;
    assert_eq!(world.problem("clocks").await, None);
}

#[tokio::test]
async fn a_host_ten_years_ahead_is_named_in_the_status() {
    let world = World::new(V07).await;
    world.clock.advance(10 * 365 * 86_400);
    assert!(world.problem("clocks").await.expect("no sponsorship could succeed now").contains("clock"));
}

#[tokio::test]
async fn a_clock_that_is_off_is_named_and_the_client_is_not_told_to_try_again() {
    let (world, mut dapp, op) = ready().await;
    let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);

    world.tee.clock_off.store(true, Ordering::SeqCst);
    let refusal = refused(&world, &params).await;
    refusal.assert_is(-32000, "clock_skewed", false);
    assert_eq!(refusal.data["clock"], "kms");
    world.tee.clock_off.store(false, Ordering::SeqCst);

    // The chain is ahead by more than the trusted application's ceiling.
    world.anvil.increase_time(4000).await.unwrap();
    world.anvil.mine(1).await.unwrap();
    let refusal = refused(&world, &params).await;
    refusal.assert_is(-32000, "clock_skewed", false);
    assert_eq!(refusal.data["clock"], "chain");
    assert!(refusal.message.contains("ahead of this relay's clock"), "{refusal:?}");

    // Now the host's clock is ahead: blocks are old when they arrive, so the chain is not idle.
    world.clock.advance(12_000);
    world.relay.settler.settle().await.unwrap();
    world.anvil.mine(1).await.unwrap();
    let refusal = refused(&world, &params).await;
    refusal.assert_is(-32000, "clock_skewed", false);
    assert!(refusal.message.contains("behind this relay's clock"), "{refusal:?}");
    world.relay.parts.chains.iter().next().unwrap().time.check().unwrap_err();
}

#[tokio::test]
async fn a_reservation_is_released_by_a_final_block_past_its_window_and_by_no_other_clock() {
    let (world, mut dapp, op) = ready().await;
    world.sponsor(&mut dapp, &op).await.unwrap();

    // On an idle chain the operation may still be mined.
    world.clock.advance(10_000);
    assert_eq!(world.release_expired().await, 0);
    // The chain's pending time does not count either, nor does a block that may be reorganised
    // away.
    world.anvil.increase_time(700).await.unwrap();
    assert_eq!(world.release_expired().await, 0);
    world.anvil.mine(1).await.unwrap();
    assert_eq!(world.release_expired().await, 0);
    assert!(world.reserved().await > 0);

    let expired = || {
        let families = world.registry.gather();
        let family = families.iter().find(|family| family.name() == "relay_reservations_expired_total").unwrap();
        family.get_metric()[0].get_counter().get_value().to_string()
    };
    assert_eq!(expired(), "0");
    world.anvil.mine(1).await.unwrap();
    assert_eq!(world.release_expired().await, 1);
    assert_eq!((world.reserved().await, expired()), (0, "1".to_owned()));
}

#[tokio::test]
async fn a_node_that_claims_a_time_far_ahead_releases_nothing() {
    let (world, mut dapp, op) = ready().await;
    world.sponsor(&mut dapp, &op).await.unwrap();
    let reserved = world.reserved_rows().await;
    world.anvil.increase_time(100_000).await.unwrap();
    world.anvil.mine(3).await.unwrap();
    assert_eq!(world.release_expired().await, 0);
    assert_eq!(world.reserved_rows().await, reserved);
    world.relay.parts.chains.iter().next().unwrap().time.check().unwrap_err();

    world.clock.advance(100_000);
    assert_eq!(world.release_expired().await, 1);
    world.relay.parts.chains.iter().next().unwrap().time.check().unwrap();
}

#[tokio::test]
async fn the_age_of_the_latest_block_is_a_metric_and_grows_while_a_node_stands_still() {
    let world = World::new(V07).await;
    sweep_until(&world, |age| age < 60.0).await;
    world.clock.advance(1000);
    sweep_until(&world, |age| (1000.0..1060.0).contains(&age)).await;
    world.anvil.increase_time(1000).await.unwrap();
    world.anvil.mine(1).await.unwrap();
    sweep_until(&world, |age| age < 60.0).await;
}

/// Runs the sweep until the gauge fulfils the condition.
async fn sweep_until(world: &World, is_reached: impl Fn(f64) -> bool) {
    let stop = CancellationToken::new();
    let stopping = async {
        until(async || block_age(world).is_some_and(&is_reached)).await;
        stop.cancel();
    };
    tokio::join!(world.relay.sweeper.run(stop.clone()), stopping);
}

fn block_age(world: &World) -> Option<f64> {
    let families = world.registry.gather();
    let family = families.iter().find(|family| family.name() == "relay_block_age_seconds")?;
    Some(family.get_metric()[0].get_gauge().get_value())
}
