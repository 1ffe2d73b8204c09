//! Mined operations: their costs, their keys, restarts and reorganisations.

use devkit::EntryPointVersion::V07;
use devkit::passkey::SignCounter;
use devkit::user_operation::Draft;
use serde_json::json;

use super::{mine, sponsored, states};
use crate::support::{ACCOUNT, World};

#[tokio::test]
async fn a_mined_operation_is_settled_at_its_real_cost_and_makes_room_for_others() {
    let world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    assert!(world.reserved().await > 0);
    assert_eq!(world.relay.settler.settle().await.unwrap(), 0);

    let reserved = world.reserved().await;
    let cost = mine(&world, &answer).await;
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(world.reserved().await, reserved, "its block may still be reorganised away");
    world.anvil.mine(1).await.unwrap();
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(world.reserved().await, 0);
    let states = states(&world).await;
    assert_eq!(states[0].0, "settled");
    assert!((cost..=cost + 1).contains(&states[0].1.unwrap()));
}

#[tokio::test]
async fn an_operation_mined_while_the_relay_was_down_is_settled_after_the_restart() {
    let mut world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let answer = sponsored(&world).await;
    world.stop().await;
    mine(&world, &answer).await;
    world.anvil.mine(1).await.unwrap();

    let world = world.started_again().await;
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(states(&world).await[0].0, "settled");
}

#[tokio::test]
async fn an_operation_mined_in_the_last_moment_is_settled_though_its_window_is_over() {
    let world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    mine(&world, &answer).await;
    world.pass(700).await;
    let call_data = dapp.call_data(alloy_primitives::Address::repeat_byte(1));
    let second = Draft::new(dapp.sender, alloy_primitives::U256::from(1), call_data).to_json(V07);
    world.sponsor(&mut dapp, &second).await.unwrap();
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    let states: Vec<_> = states(&world).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["settled", "signed"]);
}

#[tokio::test]
async fn an_operation_whose_block_is_reorganised_away_was_never_given_up() {
    let world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);
    let answer = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    let reserved = world.reserved_rows().await;
    let before = world.anvil.snapshot().await.unwrap();

    mine(&world, &answer).await;
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(world.reserved_rows().await, reserved);
    world.anvil.revert(before).await.unwrap();
    assert_eq!(world.relay.settler.settle().await.unwrap(), 0);
    assert_eq!(world.reserved_rows().await, reserved);
    assert_eq!(states(&world).await, [("signed".to_owned(), None)]);
    let again = world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    assert_eq!(again["userOperation"], answer["userOperation"]);

    mine(&world, &answer).await;
    world.anvil.mine(1).await.unwrap();
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(states(&world).await[0].0, "settled");
    assert_eq!(world.reserved().await, 0);
}

#[tokio::test]
async fn a_request_with_the_key_of_a_mined_operation_is_not_retryable_while_it_is_mined() {
    let world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let (op, other) = (dapp.first_op(0), dapp.first_op(1));
    let options = json!({ "idempotencyKey": "order-1" });
    let passkey = world.approval(&mut dapp, &op).await;
    let answer = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey, options])).await.unwrap();
    let passkey = world.approval(&mut dapp, &other).await;
    let conflict = async |retryable| {
        let params = json!([other, ACCOUNT, passkey, options]);
        let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
        refusal.assert_is(-32602, "idempotency_conflict", retryable);
    };
    conflict(true).await;
    let before = world.anvil.snapshot().await.unwrap();
    mine(&world, &answer).await;
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(states(&world).await[0].0, "signed", "its block is not final");
    conflict(false).await;

    world.anvil.revert(before).await.unwrap();
    world.relay.settler.settle().await.unwrap();
    conflict(true).await;
    mine(&world, &answer).await;
    world.anvil.mine(1).await.unwrap();
    world.relay.settler.settle().await.unwrap();
    assert_eq!(states(&world).await[0].0, "settled");
    conflict(false).await;
}

#[tokio::test]
async fn the_idempotency_key_of_a_reorganised_operation_still_stands_for_it() {
    // With one confirmation the block was not final; with none it was final, but disappeared
    // anyway.
    for confirmations in [1, 0] {
        let world = World::with(V07, 10u128.pow(18), |settings| {
            settings["chain"]["confirmations"] = json!(confirmations);
        })
        .await;
        world.relay.settler.settle().await.unwrap();
        let mut dapp = world.dapp(ACCOUNT).await;
        dapp.passkey.behaviour.counter = SignCounter::Counting;
        let op = dapp.first_op(0);
        let options = json!({ "idempotencyKey": "order-1" });
        let passkey = world.approval(&mut dapp, &op).await;
        let answer = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey, options])).await.unwrap();
        let before = world.anvil.snapshot().await.unwrap();
        mine(&world, &answer).await;
        assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
        world.anvil.revert(before).await.unwrap();
        world.relay.settler.settle().await.unwrap();

        let passkey = world.approval(&mut dapp, &op).await;
        let again = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey, options])).await.unwrap();
        assert_eq!(world.reserved_rows().await.len(), 1);
        mine(&world, &again).await;
    }
}
