//! One suite for every place claims are kept: the embedded database and a real Redis.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use paymaster_relay::nonce::{Claim, NonceStore, RedisNonces, SqliteNonces};
use paymaster_relay::ports::SystemClock;
use paymaster_relay::settings::RedisSettings;
use paymaster_relay::store::SqliteStore;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Far more than the claims wait for Redis.
const PATIENCE: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

/// What any store of claims must do.
async fn keeps_the_rules(claims: Arc<dyn NonceStore>) {
    claims.ready().await.unwrap();
    let held = |holder: &str| Claim::Held { holder: holder.to_owned() };

    // The first is fresh, whoever comes later learns whose it is, and a retry of the first is still the first.
    assert_eq!(claims.claim(&[1; 32], "a", HOUR).await.unwrap(), Claim::Fresh);
    assert_eq!(claims.claim(&[1; 32], "b", HOUR).await.unwrap(), held("a"));
    assert_eq!(claims.claim(&[1; 32], "a", HOUR).await.unwrap(), Claim::Fresh);
    // Keys are independent.
    assert_eq!(claims.claim(&[2; 32], "b", HOUR).await.unwrap(), Claim::Fresh);
    // Only the holder gives a key back.
    claims.release(&[1; 32], "b").await.unwrap();
    assert_eq!(claims.claim(&[1; 32], "c", HOUR).await.unwrap(), held("a"));
    claims.release(&[1; 32], "a").await.unwrap();
    assert_eq!(claims.claim(&[1; 32], "c", HOUR).await.unwrap(), Claim::Fresh);
    // A claim ends by itself.
    assert_eq!(claims.claim(&[3; 32], "a", Duration::from_secs(1)).await.unwrap(), Claim::Fresh);
    assert_eq!(claims.claim(&[3; 32], "b", HOUR).await.unwrap(), held("a"));
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(claims.claim(&[3; 32], "b", HOUR).await.unwrap(), Claim::Fresh);
    // Of many at once, one is first.
    let mut contest = JoinSet::new();
    for contestant in 0..20 {
        let claims = Arc::clone(&claims);
        contest.spawn(async move { claims.claim(&[4; 32], &contestant.to_string(), HOUR).await.unwrap() });
    }
    let outcomes = contest.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Claim::Fresh).count(), 1);
}

async fn sqlite(file: &Path) -> SqliteNonces {
    let store = SqliteStore::open(file).await.unwrap();
    SqliteNonces::new(&store, Arc::new(SystemClock))
}

/// A redis-server of this test alone, with its log of writes on disk.
struct RedisServer {
    process: Child,
    port: u16,
}

impl RedisServer {
    fn start(dir: &Path, port: u16) -> Self {
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
            .arg(dir)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is needed: apt-get install redis-server");
        let server = Self { process, port };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "redis-server did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    fn on_a_free_port(dir: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start(dir, port)
    }

    fn settings(&self) -> RedisSettings {
        let url = format!("redis://127.0.0.1:{}", self.port);
        serde_json::from_value(json!({ "url": url })).unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test]
async fn the_embedded_database_keeps_the_rules_of_claims() {
    let dir = TempDir::new().unwrap();
    keeps_the_rules(Arc::new(sqlite(&dir.path().join("claims.db")).await)).await;
}

#[tokio::test]
async fn redis_keeps_the_rules_of_claims() {
    let dir = TempDir::new().unwrap();
    let server = RedisServer::on_a_free_port(dir.path());
    keeps_the_rules(Arc::new(RedisNonces::connect(&server.settings()).await.unwrap())).await;
}

#[tokio::test]
async fn a_claim_in_the_embedded_database_survives_a_restart() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("claims.db");
    assert_eq!(sqlite(&file).await.claim(&[1; 32], "a", HOUR).await.unwrap(), Claim::Fresh);
    let held = Claim::Held { holder: "a".to_owned() };
    assert_eq!(sqlite(&file).await.claim(&[1; 32], "b", HOUR).await.unwrap(), held);
}

#[tokio::test]
async fn a_claim_in_redis_survives_a_kill_of_the_server() {
    let dir = TempDir::new().unwrap();
    let server = RedisServer::on_a_free_port(dir.path());
    let (settings, port) = (server.settings(), server.port);
    let claims = RedisNonces::connect(&settings).await.unwrap();
    assert_eq!(claims.claim(&[1; 32], "a", HOUR).await.unwrap(), Claim::Fresh);
    drop(server);
    let _server = RedisServer::start(dir.path(), port);
    let claims = RedisNonces::connect(&settings).await.unwrap();
    assert_eq!(claims.claim(&[1; 32], "b", HOUR).await.unwrap(), Claim::Held { holder: "a".to_owned() });
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_an_error_in_time_and_never_a_claim() {
    let dir = TempDir::new().unwrap();
    let server = RedisServer::on_a_free_port(dir.path());
    let claims = RedisNonces::connect(&server.settings()).await.unwrap();
    drop(server);
    for _ in 0..3 {
        let claim = claims.claim(&[1; 32], "a", HOUR);
        let error = timeout(PATIENCE, claim).await.expect("it never ends").unwrap_err();
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    }
    assert!(claims.ready().await.is_err());
}
