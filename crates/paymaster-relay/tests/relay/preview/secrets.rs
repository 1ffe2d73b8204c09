//! What a preview tells anybody about an account, and what it does not.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, World};

#[tokio::test]
async fn the_intent_knows_what_is_reserved_and_tells_nobody_of_an_accounts_idempotency_keys() {
    let world = World::with(V07, 5 * 10u128.pow(15), |settings| {
        settings["reservations"] = json!({ "max_percent_per_account": 100 });
        let gold = json!({ "id": "gold", "max_cost_per_operation": "1000000000000000000" });
        settings["policies"].as_array_mut().unwrap().push(gold);
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let (first, second) = (dapp.first_op(0), dapp.first_op(1));
    let options = json!({ "idempotencyKey": "order-1" });
    let passkey = world.approval(&mut dapp, &first).await;
    let params = json!([first, ACCOUNT, passkey, options]);
    world.client.call("pm_sponsor_with_tee", params).await.unwrap();

    // The deposit covers one of them.
    let refusal = world.client.call("pm_getSponsorshipIntent", json!([second, ACCOUNT])).await.unwrap_err();
    refusal.assert_is(-32508, "paymaster_deposit_too_low", true);
    let refusal = world.client.call("pm_getSponsorshipIntent", json!([second, ACCOUNT, options])).await.unwrap_err();
    refusal.assert_is(-32508, "paymaster_deposit_too_low", true);
    let passkey = world.approval(&mut dapp, &second).await;
    let params = json!([second, ACCOUNT, passkey, options]);
    let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
    refusal.assert_is(-32602, "idempotency_conflict", true);
    assert_eq!(world.reserved_rows().await.len(), 1, "asking reserves nothing");

    // An operation that is already sponsored can be approved again, under its own policy.
    let gold = json!([first, ACCOUNT, { "policyId": "gold" }]);
    let refusal = world.client.call("pm_getSponsorshipIntent", gold).await.unwrap_err();
    refusal.assert_is(-32602, "policy_conflict", true);
    assert_eq!((&refusal.data["expected"], &refusal.data["policyId"]), (&Value::Null, &json!("gold")));
    assert!(!refusal.message.contains("default"), "{refusal:?}");
    world.client.call("pm_getSponsorshipIntent", json!([first, ACCOUNT, options])).await.unwrap();
}

#[tokio::test]
async fn before_the_touch_nothing_is_told_of_how_an_account_was_used_but_the_reason() {
    let world = World::with(V07, 10u128.pow(18), |settings| {
        settings["reservations"] = json!({ "max_per_account": 2, "max_percent_per_account": 100 });
        settings["max_refusals"] = json!(1);
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    for key in 0..2 {
        let op = dapp.first_op(key);
        world.sponsor(&mut dapp, &op).await.unwrap();
    }
    let op = dapp.first_op(2);
    let context = json!({ "accountId": ACCOUNT });
    let asked = [
        ("pm_getSponsorshipIntent", json!([op, ACCOUNT])),
        ("pm_getPaymasterStubData", json!([op, world.entry_point(), "0x7a69", context])),
    ];
    for (method, params) in &asked {
        let refusal = world.client.call(method, params.clone()).await.unwrap_err();
        refusal.assert_is(-32501, "account_reservations_exceeded", true);
        assert_eq!((&refusal.data["limit"], &refusal.data["used"]), (&json!("2"), &Value::Null), "{method}");
        assert!(refusal.message.ends_with("at most 2 reservations may be open"), "{refusal:?}");
    }
    let refusal = world.sponsor(&mut dapp, &op).await.unwrap_err();
    assert_eq!(refusal.data["used"], "2", "who holds the passkey is told");

    world.release_all().await;
    dapp.passkey.behaviour.origin = "https://evil.example".to_owned();
    world.sponsor(&mut dapp, &op).await.unwrap_err().assert_is(-32507, "origin_not_allowed", false);
    for (method, params) in &asked {
        let refusal = world.client.call(method, params.clone()).await.unwrap_err();
        refusal.assert_is(-32501, "refusal_limit_reached", true);
        assert_eq!(refusal.data["until"], Value::Null, "{method}");
    }
    let another = dapp.first_op(3);
    assert!(world.sponsor(&mut dapp, &another).await.unwrap_err().data["until"].is_u64());
}

#[tokio::test]
async fn before_the_touch_nothing_is_told_of_an_accounts_balance_or_membership() {
    let world = World::with(V07, 10u128.pow(18), |settings| {
        settings["policies"] = json!([
            { "id": "rich", "max_cost_per_operation": "1000000000000000000", "min_balance": "5000" },
            { "id": "premium", "max_cost_per_operation": "1000000000000000000", "min_membership": "premium" },
        ]);
        settings["accounts"] = json!([{ "id": ACCOUNT, "balance": "4321", "membership": "basic" }]);
    })
    .await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    for (policy, reason, limit, used) in
        [("rich", "balance_too_low", "5000", "4321"), ("premium", "membership_too_low", "premium", "basic")]
    {
        let choice = json!({ "policyId": policy });
        let context = json!({ "accountId": ACCOUNT, "policyId": policy });
        for (method, params) in [
            ("pm_getSponsorshipIntent", json!([op, ACCOUNT, choice])),
            ("pm_getPaymasterStubData", json!([op, world.entry_point(), "0x7a69", context])),
        ] {
            let refusal = world.client.call(method, params).await.unwrap_err();
            refusal.assert_is(-32501, reason, false);
            assert_eq!((&refusal.data["limit"], &refusal.data["used"]), (&json!(limit), &Value::Null), "{method}");
            assert!(!refusal.message.contains(used) && refusal.message.contains(limit), "{refusal:?}");
        }
        let passkey = world.approval(&mut dapp, &op).await;
        let params = json!([op, ACCOUNT, passkey, choice]);
        let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
        refusal.assert_is(-32501, reason, false);
        assert_eq!(refusal.data["used"], used, "who holds the passkey is told");
    }
}
