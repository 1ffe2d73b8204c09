//! One gesture over a list of operations: each is a request of its own, sponsored and charged once.

use std::sync::Arc;

use devkit::EntryPointVersion::{V06, V07, V08};
use devkit::passkey::SignCounter;
use proto::json::passkey::to_base64url;
use proto::{IntentHash, IntentList};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{ACCOUNT, Dapp, World};

/// A dapp with a counting passkey, and operations with nonce keys of their own.
async fn drafts(world: &World, count: u64) -> (Dapp, Vec<Value>) {
    let mut dapp = world.dapp(ACCOUNT).await;
    dapp.passkey.behaviour.counter = SignCounter::Counting;
    let ops = (0..count).map(|nonce_key| dapp.first_op(nonce_key)).collect();
    (dapp, ops)
}

async fn sponsor(world: &World, op: &Value, passkey: &Value) -> Result<Value, crate::support::Refusal> {
    world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await
}

#[tokio::test]
async fn one_gesture_sponsors_every_operation_of_its_list_and_each_is_charged_once() {
    for version in [V06, V07, V08] {
        let world = World::new(version).await;
        let (mut dapp, ops) = drafts(&world, 3).await;
        let passkey = world.approval_of_all(&mut dapp, &ops).await;
        let mut answers = Vec::new();
        let mut charged = 0;
        for op in &ops {
            let answer = sponsor(&world, op, &passkey).await.unwrap();
            assert_eq!(answer["verificationProof"]["userPasskeyVerified"], true);
            let reserved = world.reserved().await;
            assert!(reserved > charged, "each reserves its own cost");
            charged = reserved;
            answers.push(answer);
        }
        for (op, answer) in ops.iter().zip(&answers) {
            let again = sponsor(&world, op, &passkey).await.unwrap();
            assert_eq!(again["userOperation"], answer["userOperation"]);
        }
        assert_eq!((world.sponsorships(), world.reserved_rows().await.len()), (3, 3));
        assert_eq!(world.reserved().await, charged);
    }
}

#[tokio::test]
async fn operations_of_a_list_that_are_sent_at_once_are_each_sponsored_once() {
    let world = Arc::new(World::new(V07).await);
    let (mut dapp, ops) = drafts(&world, 4).await;
    let passkey = world.approval_of_all(&mut dapp, &ops).await;
    let mut tasks = JoinSet::new();
    for op in ops.iter().chain(&ops) {
        let (world, op, passkey) = (Arc::clone(&world), op.clone(), passkey.clone());
        tasks.spawn(async move { sponsor(&world, &op, &passkey).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.len(), 8);
    assert_eq!((world.sponsorships(), world.reserved_rows().await.len()), (4, 4));
}

#[tokio::test]
async fn what_the_list_does_not_contain_is_refused_and_charges_nothing() {
    let world = World::new(V07).await;
    let (mut dapp, ops) = drafts(&world, 4).await;
    let passkey = world.approval_of_all(&mut dapp, &ops[..3]).await;
    let refusal = sponsor(&world, &ops[3], &passkey).await.unwrap_err();
    refusal.assert_is(-32507, "intent_not_listed", false);
    let mut changed = ops[0].clone();
    changed["callGasLimit"] = json!("0x24a00");
    let refusal = sponsor(&world, &changed, &passkey).await.unwrap_err();
    refusal.assert_is(-32507, "intent_not_listed", false);
    // For another account the same operation has another intent.
    world.dapp("bob").await;
    let params = json!([ops[0], "bob", passkey]);
    let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
    refusal.assert_is(-32507, "credential_unknown", false);
    assert_eq!((world.reserved().await, world.sponsorships()), (0, 0));
}

#[tokio::test]
async fn a_list_that_the_passkey_did_not_approve_is_refused_and_charges_nothing() {
    let world = World::new(V07).await;
    let (mut dapp, ops) = drafts(&world, 3).await;
    let passkey = world.approval_of_all(&mut dapp, &ops).await;
    let intents = passkey["intents"].as_array().unwrap().clone();
    let extended = [&intents[..], &[json!(IntentHash([9; 32]))]].concat();
    for forged in [json!(extended), json!(intents[..2]), json!([intents[1], intents[0], intents[2]]), Value::Null] {
        let mut changed = passkey.clone();
        changed["intents"] = forged;
        let refusal = sponsor(&world, &ops[0], &changed).await.unwrap_err();
        refusal.assert_is(-32507, "challenge_mismatch", false);
    }
    // The approval of one operation, with a list around it.
    let mut single = world.approval(&mut dapp, &ops[0]).await;
    single["intents"] = json!(intents);
    sponsor(&world, &ops[0], &single).await.unwrap_err().assert_is(-32507, "challenge_mismatch", false);
    assert_eq!((world.reserved().await, world.sponsorships()), (0, 0));
}

#[tokio::test]
async fn a_list_that_is_none_is_refused_with_the_name_of_the_field() {
    let world = World::new(V07).await;
    let (mut dapp, ops) = drafts(&world, 2).await;
    let passkey = world.approval_of_all(&mut dapp, &ops).await;
    let numbered = |count: u8| (0..count).map(|number| IntentHash([number; 32])).collect::<Vec<_>>();
    let one = IntentHash([1; 32]);
    for (intents, field) in [
        (json!([]), "intents"),
        (json!([one]), "intents"),
        (json!([one, one]), "intents"),
        (json!(numbered(17)), "intents"),
        (json!("0x"), "intents"),
        (json!([one, "0x12"]), "intents[1]"),
    ] {
        let mut changed = passkey.clone();
        changed["intents"] = intents;
        let refusal = sponsor(&world, &ops[0], &changed).await.unwrap_err();
        refusal.assert_is(-32602, "invalid_field", false);
        assert_eq!(refusal.data["field"], format!("passkey.{field}"));
        let context = json!({ "accountId": ACCOUNT, "passkey": changed });
        let params = json!([ops[0], world.entry_point(), "0x7a69", context]);
        let refusal = world.client.call("pm_getPaymasterData", params).await.unwrap_err();
        assert_eq!(refusal.data["field"], format!("context.passkey.{field}"));
    }
    assert_eq!((world.reserved().await, world.sponsorships()), (0, 0));
}

#[tokio::test]
async fn one_refused_operation_leaves_the_others_of_its_list_as_they_are() {
    let world = World::new(V07).await;
    let (mut dapp, mut ops) = drafts(&world, 3).await;
    ops[1]["maxFeePerGas"] = json!("0xe8d4a510000000");
    let passkey = world.approval_of_all(&mut dapp, &ops).await;
    sponsor(&world, &ops[0], &passkey).await.unwrap();
    let refusal = sponsor(&world, &ops[1], &passkey).await.unwrap_err();
    refusal.assert_is(-32501, "cost_above_policy", false);
    sponsor(&world, &ops[2], &passkey).await.unwrap();
    assert_eq!((world.sponsorships(), world.reserved_rows().await.len()), (2, 2));
}

#[tokio::test]
async fn a_list_approved_at_another_origin_asks_the_tee_once() {
    let world = World::new(V07).await;
    let (mut dapp, ops) = drafts(&world, 4).await;
    dapp.passkey.behaviour.origin = "https://evil.example".to_owned();
    let passkey = world.approval_of_all(&mut dapp, &ops).await;
    for op in &ops {
        let refusal = sponsor(&world, op, &passkey).await.unwrap_err();
        refusal.assert_is(-32507, "origin_not_allowed", false);
    }
    assert_eq!((world.reserved().await, world.sponsorships()), (0, 1), "the rest is refused from memory");
}

#[tokio::test]
async fn the_rest_of_a_list_is_refused_once_a_counting_passkey_approved_something_later() {
    let world = World::new(V07).await;
    let (mut dapp, ops) = drafts(&world, 3).await;
    let passkey = world.approval_of_all(&mut dapp, &ops[..2]).await;
    let first = sponsor(&world, &ops[0], &passkey).await.unwrap();
    world.sponsor(&mut dapp, &ops[2]).await.unwrap();
    let asked = world.sponsorships();
    for _ in 0..2 {
        let refusal = sponsor(&world, &ops[1], &passkey).await.unwrap_err();
        refusal.assert_is(-32507, "sign_count_decreased", false);
        // What was signed before stays the answer.
        let again = sponsor(&world, &ops[0], &passkey).await.unwrap();
        assert_eq!(again["userOperation"], first["userOperation"]);
    }
    assert_eq!((world.reserved_rows().await.len(), world.sponsorships()), (2, asked + 1));

    // But it is not renewed with an approval that the TEE would refuse.
    world.pass(660).await;
    let refusal = sponsor(&world, &ops[0], &passkey).await.unwrap_err();
    refusal.assert_is(-32507, "sign_count_decreased", false);
}

#[tokio::test]
async fn erc_7677_data_takes_a_list_in_its_context() {
    let world = World::new(V07).await;
    let (mut dapp, ops) = drafts(&world, 2).await;
    let passkey = world.approval_of_all(&mut dapp, &ops).await;
    for op in &ops {
        let context = json!({ "accountId": ACCOUNT, "passkey": passkey });
        let params = json!([op, world.entry_point(), "0x7a69", context]);
        let fields = world.client.call("pm_getPaymasterData", params).await.unwrap();
        let whole = sponsor(&world, op, &passkey).await.unwrap();
        assert_eq!(fields["paymasterData"], whole["paymasterData"]);
    }
    assert_eq!(world.reserved_rows().await.len(), 2);
}

#[tokio::test]
async fn the_preview_of_an_operation_says_the_challenge_of_its_list() {
    let world = World::new(V07).await;
    let (mut dapp, ops) = drafts(&world, 3).await;
    let approved = world.approval_of_all(&mut dapp, &ops[..2]).await;
    let list = IntentList::new(serde_json::from_value(approved["intents"].clone()).unwrap()).unwrap();
    let preview = async |op: &Value, intents: &Value| {
        let params = json!([op, ACCOUNT, { "intents": intents }]);
        world.client.call("pm_getSponsorshipIntent", params).await
    };
    for (op, intent) in ops.iter().zip(list.iter()) {
        let together = preview(op, &json!(list)).await.unwrap();
        assert_eq!(together["webauthn"]["challenge"], to_base64url(&list.hash().0));
        assert_eq!(together["intentHash"], json!(intent));
        let alone = preview(op, &Value::Null).await.unwrap();
        assert_eq!(alone["webauthn"]["challenge"], to_base64url(&intent.0));
    }
    let lacking = preview(&ops[2], &json!(list)).await.unwrap_err();
    lacking.assert_is(-32602, "invalid_field", false);
    assert_eq!(lacking.data["field"], "options.intents");
    let own = world.intent(&dapp, &ops[2]).await["intentHash"].clone();
    assert!(lacking.message.contains(own.as_str().unwrap()), "{lacking:?}");
    for intents in [json!([list[0]]), json!([list[0], list[0]]), json!("0x")] {
        let refusal = preview(&ops[0], &intents).await.unwrap_err();
        assert_eq!(refusal.data["field"], "options.intents", "{refusal:?}");
    }
    let params = json!([ops[0], ACCOUNT, approved, { "intents": list }]);
    let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
    refusal.assert_is(-32602, "invalid_field", false);
    assert!(refusal.message.contains("passkey.intents"), "{refusal:?}");
    assert_eq!((world.reserved().await, world.sponsorships()), (0, 0));
}
