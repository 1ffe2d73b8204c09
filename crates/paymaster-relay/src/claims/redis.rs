//! Claims in Redis 7 or later: `SET key holder NX GET EX ttl`, which claims the key and returns its
//! holder in one step.

use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use breaker::Breaker;
use proto::json::Excerpt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, RedisResult, cmd};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Claim, ClaimStore, ClaimStoreError};
use crate::settings::RedisSettings;

/// Names the settings: details of Redis are for operators only.
const NO_ANSWER: &str = "Redis at relay.redis.url did not answer in time (relay.redis.timeout_milliseconds)";
const PREFIX: &str = "super-relay:claim:";
const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";

/// Claimed and released to check whether claims are possible; every relay holds it briefly, with
/// the same holder name.
const PROBE: &str = "super-relay:claim:probe";
const PROBE_HOLDER: &str = "probe";
const PROBE_SECONDS: u64 = 5;

/// Error codes that mean that no claim can be made now, whatever its key. A former primary answers
/// `READONLY` after a failover.
const OUTAGES: [&str; 9] =
    ["LOADING", "READONLY", "OOM", "MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "NOAUTH", "NOPERM"];

/// Claims as keys of a Redis server. A server that does not answer in time is an error, never
/// `Fresh`; so is one that accepts no writes. During an outage, claims fail immediately.
#[derive(Clone)]
pub struct RedisClaims {
    server: Server,
    breaker: Arc<Breaker>,
}

/// One connection, opened when needed, and reopened after it failed.
#[derive(Clone)]
struct Server {
    client: Client,
    connection: Arc<Mutex<Option<MultiplexedConnection>>>,
    patience: Duration,
}

impl RedisClaims {
    /// Creates the client without connecting.
    ///
    /// # Errors
    /// [`ClaimStoreError`] if the URL is not a valid Redis URL.
    pub fn new(settings: &RedisSettings) -> Result<Self, ClaimStoreError> {
        let server = Server {
            client: settings.client().map_err(ClaimStoreError::new)?,
            connection: Arc::default(),
            patience: Duration::from_millis(settings.timeout_milliseconds),
        };
        let probed = server.clone();
        let breaker = Breaker::new("Redis", move || {
            let server = probed.clone();
            async move { server.probe().await.is_ok() }
        });
        Ok(Self { server, breaker })
    }

    async fn guarded<T>(&self, answer: impl Future<Output = Result<T, Problem>>) -> Result<T, ClaimStoreError> {
        let begun = self.breaker.check().map_err(ClaimStoreError::new)?;
        match answer.await {
            Ok(answer) => {
                self.breaker.answered();
                Ok(answer)
            }
            Err(problem) => {
                if problem.is_outage {
                    self.breaker.failed(begun, &problem.detail);
                } else {
                    self.breaker.answered();
                }
                Err(ClaimStoreError { detail: problem.detail })
            }
        }
    }
}

struct Problem {
    detail: String,
    is_outage: bool,
}

impl Server {
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Problem> {
        let asked = async {
            let (mut connection, is_kept) = self.connected().await?;
            match command.query_async(&mut connection).await {
                // The other end may have closed a kept connection while it was idle: that is not an
                // outage, and every command can safely be repeated.
                Err(error) if is_kept && error.is_io_error() => {
                    *self.connection.lock().await = None;
                    command.query_async(&mut self.connected().await?.0).await
                }
                answer => answer,
            }
        };
        let problem = match timeout(self.patience, asked).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Problem { is_outage: is_outage(&error), detail: category(&error) },
            Err(_) => Problem { is_outage: true, detail: NO_ANSWER.to_owned() },
        };
        // In all cases a new connection is safe.
        if problem.is_outage {
            *self.connection.lock().await = None;
        }
        Err(problem)
    }

    /// A connection, and whether it existed before.
    async fn connected(&self) -> RedisResult<(MultiplexedConnection, bool)> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok((connection.clone(), true));
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience))
            .set_response_timeout(Some(self.patience));
        let made = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok((connection.insert(made).clone(), false))
    }

    async fn claim(&self, name: &str, holder: &str, seconds: u64) -> Result<Claim, Problem> {
        let mut set = cmd("SET");
        set.arg(name).arg(holder).arg("NX").arg("GET").arg("EX").arg(seconds);
        let before: Option<String> = self.ask(&set).await?;
        Ok(match before {
            Some(other) if other != holder => Claim::Held { holder: other },
            _ => Claim::Fresh,
        })
    }

    async fn release(&self, name: &str, holder: &str) -> Result<(), Problem> {
        let mut release = cmd("EVAL");
        release.arg(RELEASE).arg(1).arg(name).arg(holder);
        let _: i64 = self.ask(&release).await?;
        Ok(())
    }

    /// Claims and releases a key: a server that answers may still accept no writes.
    async fn probe(&self) -> Result<(), Problem> {
        self.claim(PROBE, PROBE_HOLDER, PROBE_SECONDS).await?;
        self.release(PROBE, PROBE_HOLDER).await
    }
}

#[async_trait]
impl ClaimStore for RedisClaims {
    async fn claim(&self, key: &[u8; 32], holder: &str, ttl: Duration) -> Result<Claim, ClaimStoreError> {
        self.guarded(self.server.claim(&name(key), holder, ttl.as_secs().max(1))).await
    }

    async fn release(&self, key: &[u8; 32], holder: &str) -> Result<(), ClaimStoreError> {
        self.guarded(self.server.release(&name(key), holder)).await
    }

    async fn ready(&self) -> Result<(), ClaimStoreError> {
        self.guarded(self.server.probe()).await
    }
}

fn name(key: &[u8; 32]) -> String {
    format!("{PREFIX}{}", hex::encode(key))
}

/// Whether no claim can be made now, whatever its key. The connection is then reopened: its host
/// name may resolve to another server by now.
fn is_outage(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_unrecoverable_error()
        || error.code().is_some_and(|code| OUTAGES.contains(&code))
}

/// The error's kind, and its code or the system's error: the rest of its text may contain the URL
/// with the password.
fn category(error: &RedisError) -> String {
    let category = error.category();
    match (error.code(), error.source()) {
        (Some(code), _) => format!("Redis at relay.redis.url: {category} ({})", Excerpt(code)),
        (None, Some(why)) if error.is_io_error() => format!("Redis at relay.redis.url cannot be reached: {why}"),
        (None, _) => format!("Redis at relay.redis.url: {category}"),
    }
}
