//! The dual-signature call of the KMS: the account signs an operation as given when its passkey and
//! a relay approve it.

use devkit::EntryPointVersion;
use proto::command::{RelayApproval, SignWithHybridKey};
use proto::digest::intent_hash;
use proto::json::passkey::parse_assertion;
use proto::json::{GasFields, parse_user_operation};
use proto::{EntryPoint, Signature, UserOpHash};
use serde_json::{Value, json};

use crate::support::{Key, Refusal, Setup, TeeAccount, World, increment, now};

const RELAY: u8 = 0x71;

on_every_version! { a_passkey_and_a_relay_together_have_the_account_sign_an_operation_as_it_is }

async fn a_passkey_and_a_relay_together_have_the_account_sign_an_operation_as_it_is(version: EntryPointVersion) {
    let world = world(version).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = with_paymaster(&world, &account).await;
    let assertion = approve(&world, &mut account, &operation).await;

    let changed = sign(&world, &account, &increment(&operation, "callGasLimit"), &assertion, 1).await;
    changed.unwrap_err().is_final(401, "challenge_mismatch");
    let answer = sign(&world, &account, &operation, &assertion, 2).await.unwrap();

    assert_eq!(answer["userOpHash"], json!(world.entry_point().user_op_hash(&operation).await.unwrap()));
    let mut ready = operation;
    ready["signature"] = answer["signature"].clone();
    let handled = world.entry_point().handle_ops(&ready).await.unwrap();
    assert!(handled.success);
    assert_eq!((handled.sender, handled.paymaster), (account.sender, world.paymaster.address()));
}

/// It would pay for itself, and a gesture meant for sponsoring would authorise it.
#[tokio::test]
async fn an_operation_without_a_paymaster_is_not_signed() {
    let world = world(EntryPointVersion::V07).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let assertion = approve(&world, &mut account, &operation).await;

    let refusal = sign(&world, &account, &operation, &assertion, 1).await.unwrap_err();

    refusal.is_final(400, "paymaster_missing");
}

async fn world(version: EntryPointVersion) -> World {
    let admitted = |configuration: &mut Value| {
        configuration["bootstrap"]["relay_signers"] = json!([Key::new(RELAY).address()]);
    };
    Setup::of(version).without_passkey().configure(admitted).start().await
}

async fn with_paymaster(world: &World, account: &TeeAccount) -> Value {
    let mut operation = account.operation(world).await;
    // Sponsored without an account: without its passkey the account cannot be named.
    let params = json!([operation, world.entry_point().address(), "0x7a69", null]);
    let fields = world.rpc().call("pm_getPaymasterData", params).await.unwrap();
    operation.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    operation
}

/// The passkey approves the operation as it is, its paymaster included.
async fn approve(world: &World, account: &mut TeeAccount, operation: &Value) -> Value {
    let hash = UserOpHash(world.entry_point().user_op_hash(operation).await.unwrap().0);
    let challenge = intent_hash(&hash, &account.id.parse().unwrap());
    account.passkey.assert_challenge(&challenge.0).unwrap()
}

async fn sign(
    world: &World,
    account: &TeeAccount,
    operation: &Value,
    assertion: &Value,
    nonce: u64,
) -> Result<Value, Refusal> {
    let version = world.version().to_string().parse().unwrap();
    let address = world.entry_point().address().into();
    let timestamp = now();
    let command = SignWithHybridKey {
        entry_point: EntryPoint { chain_id: 31337, address, version },
        account_id: account.id.parse().unwrap(),
        op: parse_user_operation(operation, version, 31337, GasFields::Required).unwrap().op,
        passkey: parse_assertion(assertion).unwrap(),
        approval: RelayApproval { nonce, timestamp, signature: Signature { r: [0; 32], s: [0; 32], v: 0 } },
    };
    let relay = Key::new(RELAY);
    let headers = [
        ("X-Paymaster-Signature", relay.personal_sign(&command.request_digest().0).to_string()),
        ("X-Paymaster-Address", relay.address().to_string()),
    ];
    let body = json!({
        "userOperation": operation,
        "accountId": account.id,
        "signatureFormat": "erc4337",
        "userSignature": assertion,
        "businessValidation": { "balance": "0", "membership": "none" },
        "nonce": nonce,
        "timestamp": timestamp,
    });
    world.kms().post_with("/kms/sign-user-operation", &headers, &body).await
}
