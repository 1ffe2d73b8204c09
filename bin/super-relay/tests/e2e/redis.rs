//! Claims of requests in Redis, with a real server.

use devkit::EntryPointVersion::V07;
use devkit::RedisServer;
use serde_json::{Value, json};

use crate::support::{Refusal, Setup, TeeAccount, World, eventually, ready};

/// Wei. Covers the worst case of one operation of these tests and not of two.
const ONE_OPERATION: u128 = 5_000_000_000_000_000;

#[tokio::test]
async fn a_retry_is_recognised_after_a_restart_of_the_node() {
    let redis = RedisServer::start(None).await.unwrap();
    let mut world = with(&redis).await;
    let request = request(&world).await;
    let first = send(&world, &request).await.unwrap();

    world.node.kill().await;
    world.restart().await;

    assert_eq!(send(&world, &request).await.unwrap()["userOperation"], first["userOperation"]);
}

#[tokio::test]
async fn while_redis_is_down_requests_are_refused_as_retryable_and_nothing_is_signed() {
    let mut redis = RedisServer::start(None).await.unwrap();
    let world = with(&redis).await;
    let request = request(&world).await;
    let before = world.kms().decisions().await;
    redis.stop().unwrap();

    for _ in 0..2 {
        send(&world, &request).await.unwrap_err().is_retryable(-32603, "claims_unavailable");
    }
    assert_eq!(world.kms().decisions().await, before);
    // The other replicas have no other Redis.
    ready(&world.node).await;
    assert!(world.problem("claims").await.unwrap().contains("Redis"));

    redis.start_again().await.unwrap();
    let answer = eventually(async || send(&world, &request).await.ok()).await;
    assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);
}

#[tokio::test]
async fn a_redis_that_lost_its_data_causes_no_second_charge_and_changes_no_byte() {
    let mut redis = RedisServer::start(None).await.unwrap();
    let world = with(&redis).await;
    let request = request(&world).await;
    let first = send(&world, &request).await.unwrap();

    redis.stop().unwrap();
    redis.start_again().await.unwrap();

    let second = eventually(async || match send(&world, &request).await {
        Ok(answer) => Some(answer),
        Err(refusal) => {
            assert!(refusal.retryable, "{refusal:?}");
            None
        }
    })
    .await;
    assert_eq!(first["userOperation"], second["userOperation"]);
}

async fn with(redis: &RedisServer) -> World {
    let url = redis.url();
    let with_redis = move |configuration: &mut Value| {
        // A machine under load answers faster.
        configuration["relay"]["redis"] = json!({ "url": url, "timeout_milliseconds": 30_000 });
    };
    Setup::of(V07).deposit(ONE_OPERATION).configure(with_redis).start().await
}

async fn request(world: &World) -> Value {
    let mut account = TeeAccount::create(world).await;
    let operation = account.operation(world).await;
    let assertion = account.approve(world, &operation).await;
    json!([operation, account.id, assertion])
}

async fn send(world: &World, request: &Value) -> Result<Value, Refusal> {
    world.rpc().call("pm_sponsor_with_tee", request.clone()).await
}
