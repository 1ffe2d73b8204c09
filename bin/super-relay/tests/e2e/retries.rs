//! The same request gives the same bytes and is charged once, whatever happens in between.

use std::time::Duration;

use devkit::EntryPointVersion::V07;
use devkit::passkey::ExtraKey;
use serde_json::{Value, json};

use crate::support::{Refusal, Rpc, Setup, TeeAccount, World, eventually, now, refused_on_chain};

/// Wei. Covers the worst case of one operation of these tests and not of two.
const ONE_OPERATION: u128 = 5_000_000_000_000_000;

#[tokio::test]
async fn the_same_request_twice_gives_the_same_bytes_and_is_charged_once() {
    let world = Setup::of(V07).deposit(ONE_OPERATION).start().await;
    let (_account, request) = request(&world).await;

    let first = send(&world, &request).await.unwrap();
    let second = send(&world, &request).await.unwrap();

    assert_eq!(bytes(first.clone()), bytes(second));
    the_deposit_is_taken(&world).await;
}

#[tokio::test]
async fn another_approval_of_the_same_operation_is_the_same_request() {
    let world = Setup::of(V07).deposit(ONE_OPERATION).start().await;
    let (mut account, first_request) = request(&world).await;
    let first = send(&world, &first_request).await.unwrap();
    let operation = first_request[0].clone();

    // Passkey signatures are randomised: the same challenge, another assertion.
    account.passkey.behaviour.extra_key = ExtraKey::Always;
    let assertion = account.approve(&world, &operation).await;
    let second = send(&world, &json!([operation, account.id, assertion])).await.unwrap();

    assert_eq!(first["userOperation"], second["userOperation"]);
    the_deposit_is_taken(&world).await;
}

#[tokio::test]
async fn a_node_that_was_killed_gives_the_same_bytes_after_its_restart() {
    let mut world = Setup::of(V07).deposit(ONE_OPERATION).start().await;
    let (_account, request) = request(&world).await;
    let first = send(&world, &request).await.unwrap();

    world.node.kill().await;
    world.restart().await;

    assert_eq!(bytes(first), bytes(send(&world, &request).await.unwrap()));
    the_deposit_is_taken(&world).await;
}

#[tokio::test]
async fn a_node_killed_at_any_moment_of_a_request_answers_its_retry_and_charges_once() {
    let mut world = Setup::of(V07).deposit(ONE_OPERATION).start().await;
    let (_account, request) = request(&world).await;

    for milliseconds in [1, 3, 6, 10, 15, 25] {
        let lost = tokio::spawn(attempt(world.rpc(), request.clone()));
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        world.node.kill().await;
        lost.abort();
        world.restart().await;
    }

    let answer = send(&world, &request).await.unwrap();
    the_deposit_is_taken(&world).await;
    assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);
}

#[tokio::test]
async fn twenty_identical_requests_at_once_give_the_same_bytes_and_are_charged_once() {
    let world = Setup::of(V07).deposit(ONE_OPERATION).start().await;
    let (_account, request) = request(&world).await;

    let together: Vec<_> = (0..20).map(|_| tokio::spawn(attempt(world.rpc(), request.clone()))).collect();
    let mut answers = Vec::new();
    for attempt in together {
        answers.push(bytes(attempt.await.unwrap().unwrap()));
    }

    assert!(answers.iter().all(|answer| *answer == answers[0]));
    the_deposit_is_taken(&world).await;
}

#[tokio::test]
async fn requests_at_once_never_reserve_more_than_the_deposit() {
    let world = Setup::of(V07).deposit(2 * ONE_OPERATION).start().await;
    let mut requests = Vec::new();
    for _ in 0..8 {
        requests.push(request(&world).await.1);
    }

    let together: Vec<_> = requests.into_iter().map(|request| tokio::spawn(attempt(world.rpc(), request))).collect();
    let mut sponsored = 0;
    for attempt in together {
        match attempt.await.unwrap() {
            Ok(_) => sponsored += 1,
            Err(refusal) => refusal.is_retryable(-32508, "paymaster_deposit_too_low"),
        }
    }

    // 10 of 3.08 finney each.
    assert_eq!(sponsored, 3);
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_one_request() {
    let world = World::start(V07).await;
    let (mut account, request) = request(&world).await;
    let options = json!({ "idempotencyKey": "order-17" });
    let with_key = |request: &Value| json!([request[0], request[1], request[2], options]);
    let first = send(&world, &with_key(&request)).await.unwrap();
    assert_eq!(bytes(first), bytes(send(&world, &with_key(&request)).await.unwrap()));

    let mut operation = request[0].clone();
    operation["callGasLimit"] = json!("0x20000");
    let assertion = account.approve(&world, &operation).await;
    let refusal = send(&world, &with_key(&json!([operation, account.id, assertion]))).await.unwrap_err();

    refusal.is_retryable(-32602, "idempotency_conflict");
}

#[tokio::test]
async fn an_operation_that_was_mined_is_no_longer_reserved_once_its_block_is_final() {
    let often = |configuration: &mut Value| {
        configuration["relay"]["settlement_interval_seconds"] = 1.into();
        configuration["relay"]["chain"]["confirmations"] = 3.into();
    };
    let world = Setup::of(V07).deposit(ONE_OPERATION).configure(often).start().await;
    let (_account, request) = request(&world).await;
    let answer = send(&world, &request).await.unwrap();
    the_deposit_is_taken(&world).await;

    assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);
    world.anvil.mine(3).await.unwrap();

    let mut other = TeeAccount::create(&world).await;
    let operation = other.operation(&world).await;
    eventually(async || other.sponsored(&world, &operation).await.ok()).await;
}

#[tokio::test]
async fn a_passed_window_is_refused_by_the_chain_and_a_repeated_request_gets_a_new_one() {
    let brief = |configuration: &mut Value| {
        configuration["relay"]["validity_seconds"] = 15.into();
        configuration["relay"]["min_validity_seconds"] = 5.into();
        configuration["relay"]["chain"]["block_seconds"] = 0.into();
    };
    let world = Setup::of(V07).deposit(ONE_OPERATION).configure(brief).start().await;
    let (_account, request) = request(&world).await;
    let first = send(&world, &request).await.unwrap();
    let until = first["validUntil"].as_u64().unwrap();
    eventually(async || (now() > until).then_some(())).await;
    // The chain's clock may be a second behind.
    eventually(async || {
        world.anvil.mine(1).await.unwrap();
        (world.anvil.latest_time().await.unwrap() > until).then_some(())
    })
    .await;

    assert_eq!(refused_on_chain(world.entry_point().handle_ops(&first["userOperation"]).await), "AA32");
    let second = send(&world, &request).await.unwrap();

    assert!(second["validUntil"].as_u64() > first["validUntil"].as_u64());
    assert!(world.entry_point().handle_ops(&second["userOperation"]).await.unwrap().success);
}

/// An account and the parameters of one of its requests.
async fn request(world: &World) -> (TeeAccount, Value) {
    let mut account = TeeAccount::create(world).await;
    let operation = account.operation(world).await;
    let assertion = account.approve(world, &operation).await;
    let request = json!([operation, account.id, assertion]);
    (account, request)
}

async fn send(world: &World, request: &Value) -> Result<Value, Refusal> {
    attempt(world.rpc(), request.clone()).await
}

async fn attempt(rpc: Rpc, request: Value) -> Result<Value, Refusal> {
    rpc.call("pm_sponsor_with_tee", request).await
}

/// The answer without the request's ID, which is new each time.
fn bytes(mut answer: Value) -> String {
    assert!(answer.as_object_mut().unwrap().remove("requestId").is_some());
    answer.to_string()
}

/// One operation is reserved, and another account's finds too little left.
async fn the_deposit_is_taken(world: &World) {
    let mut other = TeeAccount::create(world).await;
    let operation = other.operation(world).await;
    other.sponsored(world, &operation).await.unwrap_err().is_retryable(-32508, "paymaster_deposit_too_low");
}
