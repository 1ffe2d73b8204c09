//! ERC-7677 as wallets use it: stub data for the estimate, then the real data.

use devkit::EntryPointVersion;
use serde_json::{Map, Value, json};

use crate::support::{OwnedAccount, Refusal, Setup, TeeAccount, World, bytes, refused_on_chain};

on_every_version! {
    a_stub_weighs_what_the_final_data_weighs_and_never_validates,
    stub_and_data_sponsor_an_account_whose_owner_keeps_the_key,
}

async fn a_stub_weighs_what_the_final_data_weighs_and_never_validates(version: EntryPointVersion) {
    let world = Setup::of(version).without_passkey().start().await;
    let account = OwnedAccount::new(&world, 1).await;
    let operation = account.operation(&world).await;

    let stub = fields(&world, "pm_getPaymasterStubData", &operation, Value::Null).await;
    let with_stub = account.sign(&world, &with(&operation, &stub)).await;

    assert_eq!(refused_on_chain(world.entry_point().handle_ops(&with_stub).await), "AA34");
    let data = fields(&world, "pm_getPaymasterData", &operation, Value::Null).await;
    assert_eq!(stub.keys().collect::<Vec<_>>(), data.keys().collect::<Vec<_>>());
    for field in stub.keys().filter(|field| !field.ends_with("Limit")) {
        let (stub, data) = (bytes(&stub[field]), bytes(&data[field]));
        assert_eq!(stub.len(), data.len(), "{field}");
        let zeros = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == 0).count();
        assert!(zeros(&stub) <= zeros(&data), "{field}");
    }
    let ready = account.sign(&world, &with(&operation, &data)).await;
    assert!(world.entry_point().handle_ops(&ready).await.unwrap().success);
}

async fn stub_and_data_sponsor_an_account_whose_owner_keeps_the_key(version: EntryPointVersion) {
    let world = Setup::of(version).without_passkey().start().await;
    let account = OwnedAccount::new(&world, 1).await;
    let mut operation = account.operation(&world).await;
    let estimated = operation.clone();
    for gas in ["callGasLimit", "verificationGasLimit", "preVerificationGas"] {
        operation[gas] = json!("0x0");
    }

    let stub = fields(&world, "pm_getPaymasterStubData", &operation, Value::Null).await;
    let echoed = with(&estimated, &stub);
    let data = fields(&world, "pm_getPaymasterData", &echoed, Value::Null).await;

    let ready = account.sign(&world, &with(&echoed, &data)).await;
    let handled = world.entry_point().handle_ops(&ready).await.unwrap();
    assert!(handled.success);
    assert_eq!((handled.sender, handled.paymaster), (account.sender, world.paymaster.address()));
}

#[tokio::test]
async fn a_passkey_in_the_context_approves_for_a_policy_that_wants_one() {
    let world = World::start(EntryPointVersion::V07).await;
    let owned = OwnedAccount::new(&world, 1).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = owned.operation(&world).await;
    let stub = fields(&world, "pm_getPaymasterStubData", &operation, json!({ "accountId": account.id })).await;
    let echoed = with(&operation, &stub);
    let assertion = account.approve(&world, &echoed).await;

    let context = json!({ "accountId": account.id, "passkey": assertion });
    let data = fields(&world, "pm_getPaymasterData", &echoed, context).await;

    let ready = owned.sign(&world, &with(&echoed, &data)).await;
    assert!(world.entry_point().handle_ops(&ready).await.unwrap().success);
}

#[tokio::test]
async fn without_a_passkey_a_policy_that_wants_one_sponsors_nothing() {
    let world = World::start(EntryPointVersion::V07).await;
    let operation = OwnedAccount::new(&world, 1).await.operation(&world).await;

    let refusal = request(&world, "pm_getPaymasterData", &operation, Value::Null).await.unwrap_err();

    refusal.is_final(-32507, "passkey_missing");
}

#[tokio::test]
async fn without_a_passkey_a_relay_key_that_lacks_the_permission_gets_nothing_signed() {
    let lenient = |configuration: &mut Value| {
        configuration["relay"]["policies"][0]["allow_without_passkey"] = true.into();
        configuration["bootstrap"]["sponsor_without_passkey"] = false.into();
    };
    let world = Setup::of(EntryPointVersion::V07).configure(lenient).start().await;
    let operation = OwnedAccount::new(&world, 1).await.operation(&world).await;

    let refusal = request(&world, "pm_getPaymasterData", &operation, Value::Null).await.unwrap_err();

    refusal.is_final(-32501, "without_passkey_not_permitted");
}

/// The fields a wallet puts into the operation: all of the answer except those about the sponsor.
async fn fields(world: &World, method: &str, operation: &Value, context: Value) -> Map<String, Value> {
    let mut answer = request(world, method, operation, context).await.unwrap();
    let answer = answer.as_object_mut().unwrap();
    if method == "pm_getPaymasterStubData" {
        assert_eq!(answer.remove("isFinal"), Some(json!(false)));
        assert!(answer.remove("sponsor").unwrap()["name"].is_string());
    }
    answer.clone()
}

async fn request(world: &World, method: &str, operation: &Value, context: Value) -> Result<Value, Refusal> {
    world.rpc().call(method, json!([operation, world.entry_point().address(), "0x7a69", context])).await
}

fn with(operation: &Value, fields: &Map<String, Value>) -> Value {
    let mut operation = operation.clone();
    operation.as_object_mut().unwrap().extend(fields.clone());
    operation
}
