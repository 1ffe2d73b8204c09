//! A policy that has operations simulated, with a real bundler: what reverts is refused before the
//! touch, and what does not is sponsored and mined through the relay.

use devkit::{Address, Bytes, Call, EntryPointVersion, U256, eventually, execute};
use serde_json::{Value, json};

use crate::support::{Refusal, Setup, TeeAccount};

on_versions! { what_reverts_is_refused_and_what_does_not_is_mined: v06 V06, v07 V07, v08 V08 }

async fn what_reverts_is_refused_and_what_does_not_is_mined(version: EntryPointVersion) {
    let simulate = |configuration: &mut Value| configuration["relay"]["policies"][0]["simulate"] = true.into();
    let (world, _bundler) = Setup::of(version).configure(simulate).start_with_bundler().await;
    let mut account = TeeAccount::create(&world).await;
    let decisions = world.kms().decisions().await;

    let mut reverting = account.operation(&world).await;
    // The account has nothing.
    let call = Call { target: Address::repeat_byte(0x5a), value: U256::ONE, data: Bytes::new() };
    reverting["callData"] = json!(execute(&call));
    let before = account.sponsored(&world, &reverting).await.unwrap_err();
    let passkey = account.approve(&world, &reverting).await;
    let approved = world.rpc().call("pm_sponsor_with_tee", json!([reverting, account.id, passkey])).await.unwrap_err();
    for refusal in [before, approved] {
        refused_by_the_bundler(&refusal);
    }
    assert_eq!(world.kms().decisions().await, decisions, "the TEE was asked");

    let operation = account.operation(&world).await;
    let answer = account.sponsored(&world, &operation).await.unwrap();
    let send = json!([answer["userOperation"], world.entry_point().address()]);
    let hash = world.rpc().call("eth_sendUserOperation", send).await.unwrap();
    assert_eq!(hash, answer["userOpHash"]);
    let receipt = eventually(async || {
        let receipt = world.rpc().call("eth_getUserOperationReceipt", json!([hash])).await.unwrap();
        (!receipt.is_null()).then_some(receipt)
    })
    .await;
    assert_eq!(receipt["success"], true, "{receipt}");
}

fn refused_by_the_bundler(refusal: &Refusal) {
    refusal.is_retryable(-32501, "simulation_failed");
    let own = &refusal.data["bundler"];
    assert!(own["message"].as_str().is_some_and(|message| message.contains("revert")), "{refusal:?}");
    assert!(own["code"].is_i64(), "{refusal:?}");
}
