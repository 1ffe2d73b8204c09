//! The same request gives the same bytes and is charged once, whatever happens in between.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use devkit::EntryPointVersion::V07;
use devkit::passkey::SignCounter;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{ACCOUNT, World};

const RETRIED: [&str; 5] = ["userOperation", "userOpHash", "validUntil", "verificationProof", "teeDeviceId"];

fn assert_same(one: &Value, other: &Value) {
    for name in RETRIED {
        assert_eq!(one[name], other[name], "{name}");
    }
}

#[tokio::test]
async fn a_replayed_request_gives_the_same_bytes_and_no_second_charge() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let params = json!([op, ACCOUNT, passkey]);

    let first = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    let charged = world.reserved().await;
    assert!(charged > 0);
    world.clock.advance(100);
    let again = world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    assert_same(&first, &again);
    assert_eq!(world.reserved().await, charged);
    assert_eq!(world.sponsorships(), 1);
}

#[tokio::test]
async fn a_restart_in_between_changes_nothing() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let params = json!([op, ACCOUNT, passkey]);
    let first = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    let charged = world.reserved().await;

    let world = world.restarted().await;
    let again = world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    assert_same(&first, &again);
    assert_eq!(world.reserved().await, charged);
    assert_eq!(world.sponsorships(), 1);
}

#[tokio::test]
async fn another_signature_of_the_same_challenge_is_the_same_request() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let first = world.sponsor(&mut dapp, &op).await.unwrap();
    let charged = world.reserved().await;
    world.clock.advance(30);
    dapp.passkey.behaviour.signature_form = devkit::passkey::SignatureForm::HighS;
    dapp.passkey.behaviour.extra_key = devkit::passkey::ExtraKey::Always;
    let again = world.sponsor(&mut dapp, &op).await.unwrap();
    assert_eq!(first["userOperation"], again["userOperation"]);
    assert_eq!(world.reserved().await, charged);
    assert_eq!(world.sponsorships(), 1);
}

#[tokio::test]
async fn new_gestures_of_the_same_intent_cost_the_tee_nothing_while_the_window_is_long_enough() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    dapp.passkey.behaviour.counter = SignCounter::Counting;
    let op = dapp.first_op(0);
    let first = world.sponsor(&mut dapp, &op).await.unwrap();
    for wait in [0, 0, 0, 500] {
        world.clock.advance(wait);
        assert_same(&first, &world.sponsor(&mut dapp, &op).await.unwrap());
    }
    assert_eq!(world.sponsorships(), 1);
    assert_eq!(world.reserved_rows().await.len(), 1);
}

#[tokio::test]
async fn a_new_gesture_renews_a_window_that_is_nearly_over_and_is_charged_no_second_time() {
    let world = World::new(V07).await;
    world.relay.settler.settle().await.unwrap();
    let mut dapp = world.dapp(ACCOUNT).await;
    dapp.passkey.behaviour.counter = SignCounter::Counting;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let params = json!([op, ACCOUNT, passkey]);
    let first = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    world.clock.advance(541);
    assert_same(&first, &world.client.call("pm_sponsor_with_tee", params).await.unwrap());

    let renewed = world.sponsor(&mut dapp, &op).await.unwrap();
    assert_eq!(renewed["validUntil"].as_u64(), first["validUntil"].as_u64().map(|until| until + 541));
    assert_ne!(renewed["userOpHash"], first["userOpHash"]);
    assert_eq!(world.sponsorships(), 2);
    assert_eq!(world.reserved_rows().await.len(), 1);
    let later = world.sponsor(&mut dapp, &op).await.unwrap();
    assert_same(&renewed, &later);

    // Either of the two may be mined.
    assert!(world.chain.entry_point.handle_ops(&first["userOperation"]).await.unwrap().success);
    world.anvil.mine(1).await.unwrap();
    assert_eq!(world.relay.settler.settle().await.unwrap(), 1);
    assert_eq!(world.reserved().await, 0);
}

#[tokio::test]
async fn a_renewal_that_broke_off_is_taken_up_on_its_new_window() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    dapp.passkey.behaviour.counter = SignCounter::Counting;
    let op = dapp.first_op(0);
    let first = world.sponsor(&mut dapp, &op).await.unwrap();
    world.clock.advance(550);
    let passkey = world.approval(&mut dapp, &op).await;
    let params = json!([op, ACCOUNT, passkey]);
    for (switch, reason) in [(&world.tee.down, "kms_unavailable"), (&world.tee.loses_answers, "kms_unavailable")] {
        switch.store(true, Ordering::SeqCst);
        let refusal = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap_err();
        refusal.assert_is(-32603, reason, true);
        switch.store(false, Ordering::SeqCst);
        assert_eq!(world.reserved_rows().await.len(), 1, "the first signature may still be used");
    }
    let renewed = world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    assert!(renewed["validUntil"].as_u64() > first["validUntil"].as_u64());
    assert_eq!(world.reserved_rows().await.len(), 1);
}

#[tokio::test]
async fn one_sponsorship_is_signed_as_often_as_the_settings_say_and_no_more() {
    let world = World::with(V07, 10u128.pow(18), |settings| settings["max_signings"] = json!(3)).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    dapp.passkey.behaviour.counter = SignCounter::Counting;
    let op = dapp.first_op(0);
    for _ in 0..3 {
        world.sponsor(&mut dapp, &op).await.unwrap();
        world.clock.advance(550);
    }
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    refusal.assert_is(-32501, "signing_limit_reached", true);
    assert_eq!((&refusal.data["rule"], &refusal.data["limit"]), (&json!("max_signings"), &json!("3")));
    assert_eq!(world.sponsorships(), 3);

    // A signing with an unknown outcome counts too.
    let op = dapp.first_op(1);
    let passkey = world.approval(&mut dapp, &op).await;
    world.tee.loses_answers.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let refusal = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap_err();
        refusal.assert_is(-32603, "kms_unavailable", true);
    }
    let refusal = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap_err();
    refusal.assert_is(-32501, "signing_limit_reached", true);
    assert_eq!(world.sponsorships(), 6);

    // By the host's clock its window is over, but on an idle chain the signed operation may still
    // be mined.
    world.tee.loses_answers.store(false, Ordering::SeqCst);
    world.clock.advance(601);
    let refusal = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap_err();
    refusal.assert_is(-32501, "signing_limit_reached", true);

    // A final block is past the window: the same request is a new one.
    world.clock.advance(750);
    world.anvil.increase_time(3000).await.unwrap();
    world.anvil.mine(20).await.unwrap();
    assert_eq!(world.release_expired().await, 2);
    world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap();
}

#[tokio::test]
async fn an_operation_that_may_still_be_mined_stays_reserved_when_a_later_approval_is_refused() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
    let reserved = world.reserved_rows().await;

    // Only the host's clock says that the window is over. The relay accepts this gesture, but the
    // TEE does not.
    world.clock.advance(700);
    dapp.passkey.behaviour.origin = "https://evil.example".to_owned();
    let elsewhere = world.approval(&mut dapp, &op).await;
    let refusal = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, elsewhere])).await.unwrap_err();
    assert_eq!(refusal.reason(), "origin_not_allowed");
    assert_eq!(world.reserved_rows().await, reserved);
}

#[tokio::test]
async fn a_request_without_an_answer_is_signed_for_a_long_enough_window() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);
    world.intent(&dapp, &op).await;
    world.tee.loses_answers.store(true, Ordering::SeqCst);
    let refusal = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap_err();
    refusal.assert_is(-32603, "kms_unavailable", true);
    let reserved = world.reserved_rows().await;

    world.tee.loses_answers.store(false, Ordering::SeqCst);
    world.clock.advance(590);
    let answer = world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    let (until, signed_at) = (answer["validUntil"].as_u64(), answer["verificationProof"]["timestamp"].as_u64());
    assert_eq!(until.unwrap() - signed_at.unwrap(), 600);
    assert_eq!((reserved.len(), world.reserved_rows().await), (1, reserved));
}

#[tokio::test]
async fn equal_requests_at_once_are_one_sponsorship() {
    let world = Arc::new(World::new(V07).await);
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let params = json!([op, ACCOUNT, passkey]);

    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let (client, params) = (world.client.clone(), params.clone());
        calls.spawn(async move { client.call("pm_sponsor_with_tee", params).await.unwrap() });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.len(), 20);
    for answer in &answers[1..] {
        assert_same(&answers[0], answer);
    }
    assert_eq!(world.reserved_rows().await.len(), 1);
    assert_eq!(world.sponsorships(), 1);
}

#[tokio::test]
async fn a_claim_that_got_lost_changes_nothing_since_the_books_hold_the_intent() {
    // The deposit covers one of these operations, but not two.
    let world = World::with(V07, 5 * 10u128.pow(15), |_| {}).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let params = json!([op, ACCOUNT, passkey]);
    let first = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    sqlx::query("DELETE FROM claims").execute(&world.store.database().pool()).await.unwrap();
    let again = world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    assert_same(&first, &again);
    assert_eq!(world.reserved_rows().await.len(), 1);
    assert_eq!(world.sponsorships(), 1);
}

#[tokio::test]
async fn an_answer_that_got_lost_is_given_on_the_next_try_with_the_same_terms() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let params = json!([op, ACCOUNT, passkey]);

    // The page requested the intent, so the relay knows the passkey.
    world.intent(&dapp, &op).await;
    world.tee.loses_answers.store(true, Ordering::SeqCst);
    let refusal = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap_err();
    refusal.assert_is(-32603, "kms_unavailable", true);
    let charged = world.reserved().await;
    assert!(charged > 0, "a signature may exist, so its cost stays reserved");
    let until: i64 = sqlx::query_scalar("SELECT valid_until FROM sponsorships WHERE state = 'reserved'")
        .fetch_one(&world.store.database().pool())
        .await
        .unwrap();

    world.clock.advance(50);
    world.tee.loses_answers.store(false, Ordering::SeqCst);
    let answer = world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    assert_eq!(answer["validUntil"], until);
    assert_eq!(world.reserved().await, charged);
}

#[tokio::test]
async fn an_expired_sponsorship_may_be_requested_anew() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let params = json!([op, ACCOUNT, passkey, { "idempotencyKey": "k" }]);
    let first = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    let charged = world.reserved().await;

    for wait in [601, 700] {
        world.clock.advance(wait);
        let anew = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
        assert!(anew["validUntil"].as_u64() > first["validUntil"].as_u64());
        assert_eq!(world.reserved().await, charged, "the first reservation made room for the second");
    }
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_request() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let (one, other) = (dapp.first_op(0), dapp.first_op(1));
    let options = json!({ "idempotencyKey": "order-1" });
    let passkey = world.approval(&mut dapp, &one).await;
    let params = json!([one, ACCOUNT, passkey, options]);
    let first = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    assert_same(&first, &world.client.call("pm_sponsor_with_tee", params).await.unwrap());

    let passkey = world.approval(&mut dapp, &other).await;
    let params = json!([other, ACCOUNT, passkey, options]);
    let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
    refusal.assert_is(-32602, "idempotency_conflict", true);

    // Keys belong to the account.
    let mut bob = world.dapp("bob").await;
    let op = bob.first_op(0);
    let passkey = world.approval(&mut bob, &op).await;
    world.client.call("pm_sponsor_with_tee", json!([op, "bob", passkey, options])).await.unwrap();
}

#[tokio::test]
async fn a_key_is_noted_for_what_was_sponsored_without_one() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let [one, other] = [0, 1].map(|key| dapp.first_op(key));
    let [of_one, of_other] = [world.approval(&mut dapp, &one).await, world.approval(&mut dapp, &other).await];
    let sponsor = async |op: &Value, passkey: &Value, key: &str| {
        let options = if key.is_empty() { json!({}) } else { json!({ "idempotencyKey": key }) };
        world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey, options])).await
    };
    let first = sponsor(&one, &of_one, "").await.unwrap();
    assert_same(&first, &sponsor(&one, &of_one, "order-1").await.unwrap());
    assert_same(&first, &sponsor(&one, &of_one, "").await.unwrap());
    for (op, passkey, key) in [(&other, &of_other, "order-1"), (&one, &of_one, "order-2")] {
        let refusal = sponsor(op, passkey, key).await.unwrap_err();
        refusal.assert_is(-32602, "idempotency_conflict", true);
    }
    sponsor(&other, &of_other, "order-2").await.unwrap();

    assert!(world.chain.entry_point.handle_ops(&first["userOperation"]).await.unwrap().success);
    world.anvil.mine(1).await.unwrap();
    world.relay.settler.settle().await.unwrap();
    assert_same(&first, &sponsor(&one, &of_one, "order-1").await.unwrap());
    sponsor(&one, &of_one, "order-3").await.unwrap_err().assert_is(-32602, "idempotency_conflict", false);
}

#[tokio::test]
async fn what_was_mined_without_a_key_keeps_one() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let [one, other] = [0, 1].map(|key| dapp.first_op(key));
    let passkey = world.approval(&mut dapp, &one).await;
    let first = world.client.call("pm_sponsor_with_tee", json!([one, ACCOUNT, passkey])).await.unwrap();
    assert!(world.chain.entry_point.handle_ops(&first["userOperation"]).await.unwrap().success);
    world.anvil.mine(1).await.unwrap();
    world.relay.settler.settle().await.unwrap();

    let options = json!({ "idempotencyKey": "order-1" });
    let again = world.client.call("pm_sponsor_with_tee", json!([one, ACCOUNT, passkey, options])).await.unwrap();
    assert_same(&first, &again);
    let passkey = world.approval(&mut dapp, &other).await;
    let refusal =
        world.client.call("pm_sponsor_with_tee", json!([other, ACCOUNT, passkey, options])).await.unwrap_err();
    refusal.assert_is(-32602, "idempotency_conflict", false);
}

#[tokio::test]
async fn one_idempotency_key_for_different_requests_at_once_serves_one_of_them() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut calls = JoinSet::new();
    for key in 0..8 {
        let op = dapp.first_op(key);
        let passkey = world.approval(&mut dapp, &op).await;
        let params = json!([op, ACCOUNT, passkey, { "idempotencyKey": "same" }]);
        let client = world.client.clone();
        calls.spawn(async move { client.call("pm_sponsor_with_tee", params).await });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for refusal in answers.into_iter().filter_map(Result::err) {
        refusal.assert_is(-32602, "idempotency_conflict", true);
    }
}

#[tokio::test]
async fn an_attempt_with_a_bad_passkey_costs_nothing_and_bars_nothing() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut mallory = world.dapp("mallory").await;
    let op = dapp.first_op(0);
    let intent = world.intent(&dapp, &op).await;
    let challenge = intent["webauthn"]["challenge"].clone();
    let forged = mallory.passkey.assert(&json!({ "challenge": challenge, "rpId": "example.org" })).unwrap();
    let refusal = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, forged])).await.unwrap_err();
    refusal.assert_is(-32507, "credential_unknown", false);
    assert_eq!(world.reserved().await, 0);
    world.sponsor(&mut dapp, &op).await.unwrap();
}

#[tokio::test]
async fn a_bad_passkey_after_a_good_one_takes_nothing_away() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let first = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap();
    let charged = world.reserved().await;

    let mut forged = passkey.clone();
    forged["response"]["signature"] =
        json!("MEQCIGZAg4XNl6ldUIgxkbYRtYmIT5fMHUPSKDkZo3hSuxNYAiBkXVS9wJXrmcYmyqgyWVrMrr0WiKpsMCAvPvlLaXM7sg");
    let refusal = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, forged])).await.unwrap_err();
    refusal.assert_is(-32507, "passkey_signature_invalid", false);
    assert_eq!(world.reserved().await, charged);
    let again = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap();
    assert_same(&first, &again);
}

#[tokio::test]
async fn without_a_passkey_the_same_request_gives_the_same_bytes_and_no_signature_of_the_account() {
    let world = World::with(V07, 10u128.pow(18), |settings| {
        settings["policies"][0]["allow_without_passkey"] = json!(true);
    })
    .await;
    world.permit_without_passkey().await;
    let op = world.dapp(ACCOUNT).await.first_op(0);
    let params = json!([op, "unknown-to-the-tee", null]);
    let first = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    assert_eq!(first["signature"], Value::Null);
    assert_same(&first, &world.client.call("pm_sponsor_with_tee", params).await.unwrap());
    assert_eq!(world.reserved_rows().await.len(), 1);
    assert_eq!(world.sponsorships(), 1);
}

#[tokio::test]
async fn a_signature_of_a_replaced_paymaster_stands_until_its_window_is_over_and_is_not_renewed() {
    let mut world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);
    let first = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    let replaced = world.settings["deployments"][0]["paymaster"].clone();
    world.settings["deployments"][0]["paymaster"] = json!("0x00000000000000000000000000000000000000b0");
    let world = world.restarted().await;
    assert_same(&first, &world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap());

    world.pass(601).await;
    let stub = json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
    for (method, params) in [
        ("pm_getSponsorshipIntent", json!([op, ACCOUNT])),
        ("pm_getPaymasterStubData", stub),
        ("pm_sponsor_with_tee", params),
    ] {
        let refusal = world.client.call(method, params).await.unwrap_err();
        refusal.assert_is(-32602, "paymaster_replaced", true);
        assert_eq!(refusal.data["paymaster"].as_str().map(str::to_lowercase), replaced.as_str().map(str::to_lowercase));
    }
}

#[tokio::test]
async fn a_retry_under_another_policy_is_a_conflict_with_or_without_the_same_gesture() {
    let world = World::with(V07, 10u128.pow(18), |settings| {
        let policy = |id: &str| json!({ "id": id, "max_cost_per_operation": "100000000000000000" });
        settings["policies"] = json!([policy("one"), policy("other")]);
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let under = |passkey: &Value, policy: &str| json!([op, ACCOUNT, passkey, { "policyId": policy }]);
    let first = world.client.call("pm_sponsor_with_tee", under(&passkey, "other")).await.unwrap();

    let again = world.approval(&mut dapp, &op).await;
    for (passkey, policy) in [(&passkey, "one"), (&again, "one")] {
        let refusal = world.client.call("pm_sponsor_with_tee", under(passkey, policy)).await.unwrap_err();
        refusal.assert_is(-32602, "policy_conflict", true);
        assert_eq!((&refusal.data["policyId"], &refusal.data["expected"]), (&json!("one"), &json!("other")));
    }
    let same = world.client.call("pm_sponsor_with_tee", under(&passkey, "other")).await.unwrap();
    assert_same(&first, &same);
    assert_eq!(world.sponsorships(), 1);
}
