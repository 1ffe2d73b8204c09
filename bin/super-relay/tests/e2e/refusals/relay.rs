//! Refusals by the relay itself: another chain, another EntryPoint, malformed fields, its own
//! policy.

use devkit::EntryPointVersion::{V06, V07};
use serde_json::{Value, json};

use crate::support::{Refusal, Setup, TeeAccount, World, register};

#[tokio::test]
async fn another_chain_is_refused() {
    let world = World::start(V07).await;

    let refusal = sponsor_with(&world, json!({ "chainId": "0x1" })).await.unwrap_err();

    refusal.is_final(-32602, "wrong_chain");
}

#[tokio::test]
async fn an_entry_point_that_is_not_configured_is_refused() {
    let world = World::start(V07).await;
    let other = V06.canonical_address();

    let refusal = sponsor_with(&world, json!({ "entryPoint": other })).await.unwrap_err();

    refusal.is_final(-32602, "entry_point_not_supported");
}

#[tokio::test]
async fn an_unknown_policy_is_refused() {
    let world = World::start(V07).await;

    let refusal = sponsor_with(&world, json!({ "policyId": "generous" })).await.unwrap_err();

    refusal.is_final(-32602, "unknown_policy");
    assert_eq!(refusal.data["policyId"], "generous");
}

#[tokio::test]
async fn an_unknown_option_is_refused_by_name() {
    let world = World::start(V07).await;

    let refusal = sponsor_with(&world, json!({ "maxCost": "0x1" })).await.unwrap_err();

    refusal.is_final(-32602, "invalid_field");
    assert_eq!(refusal.data["field"], "options.maxCost");
}

#[tokio::test]
async fn malformed_hex_is_refused_and_its_field_named() {
    let world = World::start(V07).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let assertion = account.approve(&world, &operation).await;
    for (field, value) in [("callData", "0xzz"), ("sender", "0x12"), ("nonce", "1"), ("maxFeePerGas", "0x-1")] {
        let mut malformed = operation.clone();
        malformed[field] = json!(value);

        let params = json!([malformed, account.id, assertion]);
        let refusal = world.rpc().call("pm_sponsor_with_tee", params).await.unwrap_err();

        refusal.is_final(-32602, "invalid_field");
        assert_eq!(refusal.data["field"], field);
    }
}

#[tokio::test]
async fn an_unknown_account_is_refused() {
    let world = World::start(V07).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let assertion = account.approve(&world, &operation).await;

    for (method, params) in [
        ("pm_getSponsorshipIntent", json!([operation, "nobody"])),
        ("pm_sponsor_with_tee", json!([operation, "nobody", assertion])),
        ("pm_get_account_info", json!(["nobody"])),
    ] {
        world.rpc().call(method, params).await.unwrap_err().is_retryable(-32602, "account_unknown");
    }
}

#[tokio::test]
async fn an_account_that_others_asked_for_before_it_was_made_is_known_at_once() {
    let world = World::start(V07).await;
    let info = async || world.rpc().call("pm_get_account_info", json!(["alice"])).await;
    let (_, registration) = register(&world, |_| {}).await;
    info().await.unwrap_err().is_retryable(-32602, "account_unknown");
    let create = json!({ "registrationId": registration, "accountId": "alice" });
    world.kms().post("/kms/create-deterministic-account", &create).await.unwrap();
    info().await.unwrap();
}

#[tokio::test]
async fn a_nonce_that_is_not_the_accounts_next_is_refused() {
    let world = World::start(V07).await;
    let mut account = TeeAccount::create(&world).await;
    let mut operation = account.operation(&world).await;
    operation["nonce"] = json!("0x1");

    let refusal = account.sponsored(&world, &operation).await.unwrap_err();

    // It may become the next one.
    refusal.is_retryable(-32500, "account_nonce_invalid");
}

#[tokio::test]
async fn an_operation_that_names_anothers_paymaster_is_refused() {
    let world = World::start(V07).await;
    let mut account = TeeAccount::create(&world).await;
    let mut operation = account.operation(&world).await;
    let assertion = account.approve(&world, &operation).await;
    operation["paymaster"] = json!(world.anvil.bundler());

    let params = json!([operation, account.id, assertion]);
    let refusal = world.rpc().call("pm_sponsor_with_tee", params).await.unwrap_err();

    refusal.is_final(-32602, "paymaster_not_ours");
}

#[tokio::test]
async fn an_operation_that_could_cost_more_than_the_policy_allows_is_refused_with_the_bound() {
    let frugal = |configuration: &mut Value| {
        configuration["relay"]["policies"][0]["max_cost_per_operation"] = "1000000000000000".into();
    };
    let world = Setup::of(V07).configure(frugal).start().await;

    let refusal = sponsor_with(&world, json!({})).await.unwrap_err();

    refusal.is_final(-32501, "cost_above_policy");
    assert_eq!((&refusal.data["policyId"], &refusal.data["limit"]), (&json!("default"), &json!("1000000000000000")));
    // 770 000 gas at 4 gwei.
    assert_eq!(refusal.data["used"], "3080000000000000");
}

#[tokio::test]
async fn an_unlisted_account_is_refused_without_a_default() {
    let listed = |configuration: &mut Value| {
        configuration["relay"].as_object_mut().unwrap().remove("default_account");
    };
    let world = Setup::of(V07).configure(listed).start().await;

    let refusal = sponsor_with(&world, json!({})).await.unwrap_err();

    refusal.is_final(-32501, "account_unlisted");
}

async fn sponsor_with(world: &World, options: Value) -> Result<Value, Refusal> {
    let mut account = TeeAccount::create(world).await;
    let operation = account.operation(world).await;
    let assertion = account.approve(world, &operation).await;
    world.rpc().call("pm_sponsor_with_tee", json!([operation, account.id, assertion, options])).await
}
