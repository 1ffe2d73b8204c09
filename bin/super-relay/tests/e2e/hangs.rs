//! A dependency that hangs: the first request finds out within its timeout, the others are refused
//! at once, and the log says so once when it begins and once when it is over.

use std::time::Duration;

use devkit::EntryPointVersion::V07;
use devkit::RedisServer;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Process, Setup, TeeAccount, World, eventually, freeze, register, thaw};

/// Timeout in seconds of a call to a hanging part; a machine under load answers faster.
const HANGS_FOR: u64 = 5;
const REQUESTS: u64 = 120;
/// Far longer than the requests take if none waits for the hanging part, and far shorter than if
/// each does.
const AT_ONCE: Duration = Duration::from_secs(REQUESTS * HANGS_FOR / 2);

fn impatient(configuration: &mut Value) {
    configuration["relay"]["chain"]["timeout_seconds"] = HANGS_FOR.into();
    configuration["remote_kms"]["timeout_seconds"] = HANGS_FOR.into();
}

async fn request(world: &World) -> Value {
    let mut account = TeeAccount::create(world).await;
    let operation = account.operation(world).await;
    let assertion = account.approve(world, &operation).await;
    json!([operation, account.id, assertion])
}

fn warnings(process: &Process) -> Vec<String> {
    process.log().into_iter().filter(|line| line.contains(r#""level":"WARN""#)).collect()
}

/// Freezes the process, and checks the node's guarantees about dependencies; `name` is the
/// dependency's name in the log.
async fn hang(world: &World, process: u32, reason: &str, name: &str) {
    let request = request(world).await;
    let before = warnings(&world.node).len();
    freeze(process).await;

    let sponsor = async || world.rpc().call("pm_sponsor_with_tee", request.clone()).await;
    sponsor().await.unwrap_err().is_retryable(-32603, reason);
    let many = async {
        for _ in 0..REQUESTS {
            sponsor().await.unwrap_err().is_retryable(-32603, reason);
        }
    };
    timeout(AT_ONCE, many).await.expect("requests wait for what hangs");
    let said = warnings(&world.node);
    assert_eq!(said.len(), before + 1, "{said:?}");
    assert!(said[before].contains(&format!("{name} does not answer: ")), "{said:?}");

    thaw(process);
    let answer = eventually(async || sponsor().await.ok()).await;
    assert!(world.entry_point().handle_ops(&answer["userOperation"]).await.unwrap().success);
    let said = warnings(&world.node);
    assert_eq!(said.len(), before + 2, "{said:?}");
    assert!(said[before + 1].contains(&format!("{name} answers again after ")), "{said:?}");
}

#[tokio::test]
async fn a_hanging_chain_blocks_no_other_request() {
    let world = Setup::of(V07).configure(impatient).start().await;
    hang(&world, world.anvil.process_id(), "chain_unavailable", "the chain").await;
}

#[tokio::test]
async fn a_hanging_kms_blocks_no_other_request() {
    let world = Setup::of(V07).configure(impatient).start_apart().await;
    let address = world.configuration["remote_kms"]["urls"][0].as_str().unwrap().to_owned();
    let name = format!("KMS gateway {}/ (remote_kms.urls)", address.trim_end_matches('/'));
    hang(&world, world.kms_process_id(), "kms_unavailable", &name).await;
}

/// The account is still created; only its address is refused.
#[tokio::test]
async fn a_hanging_chain_of_the_account_factory_blocks_no_account() {
    let hasty = |configuration: &mut Value| configuration["kms"]["factory"]["timeout_seconds"] = HANGS_FOR.into();
    let world = Setup::of(V07).configure(hasty).start().await;
    let (_, registration) = register(&world, |_| {}).await;
    let request = json!({ "registrationId": registration });
    let create = async || world.kms().post("/kms/create-deterministic-account", &request).await;
    // The relay reports about its own chain, which is the same.
    let said = || -> Vec<String> {
        let mut lines = warnings(&world.node);
        lines.retain(|line| line.contains("account factory"));
        lines
    };
    freeze(world.anvil.process_id()).await;
    create().await.unwrap_err().is_retryable(503, "factory_unavailable");
    let many = async {
        for _ in 0..REQUESTS {
            create().await.unwrap_err().is_retryable(503, "factory_unavailable");
        }
    };
    timeout(AT_ONCE, many).await.expect("accounts wait for a chain that hangs");
    let lines = said();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("the chain of the account factory does not answer: "), "{lines:?}");

    thaw(world.anvil.process_id());
    let made = eventually(async || create().await.ok()).await;
    assert!(made["sender"].is_string(), "{made}");
    let lines = said();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains("the chain of the account factory answers again after "), "{lines:?}");
}

#[tokio::test]
async fn a_hanging_redis_blocks_no_other_request() {
    let redis = RedisServer::start(None).await.unwrap();
    let url = redis.url();
    let with_redis = move |configuration: &mut Value| {
        configuration["relay"]["redis"] = json!({ "url": url, "timeout_milliseconds": HANGS_FOR * 1000 });
    };
    let world = Setup::of(V07).configure(with_redis).start().await;
    hang(&world, redis.process_id(), "claims_unavailable", "Redis").await;
}
