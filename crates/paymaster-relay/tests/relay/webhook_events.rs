//! What became of a sponsorship is told to its policy's webhook: at least once, after a restart
//! too, and for a bounded time.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Dapp, Hook, HookSays, Refusal, World, approves, nowhere};
use crate::webhooks::webhook_at;

const ETHER: u128 = 10u128.pow(18);
const FINALISED: &str = "sponsorship.finalised";

async fn world_at(url: &str, more: Value) -> World {
    World::with(V07, ETHER, |settings| webhook_at(settings, url, &more)).await
}

async fn world(more: Value) -> (World, Hook) {
    let hook = Hook::start();
    (world_at(hook.url(), more).await, hook)
}

async fn sponsor(world: &World, dapp: &mut Dapp, nonce_key: u64) -> Result<Value, Refusal> {
    let op = dapp.first_op(nonce_key);
    world.sponsor(dapp, &op).await
}

/// Delivers what is due; returns the number of acknowledged events.
async fn deliver(world: &World) -> u64 {
    world.relay.deliverers[0].deliver().await.unwrap()
}

/// Sponsors an operation and has it mined in a block that is final, but for its settlement.
async fn mined(world: &World) {
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    let answer = sponsor(world, &mut dapp, 0).await.unwrap();
    assert!(world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success);
    world.relay.settler.settle().await.unwrap();
    assert_eq!(deliver(world).await, 0, "its block is not final");
    world.anvil.mine(1).await.unwrap();
}

#[tokio::test]
async fn what_was_mined_is_told_with_its_cost_once_its_block_is_final() {
    let (world, hook) = world(json!({})).await;
    let before = world.paymaster.deposited().await.unwrap();
    mined(&world).await;
    world.relay.settler.settle().await.unwrap();
    assert_eq!((deliver(&world).await, deliver(&world).await), (1, 0));

    let told = hook.sent_of(FINALISED);
    let (id, data) = (&told[0].id, &told[0].body["data"]);
    let requested = &hook.sent_of("sponsorship.requested")[0].body["data"];
    for field in ["sponsorshipId", "policyId", "chainId", "paymaster", "sender", "accountId", "intent", "worstCaseWei"]
    {
        assert_eq!(data[field], requested[field], "{field}");
    }
    assert_eq!(*id, format!("finalised_{}_settled", data["sponsorshipId"].as_str().unwrap()));
    assert_eq!((&data["outcome"], &data["success"]), (&json!("settled"), &json!(true)));
    let cost: u128 = data["costWei"].as_str().unwrap().parse().unwrap();
    let paid = u128::try_from(before - world.paymaster.deposited().await.unwrap()).unwrap();
    assert_eq!(cost, paid);
    assert_eq!(data["transactionHash"].as_str().map(str::len), Some(66), "{data}");
    assert!(data["block"].is_u64(), "{data}");
}

#[tokio::test]
async fn what_expired_is_told_as_released() {
    let (world, hook) = world(json!({})).await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    sponsor(&world, &mut dapp, 0).await.unwrap();
    world.pass(660).await;
    assert_eq!((world.release_expired().await, deliver(&world).await), (1, 1));
    let data = &hook.sent_of(FINALISED)[0].body["data"];
    assert_eq!(
        (&data["outcome"], &data["costWei"], &data["success"]),
        (&json!("released"), &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn a_webhook_is_told_of_what_it_may_have_approved_and_not_of_what_it_denied_or_never_got() {
    let (world, hook) = world(json!({ "timeout_milliseconds": 300 })).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    hook.says(HookSays::Body(r#"{"approve":false}"#.to_owned()));
    sponsor(&world, &mut dapp, 0).await.unwrap_err();
    assert_eq!(deliver(&world).await, 0);

    // Its approval may be on the way.
    hook.says(HookSays::Http("404 Not Found", String::new(), ""));
    sponsor(&world, &mut dapp, 1).await.unwrap_err();
    hook.says(approves());
    assert_eq!(deliver(&world).await, 1);
    assert_eq!(hook.sent_of(FINALISED)[0].body["data"]["outcome"], "released");

    let without = world_at(&nowhere(), json!({})).await;
    let mut dapp = without.dapp(ACCOUNT).await;
    sponsor(&without, &mut dapp, 0).await.unwrap_err();
    assert_eq!(waiting(&without).await, 0);
}

/// The number of events in the database.
async fn waiting(world: &World) -> i64 {
    let pool = world.store.database().pool();
    sqlx::query_scalar("SELECT count(*) FROM webhook_events").fetch_one(&pool).await.unwrap()
}

#[tokio::test]
async fn an_event_is_delivered_under_its_id_until_it_is_acknowledged_also_after_a_restart() {
    let (world, hook) = world(json!({ "retries": 0 })).await;
    mined(&world).await;
    // The webhook is asked by a relay that settles, and the next one delivers.
    world.relay.settler.settle().await.unwrap();
    let world = world.restarted().await;
    hook.says(HookSays::Http("400 Bad Request", String::new(), ""));
    assert_eq!((deliver(&world).await, deliver(&world).await), (0, 0));
    assert_eq!(hook.sent_of(FINALISED).len(), 1, "the next attempt is due later");

    let world = world.restarted().await;
    hook.says(HookSays::Http("204 No Content", String::new(), ""));
    assert_eq!(deliver(&world).await, 0);
    world.clock.advance(5);
    assert_eq!((deliver(&world).await, waiting(&world).await), (1, 0));
    let told = hook.sent_of(FINALISED);
    assert_eq!((told.len(), &told[0].id, &told[0].body), (2, &told[1].id, &told[1].body));
}

#[tokio::test]
async fn events_that_a_webhook_does_not_take_are_dropped_after_a_time_and_counted() {
    let (world, hook) = world(json!({ "retries": 0, "deliver_for_seconds": 60 })).await;
    mined(&world).await;
    world.relay.settler.settle().await.unwrap();
    hook.says(HookSays::Http("401 Unauthorized", String::new(), ""));
    assert_eq!((deliver(&world).await, waiting(&world).await), (0, 1));
    world.clock.advance(60);
    assert_eq!((deliver(&world).await, waiting(&world).await), (0, 1));
    let text = |world: &World| prometheus::TextEncoder::new().encode_to_string(&world.registry.gather()).unwrap();
    for line in ["relay_webhook_events{webhook=\"crm\"} 1", "relay_webhook_event_age_seconds{webhook=\"crm\"} 60"] {
        assert!(text(&world).contains(line), "{line}");
    }
    world.clock.advance(1);
    assert_eq!((deliver(&world).await, waiting(&world).await), (0, 0));
    for line in ["relay_webhook_events{webhook=\"crm\"} 0", "relay_webhook_events_dropped_total{webhook=\"crm\"} 1"] {
        assert!(text(&world).contains(line), "{line}");
    }
}

#[tokio::test]
async fn a_silent_webhook_delays_no_settlement() {
    let (world, hook) = world(json!({ "timeout_milliseconds": 20_000 })).await;
    mined(&world).await;
    let mut dapp = world.dapp("bob").await;
    let op = dapp.first_op(0);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    world.relay.settler.settle().await.unwrap();
    hook.says(HookSays::Nothing);
    let delivery = deliver(&world);
    let settlement = async {
        devkit::eventually(async || (!hook.sent_of(FINALISED).is_empty()).then_some(())).await;
        assert!(world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success);
        world.anvil.mine(1).await.unwrap();
        assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
        assert_eq!((world.reserved().await, waiting(&world).await), (0, 2));
    };
    tokio::select! {
        _ = delivery => panic!("the webhook is silent"),
        () = settlement => {}
    }
}
