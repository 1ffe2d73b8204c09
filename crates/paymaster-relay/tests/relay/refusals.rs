//! Refusals with their codes and reasons, which charge nothing.

use devkit::EntryPointVersion::{V06, V07};
use proto::Permissions;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Dapp, Refusal, World};

async fn refused(world: &World, params: Value) -> Refusal {
    let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
    assert_eq!(world.reserved().await, 0, "a refusal charges nothing: {refusal:?}");
    refusal
}

async fn ready() -> (World, Dapp, Value) {
    let world = World::new(V07).await;
    let dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    (world, dapp, op)
}

#[tokio::test]
async fn wrong_chain_entry_point_and_policy_are_named() {
    let (world, mut dapp, op) = ready().await;
    let passkey = world.approval(&mut dapp, &op).await;
    for (options, reason) in [
        (json!({ "chainId": "0x1" }), "wrong_chain"),
        (json!({ "chainId": 1 }), "wrong_chain"),
        (json!({ "entryPoint": "0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789" }), "entry_point_not_supported"),
        (json!({ "policyId": "gold" }), "unknown_policy"),
    ] {
        refused(&world, json!([op, ACCOUNT, passkey, options])).await.assert_is(-32602, reason, false);
    }
    let other = json!({ "entryPoint": "0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789" });
    let supported = refused(&world, json!([op, ACCOUNT, passkey, other])).await;
    assert_eq!(supported.data["supported"], json!([world.entry_point()]));
    assert!(supported.message.contains(&world.entry_point()), "{supported:?}");
    let params = json!([op, world.entry_point(), "0x1", null]);
    let refusal = world.client.call("pm_getPaymasterStubData", params).await.unwrap_err();
    refusal.assert_is(-32602, "wrong_chain", false);
}

#[tokio::test]
async fn anything_changed_after_the_user_approved_is_refused() {
    let (world, mut dapp, op) = ready().await;
    let passkey = world.approval(&mut dapp, &op).await;
    for (field, value) in [
        ("callGasLimit", json!("0x24a00")),
        ("verificationGasLimit", json!("0x7a121")),
        ("preVerificationGas", json!("0xea61")),
        ("maxFeePerGas", json!("0xee6b2801")),
        ("maxPriorityFeePerGas", json!("0x1")),
        ("callData", json!("0x")),
    ] {
        let mut changed = op.clone();
        changed[field] = value;
        refused(&world, json!([changed, ACCOUNT, passkey])).await.assert_is(-32507, "challenge_mismatch", false);
    }
}

#[tokio::test]
async fn an_assertion_for_another_account_is_refused() {
    let (world, mut dapp, op) = ready().await;
    world.dapp("bob").await;
    let passkey = world.approval(&mut dapp, &op).await;
    refused(&world, json!([op, "bob", passkey])).await.assert_is(-32507, "credential_unknown", false);
}

#[tokio::test]
async fn a_ceremony_at_another_origin_or_without_the_user_verified_is_refused() {
    let (world, mut dapp, op) = ready().await;
    dapp.passkey.behaviour.origin = "https://evil.example".to_owned();
    let elsewhere = world.approval(&mut dapp, &op).await;
    refused(&world, json!([op, ACCOUNT, elsewhere])).await.assert_is(-32507, "origin_not_allowed", false);

    dapp.passkey.behaviour.origin = "https://example.org".to_owned();
    dapp.passkey.behaviour.user_verified = false;
    let unverified = world.approval(&mut dapp, &op).await;
    refused(&world, json!([op, ACCOUNT, unverified])).await.assert_is(-32507, "user_not_verified", false);
}

#[tokio::test]
async fn without_a_passkey_nothing_is_sponsored_by_default() {
    let (world, _, op) = ready().await;
    refused(&world, json!([op, ACCOUNT])).await.assert_is(-32507, "passkey_missing", false);
    let params = json!([op, world.entry_point(), "0x7a69", null]);
    for method in ["pm_getPaymasterStubData", "pm_getPaymasterData"] {
        let refusal = world.client.call(method, params.clone()).await.unwrap_err();
        refusal.assert_is(-32507, "passkey_missing", false);
        assert_eq!(refusal.data["rule"], "allow_without_passkey");
    }
}

#[tokio::test]
async fn a_policy_without_passkey_still_needs_the_relays_permission_from_the_admin() {
    let world = World::with(V07, 10u128.pow(18), |settings| {
        settings["policies"][0]["allow_without_passkey"] = json!(true);
    })
    .await;
    let dapp = world.dapp(ACCOUNT).await;
    let params = json!([dapp.first_op(0), world.entry_point(), "0x7a69", null]);
    for method in ["pm_getPaymasterStubData", "pm_getPaymasterData"] {
        let refusal = world.client.call(method, params.clone()).await.unwrap_err();
        refusal.assert_is(-32501, "without_passkey_not_permitted", false);
    }
    assert_eq!(world.reserved().await, 0);
    world.permit_without_passkey().await;
    for method in ["pm_getPaymasterStubData", "pm_getPaymasterData"] {
        world.client.call(method, params.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn an_unauthorised_relay_key_signs_nothing() {
    let (world, mut dapp, op) = ready().await;
    world.tee.revoke(world.relay_key.address().await);
    let passkey = world.approval(&mut dapp, &op).await;
    let refusal = refused(&world, json!([op, ACCOUNT, passkey])).await;
    refusal.assert_is(-32501, "signer_not_authorised", false);

    world.tee.authorise(world.relay_key.address().await, Permissions::ROTATE);
    let refusal = refused(&world, json!([op, ACCOUNT, passkey])).await;
    refusal.assert_is(-32501, "permission_missing", false);
    let recorded: i64 = sqlx::query_scalar("SELECT count(*) FROM sponsorships")
        .fetch_one(&world.store.database().pool())
        .await
        .unwrap();
    assert_eq!((recorded, world.sponsorships()), (0, 0), "nothing was reserved, and the TEE was not asked");
}

#[tokio::test]
async fn an_unknown_account_is_refused_everywhere() {
    let (world, mut dapp, op) = ready().await;
    let passkey = world.approval(&mut dapp, &op).await;
    refused(&world, json!([op, "nobody", passkey])).await.assert_is(-32602, "account_unknown", true);
    for (method, params) in
        [("pm_get_account_info", json!(["nobody"])), ("pm_getSponsorshipIntent", json!([op, "nobody"]))]
    {
        let refusal = world.client.call(method, params).await.unwrap_err();
        refusal.assert_is(-32602, "account_unknown", true);
    }
}

#[tokio::test]
async fn malformed_input_is_refused_by_the_name_of_its_field() {
    let (world, mut dapp, op) = ready().await;
    let passkey = world.approval(&mut dapp, &op).await;
    let changed = |field: &str, value: Value| {
        let mut op = op.clone();
        op[field] = value;
        json!([op, ACCOUNT, passkey])
    };
    let without = |field: &str| {
        let mut op = op.clone();
        op.as_object_mut().unwrap().remove(field);
        json!([op, ACCOUNT, passkey])
    };
    let mut padded = passkey.clone();
    padded["response"]["signature"] = json!("AAAA==");
    for (params, field) in [
        (changed("callData", json!("0xzz")), "callData"),
        (changed("callData", json!("abc")), "callData"),
        (changed("callGasLimit", json!("-0x1")), "callGasLimit"),
        (changed("callGasLimit", json!(5)), "callGasLimit"),
        (changed("sender", json!("0x12")), "sender"),
        (changed("initCode", json!("0x")), "initCode"),
        (changed("surprise", json!("0x")), "surprise"),
        (without("nonce"), "nonce"),
        (without("callGasLimit"), "callGasLimit"),
        (json!([op, "no spaces", passkey]), "accountId"),
        (json!([op, ACCOUNT, padded]), "passkey.response.signature"),
        (json!([op, ACCOUNT, passkey, { "policyID": "x" }]), "options.policyID"),
        (json!([op, ACCOUNT, passkey, { "idempotencyKey": "" }]), "idempotencyKey"),
        (json!([op, ACCOUNT, passkey, {}, 1]), "params"),
        (json!(["op", ACCOUNT, passkey]), "userOperation"),
        (json!([op]), "accountId"),
        (json!({ "op": op }), "params"),
    ] {
        let refusal = refused(&world, params).await;
        refusal.assert_is(-32602, "invalid_field", false);
        assert_eq!(refusal.data["field"], field);
    }
    let context = json!({ "accountId": ACCOUNT, "note": { "a": 1 } });
    let params = json!([op, world.entry_point(), "0x7a69", context]);
    let refusal = world.client.call("pm_getPaymasterStubData", params).await.unwrap_err();
    assert_eq!(refusal.data["field"], "context.note");
}

#[tokio::test]
async fn paymaster_fields_that_are_not_ours_or_not_needed_are_refused() {
    let (world, mut dapp, op) = ready().await;
    let passkey = world.approval(&mut dapp, &op).await;
    let with = |paymaster: &str, verification: &str, post_op: &str| {
        let mut op = op.clone();
        op["paymaster"] = json!(paymaster);
        op["paymasterVerificationGasLimit"] = json!(verification);
        op["paymasterPostOpGasLimit"] = json!(post_op);
        json!([op, ACCOUNT, passkey])
    };
    let ours = world.paymaster.address().to_string();
    let other = "0x00000000000000000000000000000000000000aa";
    refused(&world, with(other, "0x0", "0x0")).await.assert_is(-32602, "paymaster_not_ours", false);
    refused(&world, with(&ours, "0xea60", "0x1")).await.assert_is(-32602, "post_op_gas_not_needed", false);
    for gas in ["0xea61", "0x752f", "0x1"] {
        refused(&world, with(&ours, gas, "0x0")).await.assert_is(-32602, "paymaster_gas_out_of_range", false);
    }
    let answer = world.client.call("pm_sponsor_with_tee", with(&ours, "0x7530", "0x0")).await.unwrap();
    assert_eq!(answer["paymasterVerificationGasLimit"], "0x7530");
}

#[tokio::test]
async fn on_v06_another_paymaster_is_refused_too() {
    let world = World::new(V06).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let mut other = op.clone();
    other["paymasterAndData"] = json!(format!("0x{}", "aa".repeat(97)));
    refused(&world, json!([other, ACCOUNT, passkey])).await.assert_is(-32602, "paymaster_not_ours", false);
}

#[tokio::test]
async fn a_window_shorter_than_a_bundler_takes_is_refused_and_a_longer_one_cut() {
    let (world, mut dapp, op) = ready().await;
    let passkey = world.approval(&mut dapp, &op).await;
    let params = |seconds: u64| {
        let context = json!({ "accountId": ACCOUNT, "passkey": passkey, "validForSeconds": seconds });
        json!([op, world.entry_point(), "0x7a69", context])
    };
    // Sixty seconds, and twelve until the next block.
    let refusal = world.client.call("pm_getPaymasterData", params(71)).await.unwrap_err();
    refusal.assert_is(-32602, "validity_too_short", false);
    assert_eq!(refusal.data["least"], "72");
    world.client.call("pm_getPaymasterData", params(72)).await.unwrap();
    let validity: i64 = sqlx::query_scalar("SELECT valid_until - created_at FROM sponsorships")
        .fetch_one(&world.store.database().pool())
        .await
        .unwrap();
    assert_eq!(validity, 72);
}

#[tokio::test]
async fn an_operation_out_of_turn_is_refused_with_the_nonce_that_is_expected() {
    let (world, mut dapp, mut op) = ready().await;
    let first = op.clone();
    op["nonce"] = json!("0x1");
    for name in ["factory", "factoryData"] {
        op.as_object_mut().unwrap().remove(name);
    }
    let passkey = world.approval(&mut dapp, &op).await;
    let ahead = json!([op, ACCOUNT, passkey]);
    let refusal = refused(&world, ahead.clone()).await;
    refusal.assert_is(-32500, "account_nonce_invalid", true);
    assert_eq!(refusal.data["expected"], format!("0x{}", "0".repeat(64)));

    // Its turn comes, and the same bytes are accepted.
    let answer = world.sponsor(&mut dapp, &first).await.unwrap();
    world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap();
    let answer = world.client.call("pm_sponsor_with_tee", ahead).await.unwrap();
    world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap();

    // A used nonce stays used.
    op["nonce"] = json!("0x0");
    let passkey = world.approval(&mut dapp, &op).await;
    let refusal = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap_err();
    refusal.assert_is(-32500, "account_nonce_invalid", false);
}

/// With a duplicate key it is ambiguous which one counts: a filter in front of the relay may read
/// the other one.
#[tokio::test]
async fn a_duplicate_key_is_refused_by_name_wherever_it_is() {
    let world = World::new(V07).await;
    for (params, key) in [
        (r#"[{"callGasLimit":"0x1","callGasLimit":"0x249f0"}]"#, "callGasLimit"),
        (r#"[{},"0x","0x1",{"policyId":"a","policyId":"b"}]"#, "policyId"),
        (r#"[{},"0x","0x1",{"passkey":{"type":"a","type":"a"}}]"#, "type"),
        (r#"[{"call\u0044ata":"0x","callData":"0x"}]"#, "callData"),
    ] {
        let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"pm_getPaymasterStubData","params":{params}}}"#);
        let answer: Value = world.client.post(call, &[]).await.json().await.unwrap();
        let refusal = Refusal::of(&answer["error"]);
        assert!(refusal.message.contains(&format!("duplicate key `{key}`")), "{refusal:?}");
        assert_eq!((refusal.code, &refusal.data["field"]), (-32602, &json!("params")), "{refusal:?}");
    }
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","method":"net_version"}"#;
    let answer: Value = world.client.post(call, &[]).await.json().await.unwrap();
    Refusal::of(&answer["error"]).assert_is(-32600, "invalid_request", false);
}
