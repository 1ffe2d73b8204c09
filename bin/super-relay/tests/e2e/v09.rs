//! EntryPoint v0.9: the user may sign before the paymaster does, for its signature is outside
//! `userOpHash`.

use devkit::EntryPointVersion;
use serde_json::{Value, json};

use crate::support::{OwnedAccount, Setup, TeeAccount, World};

#[tokio::test]
async fn the_user_signs_first_and_the_paymaster_by_permission_of_its_policy() {
    let world = Setup::of(EntryPointVersion::V09).without_passkey().start().await;
    let account = OwnedAccount::new(&world, 1).await;

    let signed = user_signs_first(&world, &account, Value::Null).await;

    paymaster_follows(&world, signed, Value::Null).await;
}

#[tokio::test]
async fn the_user_signs_first_and_the_paymaster_by_approval_of_a_passkey() {
    let world = World::start(EntryPointVersion::V09).await;
    let owned = OwnedAccount::new(&world, 1).await;
    let mut account = TeeAccount::create(&world).await;

    let signed = user_signs_first(&world, &owned, json!({ "accountId": account.id })).await;

    let assertion = account.approve(&world, &signed).await;
    paymaster_follows(&world, signed, json!({ "accountId": account.id, "passkey": assertion })).await;
}

async fn user_signs_first(world: &World, account: &OwnedAccount, context: Value) -> Value {
    let mut operation = account.operation(world).await;
    let stub = paymaster_fields(world, "pm_getPaymasterStubData", &operation, context).await;
    for field in
        ["paymaster", "paymasterVerificationGasLimit", "paymasterPostOpGasLimit", "paymasterData", "paymasterSignature"]
    {
        operation[field] = stub[field].clone();
    }
    account.sign(world, &operation).await
}

async fn paymaster_follows(world: &World, signed: Value, context: Value) {
    let hash = world.entry_point().user_op_hash(&signed).await.unwrap();

    let data = paymaster_fields(world, "pm_getPaymasterData", &signed, context).await;

    let mut ready = signed.clone();
    ready["paymasterSignature"] = data["paymasterSignature"].clone();
    assert_ne!(ready["paymasterSignature"], signed["paymasterSignature"]);
    for field in ["paymaster", "paymasterVerificationGasLimit", "paymasterPostOpGasLimit", "paymasterData"] {
        assert_eq!(data[field], signed[field], "{field}: the user has signed it already");
    }
    assert_eq!(world.entry_point().user_op_hash(&ready).await.unwrap(), hash);
    let handled = world.entry_point().handle_ops(&ready).await.unwrap();
    assert!(handled.success);
    assert_eq!((handled.user_op_hash, handled.paymaster), (hash, world.paymaster.address()));
}

async fn paymaster_fields(world: &World, method: &str, operation: &Value, context: Value) -> Value {
    let params = json!([operation, world.entry_point().address(), "0x7a69", context]);
    world.rpc().call(method, params).await.unwrap()
}
