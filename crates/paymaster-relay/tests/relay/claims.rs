//! One suite for every place claims are kept: the embedded database and a real Redis.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use devkit::RedisServer;
use paymaster_relay::nonce::{Claim, NonceStore, RedisNonces, SqliteNonces};
use paymaster_relay::ports::SystemClock;
use paymaster_relay::settings::RedisSettings;
use paymaster_relay::store::SqliteStore;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{PATIENCE, until};

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
    // A claim ends by itself, and not before its time.
    assert_eq!(claims.claim(&[3; 32], "a", Duration::from_secs(5)).await.unwrap(), Claim::Fresh);
    assert_eq!(claims.claim(&[3; 32], "b", HOUR).await.unwrap(), held("a"));
    until(async || claims.claim(&[3; 32], "b", HOUR).await.unwrap() == Claim::Fresh).await;
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

fn settings(server: &RedisServer) -> RedisSettings {
    of_busy_machine(server.url())
}

/// A Redis that is slow because the machine is busy is no Redis that does not answer.
fn of_busy_machine(url: String) -> RedisSettings {
    serde_json::from_value(json!({ "url": url, "timeout_milliseconds": 30_000 })).unwrap()
}

#[tokio::test]
async fn the_embedded_database_keeps_the_rules_of_claims() {
    let dir = TempDir::new().unwrap();
    keeps_the_rules(Arc::new(sqlite(&dir.path().join("claims.db")).await)).await;
}

#[tokio::test]
async fn redis_keeps_the_rules_of_claims() {
    let server = RedisServer::start(None).await.unwrap();
    keeps_the_rules(Arc::new(RedisNonces::new(&settings(&server)).unwrap())).await;
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
    let mut server = RedisServer::start(Some(dir.path())).await.unwrap();
    let claims = RedisNonces::new(&settings(&server)).unwrap();
    assert_eq!(claims.claim(&[1; 32], "a", HOUR).await.unwrap(), Claim::Fresh);
    server.stop().unwrap();
    server.start_again().await.unwrap();
    let claims = RedisNonces::new(&settings(&server)).unwrap();
    assert_eq!(claims.claim(&[1; 32], "b", HOUR).await.unwrap(), Claim::Held { holder: "a".to_owned() });
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_an_error_in_time_and_never_a_claim() {
    let mut server = RedisServer::start(None).await.unwrap();
    let claims = RedisNonces::new(&settings(&server)).unwrap();
    claims.ready().await.unwrap();
    server.stop().unwrap();
    for _ in 0..3 {
        let claim = claims.claim(&[1; 32], "a", HOUR);
        let error = timeout(PATIENCE, claim).await.expect("it never ends").unwrap_err();
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    }
    assert!(claims.ready().await.is_err());

    server.start_again().await.unwrap();
    claims_again(&claims).await;
}

#[tokio::test]
async fn a_redis_that_is_reading_its_data_is_not_ready_and_claims_nothing_until_it_has() {
    let redis = StandIn::answering(b"-LOADING Redis is loading the dataset in memory\r\n").await;
    let claims = RedisNonces::new(&redis.settings()).unwrap();
    let error = claims.claim(&[1; 32], "a", HOUR).await.unwrap_err();
    assert!(error.to_string().contains("loading"), "{error}");
    assert!(claims.ready().await.is_err());

    redis.answer(b"+PONG\r\n");
    claims_again(&claims).await;
}

#[tokio::test]
async fn a_relay_starts_without_its_redis_and_claims_once_it_is_there() {
    let mut server = RedisServer::start(None).await.unwrap();
    server.stop().unwrap();
    let claims = RedisNonces::new(&settings(&server)).unwrap();
    claims.claim(&[1; 32], "a", HOUR).await.unwrap_err();

    server.start_again().await.unwrap();
    claims_again(&claims).await;
}

async fn claims_again(claims: &RedisNonces) {
    until(async || claims.ready().await.is_ok()).await;
}

/// In the place of a Redis, for what a real one says in a moment that no test can hold on to.
struct StandIn {
    port: u16,
    answer: watch::Sender<&'static [u8]>,
}

impl StandIn {
    async fn answering(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, answers) = watch::channel(answer);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer_each(connection, answers.clone()));
            }
        });
        Self { port, answer: sender }
    }

    fn answer(&self, answer: &'static [u8]) {
        self.answer.send_replace(answer);
    }

    fn settings(&self) -> RedisSettings {
        of_busy_machine(format!("redis://127.0.0.1:{}", self.port))
    }
}

/// Each command begins with its number of words: `*3`.
async fn answer_each(mut connection: TcpStream, answers: watch::Receiver<&'static [u8]>) {
    let mut commands = [0; 4096];
    while let Ok(length @ 1..) = connection.read(&mut commands).await {
        for _ in commands[..length].iter().filter(|byte| **byte == b'*') {
            let answer = *answers.borrow();
            if connection.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}
