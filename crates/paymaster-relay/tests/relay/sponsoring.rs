//! The real EntryPoint accepts sponsored operations.

use std::sync::atomic::Ordering;

use alloy_primitives::{Bytes, U256};
use devkit::EntryPointVersion;
use devkit::user_operation::Draft;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, World};

async fn is_mined_as_it_came(version: EntryPointVersion) {
    let world = World::new(version).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);

    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    assert_eq!(answer["success"], true);
    assert_eq!(answer["verificationProof"]["userPasskeyVerified"], true);
    let on_chain = world.chain.entry_point.user_op_hash(&answer["userOperation"]).await.unwrap();
    assert_eq!(answer["userOpHash"], json!(on_chain));
    let mined = world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap();
    assert!(mined.success);
    assert_eq!(mined.paymaster, world.paymaster.address());

    // The account now exists; its second operation takes the same path.
    let call_data = dapp.call_data(alloy_primitives::Address::repeat_byte(0xbb));
    let second = Draft::new(dapp.sender, U256::from(1), call_data).to_json(version);
    let answer = world.sponsor(&mut dapp, &second).await.unwrap();
    assert!(world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success);
}

#[tokio::test]
async fn a_sponsored_operation_of_v06_is_mined_as_it_came() {
    is_mined_as_it_came(EntryPointVersion::V06).await;
}

#[tokio::test]
async fn a_sponsored_operation_of_v07_is_mined_as_it_came() {
    is_mined_as_it_came(EntryPointVersion::V07).await;
}

#[tokio::test]
async fn a_sponsored_operation_of_v08_is_mined_as_it_came() {
    is_mined_as_it_came(EntryPointVersion::V08).await;
}

#[tokio::test]
async fn a_sponsored_operation_of_v09_is_mined_as_it_came() {
    is_mined_as_it_came(EntryPointVersion::V09).await;
}

#[tokio::test]
async fn the_alias_is_the_same_method() {
    let world = World::new(EntryPointVersion::V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let params = json!([op, ACCOUNT, passkey]);
    let one = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap();
    let other = world.client.call("pm_sponsor_with_passkey", params).await.unwrap();
    assert_eq!(one["userOperation"], other["userOperation"]);
}

#[tokio::test]
async fn the_answer_is_the_clients_own_operation_with_nothing_but_paymaster_and_signature_filled_in() {
    let world = World::new(EntryPointVersion::V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    let filled = answer["userOperation"].as_object().unwrap();
    for (name, value) in op.as_object().unwrap().iter().filter(|(name, _)| *name != "signature") {
        assert_eq!(&filled[name], value, "{name}");
    }
    assert_eq!(filled["paymasterPostOpGasLimit"], "0x0");
    assert_eq!(filled["signature"], answer["signature"]);
}

#[tokio::test]
async fn on_v09_a_window_that_the_user_signed_already_is_kept() {
    let world = World::new(EntryPointVersion::V09).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut op = dapp.first_op(0);
    let stub = stub(&world, &op, json!({ "accountId": ACCOUNT })).await;
    for name in ["paymaster", "paymasterData", "paymasterVerificationGasLimit", "paymasterPostOpGasLimit"] {
        op[name] = stub[name].clone();
    }
    op["paymasterSignature"] = stub["paymasterSignature"].clone();
    let before = world.chain.entry_point.user_op_hash(&op).await.unwrap();
    // Time passes while the user signs; a fresh window would end later.
    world.clock.advance(20);

    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    assert_eq!(answer["paymasterData"], stub["paymasterData"]);
    assert_eq!(answer["userOpHash"], json!(before));
    assert_ne!(answer["paymasterSignature"], stub["paymasterSignature"]);
    assert!(world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success);
}

#[tokio::test]
async fn on_v09_a_window_that_is_almost_over_is_not_kept() {
    let world = World::new(EntryPointVersion::V09).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let mut op = dapp.first_op(0);
    let stub = stub(&world, &op, json!({ "accountId": ACCOUNT })).await;
    for name in ["paymaster", "paymasterData", "paymasterVerificationGasLimit", "paymasterSignature"] {
        op[name] = stub[name].clone();
    }
    world.clock.advance(541);
    let answer = world.sponsor(&mut dapp, &op).await.unwrap();
    assert_ne!(answer["paymasterData"], stub["paymasterData"]);
}

async fn stub(world: &World, op: &Value, context: Value) -> Value {
    world.client.call("pm_getPaymasterStubData", json!([op, world.entry_point(), "0x7a69", context])).await.unwrap()
}

#[tokio::test]
async fn stub_data_weighs_what_final_data_weighs_and_never_validates() {
    for version in EntryPointVersion::ALL {
        let world = World::new(version).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let op = dapp.first_op(0);
        let stub = stub(&world, &op, json!({ "accountId": ACCOUNT })).await;
        assert_eq!(stub["isFinal"], false);
        assert_eq!(stub["sponsor"]["name"], "super-relay");

        let mut estimated = op.clone();
        for (name, value) in stub.as_object().unwrap() {
            if name.starts_with("paymaster") {
                estimated[name] = value.clone();
            }
        }
        let passkey = world.approval(&mut dapp, &estimated).await;
        let context = json!({ "accountId": ACCOUNT, "passkey": passkey });
        let params = json!([estimated, world.entry_point(), "0x7a69", context]);
        let data = world.client.call("pm_getPaymasterData", params).await.unwrap();
        for (name, value) in data.as_object().unwrap() {
            assert!(name.starts_with("paymaster"), "a stray key is spread into the operation: {name}");
            let (stub, data) = (stub[name].as_str().unwrap(), value.as_str().unwrap());
            assert_eq!(stub.len(), data.len(), "{name}");
            assert!(zero_bytes(stub) <= zero_bytes(data), "{name}");
        }

        // Signed by the account, so that the paymaster refuses it (AA34).
        estimated["signature"] = json!(world.signed_as_it_is(&mut dapp, &estimated).await);
        let refused = world.chain.entry_point.handle_ops(&estimated).await.unwrap_err();
        assert!(refused.to_string().contains("AA34"), "{version}: {refused}");
    }
}

fn zero_bytes(hex: &str) -> usize {
    let bytes: Bytes = hex.parse().unwrap_or_default();
    bytes.iter().filter(|byte| **byte == 0).count()
}

#[tokio::test]
async fn a_stub_charges_nothing_and_is_refused_for_what_the_final_request_would_be() {
    let world = World::new(EntryPointVersion::V07).await;
    let dapp = world.dapp(ACCOUNT).await;
    let mut op = dapp.first_op(0);
    let context = json!({ "accountId": ACCOUNT });
    stub(&world, &op, context.clone()).await;
    assert_eq!(world.reserved().await, 0);
    assert_eq!(world.sponsorships(), 0);

    op["nonce"] = json!("0x5");
    let params = json!([op, world.entry_point(), "0x7a69", context]);
    let refusal = world.client.call("pm_getPaymasterStubData", params).await.unwrap_err();
    refusal.assert_is(-32500, "account_nonce_invalid", true);
    assert_eq!(refusal.data["expected"], format!("0x{}", "0".repeat(64)));
}

/// Clients spread an answer into the operation: a field of another version would change its hash,
/// or be refused.
#[tokio::test]
async fn every_answer_has_the_paymaster_fields_of_its_version_and_no_others() {
    const ALL: [&str; 6] = [
        "paymasterAndData",
        "paymaster",
        "paymasterData",
        "paymasterVerificationGasLimit",
        "paymasterPostOpGasLimit",
        "paymasterSignature",
    ];
    for (version, of_operation) in [
        (EntryPointVersion::V06, &ALL[..1]),
        (EntryPointVersion::V07, &ALL[1..5]),
        (EntryPointVersion::V08, &ALL[1..5]),
        (EntryPointVersion::V09, &ALL[1..]),
    ] {
        let world = World::new(version).await;
        let mut dapp = world.dapp(ACCOUNT).await;
        let op = dapp.first_op(0);
        let answer = world.sponsor(&mut dapp, &op).await.unwrap();
        let fields = |object: &Value| ALL.into_iter().filter(|name| object.get(*name).is_some()).collect::<Vec<_>>();
        assert_eq!(fields(&answer["userOperation"]), of_operation, "{version:?}");
        // The packed form is returned in every version.
        let of_answer = ALL.into_iter().filter(|name| *name == ALL[0] || of_operation.contains(name));
        assert_eq!(fields(&answer), of_answer.collect::<Vec<_>>(), "{version:?}");

        let (entry_point, other) = (world.entry_point(), dapp.first_op(1));
        let passkey = world.approval(&mut dapp, &other).await;
        for (method, context) in [
            ("pm_getPaymasterStubData", json!({ "accountId": ACCOUNT })),
            ("pm_getPaymasterData", json!({ "accountId": ACCOUNT, "passkey": passkey })),
        ] {
            let answer = world.client.call(method, json!([other, entry_point, "0x7a69", context])).await.unwrap();
            assert_eq!(fields(&answer), of_operation, "{method} {version:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_in_which_another_key_signed_for_the_account_is_refused_and_what_the_paymaster_signed_stays_reserved()
{
    let world = World::new(EntryPointVersion::V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let params = json!([op, ACCOUNT, world.approval(&mut dapp, &op).await]);
    world.tee.forges_account_signature.store(true, Ordering::SeqCst);
    let refusal = world.client.call("pm_sponsor_with_tee", params.clone()).await.unwrap_err();
    refusal.assert_is(-32000, "kms_reply_invalid", false);
    // The paymaster signed: anyone who sees the answer can have the operation mined.
    let reserved = world.reserved_rows().await;
    assert_eq!(reserved.len(), 1);

    world.tee.forges_account_signature.store(false, Ordering::SeqCst);
    let answer = world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    assert_eq!(world.reserved_rows().await, reserved);
    assert!(world.chain.entry_point.handle_ops(&answer["userOperation"]).await.unwrap().success);
}

#[tokio::test]
async fn wrong_paymaster_fields_are_refused_also_where_there_is_a_stored_answer() {
    let world = World::new(EntryPointVersion::V07).await;
    let mut dapp = world.dapp(ACCOUNT).await;
    let op = dapp.first_op(0);
    let passkey = world.approval(&mut dapp, &op).await;
    let answer = world.client.call("pm_sponsor_with_tee", json!([op, ACCOUNT, passkey])).await.unwrap();
    for (field, value, reason) in [
        ("paymasterPostOpGasLimit", "0x1", "post_op_gas_not_needed"),
        ("paymasterVerificationGasLimit", "0xffffff", "paymaster_gas_out_of_range"),
    ] {
        let mut with_ours = answer["userOperation"].clone();
        with_ours[field] = json!(value);
        let params = json!([with_ours, ACCOUNT, passkey]);
        let refusal = world.client.call("pm_sponsor_with_tee", params).await.unwrap_err();
        refusal.assert_is(-32602, reason, false);
    }
    let params = json!([answer["userOperation"], ACCOUNT, passkey]);
    let again = world.client.call("pm_sponsor_with_tee", params).await.unwrap();
    assert_eq!(again["userOperation"], answer["userOperation"]);
}
