//! One suite for every store of claims, which a real Redis passes; the embedded database leaves
//! claims to its reservations.

use std::sync::Arc;
use std::time::Duration;

use devkit::RedisServer;
use paymaster_relay::claims::{Claim, ClaimStore, RedisClaims, SqliteClaims};
use paymaster_relay::ports::SystemClock;
use paymaster_relay::settings::RedisSettings;
use paymaster_relay::store::SqliteStore;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{PATIENCE, until};

const HOUR: Duration = Duration::from_secs(3600);

/// The guarantees of every store of claims.
async fn keeps_the_rules(claims: Arc<dyn ClaimStore>) {
    claims.ready().await.unwrap();
    let held = |holder: &str| Claim::Held { holder: holder.to_owned() };

    // The first claim is fresh, later ones return its holder, and a retry of the first is still
    // fresh.
    assert_eq!(claims.claim(&[1; 32], "a", HOUR).await.unwrap(), Claim::Fresh);
    assert_eq!(claims.claim(&[1; 32], "b", HOUR).await.unwrap(), held("a"));
    assert_eq!(claims.claim(&[1; 32], "a", HOUR).await.unwrap(), Claim::Fresh);
    // Keys are independent.
    assert_eq!(claims.claim(&[2; 32], "b", HOUR).await.unwrap(), Claim::Fresh);
    // Only the holder can release a key.
    claims.release(&[1; 32], "b").await.unwrap();
    assert_eq!(claims.claim(&[1; 32], "c", HOUR).await.unwrap(), held("a"));
    claims.release(&[1; 32], "a").await.unwrap();
    assert_eq!(claims.claim(&[1; 32], "c", HOUR).await.unwrap(), Claim::Fresh);
    // A claim expires by itself, and not early.
    assert_eq!(claims.claim(&[3; 32], "a", Duration::from_secs(5)).await.unwrap(), Claim::Fresh);
    assert_eq!(claims.claim(&[3; 32], "b", HOUR).await.unwrap(), held("a"));
    until(async || claims.claim(&[3; 32], "b", HOUR).await.unwrap() == Claim::Fresh).await;
    // Of many concurrent claims, one is fresh.
    let mut contest = JoinSet::new();
    for contestant in 0..20 {
        let claims = Arc::clone(&claims);
        contest.spawn(async move { claims.claim(&[4; 32], &contestant.to_string(), HOUR).await.unwrap() });
    }
    let outcomes = contest.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Claim::Fresh).count(), 1);
}

fn settings(server: &RedisServer) -> RedisSettings {
    of_busy_machine(server.url())
}

/// Settings with which a slow Redis on a busy machine does not count as unavailable.
fn of_busy_machine(url: String) -> RedisSettings {
    serde_json::from_value(json!({ "url": url, "timeout_milliseconds": 30_000 })).unwrap()
}

#[tokio::test]
async fn the_embedded_database_leaves_claims_to_its_reservations_and_writes_none() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(&dir.path().join("claims.db")).await.unwrap();
    let claims = SqliteClaims::new(store.database(), Arc::new(SystemClock));
    for holder in ["a", "b"] {
        assert_eq!(claims.claim(&[1; 32], holder, HOUR).await.unwrap(), Claim::LeftToReservation);
    }
    let pool = store.database().pool();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM claims").fetch_one(&pool).await.unwrap();
    assert_eq!(count, 0);
    store.database().close().await;
    claims.claim(&[1; 32], "a", HOUR).await.unwrap_err();
}

#[tokio::test]
async fn the_claims_of_an_earlier_version_are_deleted_once_they_expire() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(&dir.path().join("claims.db")).await.unwrap();
    let claims = SqliteClaims::new(store.database(), Arc::new(SystemClock));
    let pool = store.database().pool();
    let earlier = "INSERT INTO claims (key, holder, expires_at) VALUES (x'01', 'a', 1), (x'02', 'b', 1 << 40)";
    sqlx::query(earlier).execute(&pool).await.unwrap();
    claims.tidy().await.unwrap();
    let left: Vec<String> = sqlx::query_scalar("SELECT holder FROM claims").fetch_all(&pool).await.unwrap();
    assert_eq!(left, ["b"]);
}

#[tokio::test]
async fn redis_keeps_the_rules_of_claims() {
    let server = RedisServer::start(None).await.unwrap();
    keeps_the_rules(Arc::new(RedisClaims::new(&settings(&server)).unwrap())).await;
}

#[tokio::test]
async fn a_claim_in_redis_survives_a_kill_of_the_server() {
    let dir = TempDir::new().unwrap();
    let mut server = RedisServer::start(Some(dir.path())).await.unwrap();
    let claims = RedisClaims::new(&settings(&server)).unwrap();
    assert_eq!(claims.claim(&[1; 32], "a", HOUR).await.unwrap(), Claim::Fresh);
    server.stop().unwrap();
    server.start_again().await.unwrap();
    let claims = RedisClaims::new(&settings(&server)).unwrap();
    assert_eq!(claims.claim(&[1; 32], "b", HOUR).await.unwrap(), Claim::Held { holder: "a".to_owned() });
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_an_error_in_time_and_never_a_claim() {
    let mut server = RedisServer::start(None).await.unwrap();
    let claims = RedisClaims::new(&settings(&server)).unwrap();
    claims.ready().await.unwrap();
    server.stop().unwrap();
    for _ in 0..3 {
        let claim = claims.claim(&[1; 32], "a", HOUR);
        let error = timeout(PATIENCE, claim).await.expect("it never ends").unwrap_err();
        assert!(error.to_string().starts_with("Redis at relay.redis.url cannot be reached: "), "{error}");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    }
    assert!(claims.ready().await.is_err());

    server.start_again().await.unwrap();
    claims_again(&claims).await;
}

#[tokio::test]
async fn a_redis_that_cannot_be_reached_is_named_by_its_setting_with_the_cause_and_without_secrets() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (host, cause) in
        [(free.to_string(), "Connection refused"), ("redis.invalid".into(), "failed to lookup address")]
    {
        let claims = RedisClaims::new(&of_busy_machine(format!("redis://user:secret@{host}"))).unwrap();
        let error = claims.ready().await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("Redis at relay.redis.url cannot be reached: {cause}")), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_redis_that_is_reading_its_data_is_not_ready_and_claims_nothing_until_it_has() {
    let redis = StandIn::answering(b"-LOADING Redis is loading the dataset in memory\r\n").await;
    let claims = RedisClaims::new(&redis.settings()).unwrap();
    let error = claims.claim(&[1; 32], "a", HOUR).await.unwrap_err();
    assert!(error.to_string().contains("loading"), "{error}");
    assert!(claims.ready().await.is_err());

    redis.answer(b":1\r\n");
    claims_again(&claims).await;
}

#[tokio::test]
async fn a_redis_that_is_full_is_an_outage_and_claims_again_once_there_is_room() {
    let server = RedisServer::start(None).await.unwrap();
    let claims = RedisClaims::new(&settings(&server)).unwrap();
    claims.ready().await.unwrap();
    tell(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let error = claims.ready().await.expect_err("no claim can be made");
    assert!(error.to_string().contains("OOM"), "{error}");

    // From here on, claims are refused without asking it.
    tell(&server, &["CONFIG", "RESETSTAT"]).await;
    for _ in 0..50 {
        claims.claim(&[1; 32], "a", HOUR).await.unwrap_err();
    }
    let commands = tell(&server, &["INFO", "commandstats"]).await;
    let sets = commands.split("cmdstat_set:calls=").nth(1).and_then(|count| count.split(',').next());
    assert!(sets.is_none_or(|count| count.parse::<u32>().unwrap() < 50), "{commands}");
    tell(&server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    claims_again(&claims).await;
}

#[tokio::test]
async fn a_connection_that_redis_closed_while_it_was_idle_refuses_no_claim() {
    let server = RedisServer::start(None).await.unwrap();
    let claims = RedisClaims::new(&of_busy_machine(server.url())).unwrap();
    for key in 0..5 {
        tell(&server, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        assert_eq!(claims.claim(&[key; 32], "a", HOUR).await.unwrap(), Claim::Fresh);
    }
}

#[tokio::test]
async fn a_relay_moves_to_the_new_primary_when_the_old_one_becomes_a_replica() {
    let (old, new) = (RedisServer::start(None).await.unwrap(), RedisServer::start(None).await.unwrap());
    let name = Name::of(&old).await;
    let claims = RedisClaims::new(&of_busy_machine(name.url())).unwrap();
    claims.ready().await.unwrap();
    tell(&old, &["REPLICAOF", "127.0.0.1", "1"]).await;
    let error = claims.ready().await.expect_err("no claim can be made");
    assert!(error.to_string().contains("READONLY"), "{error}");
    name.points_to(&new);
    claims_again(&claims).await;
    assert_eq!(claims.claim(&[1; 32], "a", HOUR).await.unwrap(), Claim::Fresh);
}

#[tokio::test]
async fn a_look_at_redis_leaves_nothing_there() {
    let server = RedisServer::start(None).await.unwrap();
    let claims = RedisClaims::new(&settings(&server)).unwrap();
    claims.ready().await.unwrap();
    assert_eq!(tell(&server, &["INFO", "keyspace"]).await.trim(), "# Keyspace");
}

async fn tell(server: &RedisServer, words: &[&str]) -> String {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let (command, words) = words.split_first().unwrap();
    redis::cmd(command).arg(words).query_async(&mut connection).await.unwrap()
}

/// A host name whose server can change: each connection goes to its current target.
struct Name {
    port: u16,
    server: watch::Sender<String>,
}

impl Name {
    async fn of(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, servers) = watch::channel(address(server));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let address = servers.borrow().clone();
                let mut server = TcpStream::connect(address).await.unwrap();
                tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
            }
        });
        Self { port, server: sender }
    }

    fn points_to(&self, server: &RedisServer) {
        self.server.send_replace(address(server));
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

fn address(server: &RedisServer) -> String {
    server.url().trim_start_matches("redis://").to_owned()
}

#[tokio::test]
async fn a_relay_starts_without_its_redis_and_claims_once_it_is_there() {
    let mut server = RedisServer::start(None).await.unwrap();
    server.stop().unwrap();
    let claims = RedisClaims::new(&settings(&server)).unwrap();
    claims.claim(&[1; 32], "a", HOUR).await.unwrap_err();

    server.start_again().await.unwrap();
    claims_again(&claims).await;
}

async fn claims_again(claims: &RedisClaims) {
    until(async || claims.ready().await.is_ok()).await;
}

/// A fake Redis, for replies that a real one only gives briefly.
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
