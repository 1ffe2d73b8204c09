//! Signed operations that the chain refuses: a paused paymaster, a removed TEE, a window that has
//! passed.

use devkit::{Address, EntryPointVersion};
use serde_json::json;

use crate::support::{Rpc, TeeAccount, World, eventually, increment, refused_on_chain};

on_every_version! {
    a_paused_paymaster_pays_for_nothing_until_it_is_unpaused,
    signatures_of_a_removed_tee_are_refused,
    a_window_that_has_passed_by_the_chains_clock_is_refused,
}

/// Operations signed before the pause are refused by the chain, later ones by the relay, which
/// checks once a second.
async fn a_paused_paymaster_pays_for_nothing_until_it_is_unpaused(version: EntryPointVersion) {
    let world = World::start(version).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let ready = account.sponsored(&world, &operation).await.unwrap()["userOperation"].clone();

    world.paymaster.pause().await.unwrap();
    assert_eq!(refused_on_chain(world.entry_point().handle_ops(&ready).await), "AA33");

    // An operation sponsored before the relay checks would get its stored answer.
    let mut another = operation;
    let refusal = eventually(async || {
        another = increment(&another, "callGasLimit");
        account.sponsored(&world, &another).await.err()
    })
    .await;
    refusal.is_retryable(-32501, "paymaster_paused");

    world.paymaster.unpause().await.unwrap();
    assert!(world.entry_point().handle_ops(&ready).await.unwrap().success);
}

async fn signatures_of_a_removed_tee_are_refused(version: EntryPointVersion) {
    let world = World::start(version).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let answer = account.sponsored(&world, &operation).await.unwrap();
    let signer: Address = answer["teeDeviceId"].as_str().unwrap().parse().unwrap();

    world.paymaster.remove_signer(signer).await.unwrap();

    assert_eq!(refused_on_chain(world.entry_point().handle_ops(&answer["userOperation"]).await), "AA34");
}

async fn a_window_that_has_passed_by_the_chains_clock_is_refused(version: EntryPointVersion) {
    let world = World::start(version).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let ready = account.sponsored(&world, &operation).await.unwrap()["userOperation"].clone();

    let chain = Rpc::at(world.anvil.url().to_string());
    chain.call("evm_increaseTime", json!([4000])).await.unwrap();
    chain.call("evm_mine", json!([])).await.unwrap();

    assert_eq!(refused_on_chain(world.entry_point().handle_ops(&ready).await), "AA32");
}
