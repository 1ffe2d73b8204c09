//! Parts that do not answer: the refusal states it, nothing is signed, and the same request passes
//! once they are back.

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use crate::support::{Setup, Signal, TeeAccount, World, eventually, freeze, signal_process, thaw};

#[tokio::test]
async fn while_the_chain_is_down_requests_are_refused_as_retryable_and_nothing_is_signed() {
    let world = World::start(V07).await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let assertion = account.approve(&world, &operation).await;
    let before = world.kms().decisions().await;
    signal_process(world.anvil.process_id(), Signal::KILL);

    let params = json!([operation, account.id, assertion]);
    let refusal = world.rpc().call("pm_sponsor_with_tee", params).await.unwrap_err();

    refusal.is_retryable(-32603, "chain_unavailable");
    assert_eq!(world.kms().decisions().await, before);
}

#[tokio::test]
async fn a_chain_that_hangs_is_refused_within_its_timeout_and_the_same_request_passes_when_it_goes_on() {
    let impatient = |configuration: &mut Value| {
        configuration["relay"]["chain"]["timeout_seconds"] = 5.into();
    };
    let world = Setup::of(V07).configure(impatient).start().await;
    let mut account = TeeAccount::create(&world).await;
    let operation = account.operation(&world).await;
    let assertion = account.approve(&world, &operation).await;
    let params = json!([operation, account.id, assertion]);
    freeze(world.anvil.process_id()).await;

    let refusal = world.rpc().call("pm_sponsor_with_tee", params.clone()).await.unwrap_err();

    refusal.is_retryable(-32603, "chain_unavailable");
    thaw(world.anvil.process_id());
    let passes = async || world.rpc().call("pm_sponsor_with_tee", params.clone()).await.ok();
    let answer = eventually(passes).await;
    assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);
}
