//! Previews of operations that are sponsored already.

use devkit::EntryPointVersion::V07;
use serde_json::json;

use super::echo;
use crate::support::{ACCOUNT, World};

#[tokio::test]
async fn wrong_paymaster_fields_of_what_is_sponsored_already_are_refused_before_the_touch() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
    for (verification, post_op, reason) in
        [("0xea60", "0x1", "post_op_gas_not_needed"), ("0x1", "0x0", "paymaster_gas_out_of_range")]
    {
        let mut op = op.clone();
        echo(&mut op, world.paymaster.address(), verification, post_op);
        let stub = json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
        for (method, params) in [("pm_getSponsorshipIntent", json!([op, ACCOUNT])), ("pm_getPaymasterStubData", stub)] {
            world.client.call(method, params).await.unwrap_err().assert_is(-32602, reason, false);
        }
        world.sponsor(&mut dapp, &op).await.unwrap_err().assert_is(-32602, reason, false);
    }
}

#[tokio::test]
async fn a_needed_new_signature_is_checked_against_the_limit_before_the_touch() {
    let world = World::with(V07, 10u128.pow(18), |settings| settings["max_signings"] = json!(1)).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    world.sponsor(&mut dapp, &op).await.unwrap();
    world.intent(&dapp, &op).await;
    // The retired key's signature is no longer an answer.
    world.tee.rotate_paymaster_key();
    world.clock.advance(31);
    let before = world.client.call("pm_getSponsorshipIntent", json!([op, ACCOUNT])).await.unwrap_err();
    let after = world.sponsor(&mut dapp, &op).await.unwrap_err();
    for refusal in [before, after] {
        refusal.assert_is(-32501, "signing_limit_reached", true);
    }
}

#[tokio::test]
async fn a_window_that_is_to_be_renewed_is_judged_with_the_gas_of_the_first_approval() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let mut echo = op.clone();
    echo["paymaster"] = json!(world.paymaster.address().to_string());
    echo["paymasterVerificationGasLimit"] = json!("0x7530");
    echo["paymasterPostOpGasLimit"] = json!("0x0");
    world.sponsor(&mut dapp, &echo).await.unwrap();
    world.clock.advance(601);
    let stub = json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
    let before = world.client.call("pm_getPaymasterStubData", stub).await.unwrap();
    let after = world.sponsor(&mut dapp, &op).await.unwrap();
    assert_eq!(after["paymasterVerificationGasLimit"], "0x7530");
    assert_eq!(before["paymasterVerificationGasLimit"], after["paymasterVerificationGasLimit"]);
}

#[tokio::test]
async fn an_operation_that_cannot_be_mined_now_is_not_approved_again() {
    let world = World::new(V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    let refused = async |reason: &str| {
        let stub = json!([op, world.entry_point(), "0x7a69", { "accountId": ACCOUNT }]);
        for (method, params) in [("pm_getSponsorshipIntent", json!([op, ACCOUNT])), ("pm_getPaymasterStubData", stub)] {
            let refusal = world.client.call(method, params).await.unwrap_err();
            assert_eq!(refusal.reason(), reason, "{method}");
        }
    };
    world.paymaster.pause().await.unwrap();
    refused("paymaster_paused").await;
    world.paymaster.unpause().await.unwrap();
    world.intent(&dapp, &op).await;

    assert!(world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success);
    refused("account_nonce_invalid").await;
}
