//! Stubs: without an approval, and with gas and fees open.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, World};

#[tokio::test]
async fn a_stub_for_what_nobody_can_approve_is_refused_where_the_policy_wants_a_passkey() {
    let world = World::new(V07).await;
    let dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let stub = async |context: Value| {
        let params = json!([op, world.entry_point(), "0x7a69", context]);
        world.client.call("pm_getPaymasterStubData", params).await
    };
    stub(Value::Null).await.unwrap_err().assert_is(-32507, "passkey_missing", false);
    stub(json!({ "accountId": "nobody" })).await.unwrap_err().assert_is(-32602, "account_unknown", true);
    stub(json!({ "accountId": ACCOUNT })).await.unwrap();
}

#[tokio::test]
async fn a_stub_without_a_passkey_needs_the_relays_permission_as_the_data_does() {
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
    world.permit_without_passkey().await;
    for method in ["pm_getPaymasterStubData", "pm_getPaymasterData"] {
        world.client.call(method, params.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn a_stub_may_leave_gas_and_fees_open() {
    let world = World::new(V07).await;
    let dapp = world.dapp(ACCOUNT).await;
    let mut op = dapp.first_op(0);
    let params = |op: &Value| json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
    op["maxFeePerGas"] = json!("0x1");
    let refusal = world.client.call("pm_getPaymasterStubData", params(&op)).await.unwrap_err();
    refusal.assert_is(-32602, "fee_too_low", true);
    for name in ["callGasLimit", "verificationGasLimit", "preVerificationGas", "maxFeePerGas", "maxPriorityFeePerGas"] {
        op[name] = json!("0x0");
    }
    world.client.call("pm_getPaymasterStubData", params(&op)).await.unwrap();
    let intent = json!([op, ACCOUNT]);
    let refusal = world.client.call("pm_getSponsorshipIntent", intent).await.unwrap_err();
    refusal.assert_is(-32602, "verification_gas_missing", false);
}
