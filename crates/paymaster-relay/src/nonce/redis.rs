//! Claims in Redis 7 or later: `SET key holder NX GET EX ttl`, which tells in one step whose the key is.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use breaker::Breaker;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, Script, ServerErrorKind, cmd};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Claim, NonceStore, NonceStoreError};
use crate::settings::RedisSettings;

const PREFIX: &str = "super-relay:claim:";
const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";

/// Claims as keys of a Redis server. A server that does not answer in time is an error, never a `Fresh`; so is one that
/// still reads its data. While it does not answer, claims fail at once.
#[derive(Clone)]
pub struct RedisNonces {
    server: Server,
    breaker: Arc<Breaker>,
    release: Script,
}

/// One connection, made when it is needed, and made anew after it failed.
#[derive(Clone)]
struct Server {
    client: Client,
    connection: Arc<Mutex<Option<MultiplexedConnection>>>,
    patience: Duration,
}

impl RedisNonces {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`NonceStoreError`] when the address is no Redis address.
    pub fn new(settings: &RedisSettings) -> Result<Self, NonceStoreError> {
        let server = Server {
            client: settings.client().map_err(NonceStoreError::new)?,
            connection: Arc::default(),
            patience: Duration::from_millis(settings.timeout_milliseconds),
        };
        let probed = server.clone();
        let breaker = Breaker::new("Redis", move || {
            let server = probed.clone();
            async move { server.ping().await.is_ok() }
        });
        Ok(Self { server, breaker, release: Script::new(RELEASE) })
    }

    async fn ask<T, F: Future<Output = RedisResult<T>>>(
        &self,
        question: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<T, NonceStoreError> {
        let begun = self.breaker.check().map_err(NonceStoreError::new)?;
        match self.server.ask(question).await {
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
                Err(NonceStoreError { detail: problem.detail })
            }
        }
    }
}

struct Problem {
    detail: String,
    is_outage: bool,
}

impl Server {
    async fn ask<T, F: Future<Output = RedisResult<T>>>(
        &self,
        question: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<T, Problem> {
        let asked = async { question(self.connected().await?).await };
        let problem = match timeout(self.patience, asked).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Problem { is_outage: is_outage(&error), detail: category(&error) },
            Err(_) => Problem { is_outage: true, detail: "Redis did not answer in time".to_owned() },
        };
        // Whatever it was, a new connection is the safe way on.
        if problem.is_outage {
            *self.connection.lock().await = None;
        }
        Err(problem)
    }

    async fn connected(&self) -> RedisResult<MultiplexedConnection> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience))
            .set_response_timeout(Some(self.patience));
        let made = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(connection.insert(made).clone())
    }

    async fn ping(&self) -> Result<(), Problem> {
        let pong: String =
            self.ask(|mut connection| async move { cmd("PING").query_async(&mut connection).await }).await?;
        drop(pong);
        Ok(())
    }
}

#[async_trait]
impl NonceStore for RedisNonces {
    async fn claim(&self, key: &[u8; 32], holder: &str, ttl: Duration) -> Result<Claim, NonceStoreError> {
        let mut set = cmd("SET");
        set.arg(name(key)).arg(holder).arg("NX").arg("GET").arg("EX").arg(ttl.as_secs().max(1));
        let before: Option<String> =
            self.ask(|mut connection| async move { set.query_async(&mut connection).await }).await?;
        Ok(match before {
            Some(other) if other != holder => Claim::Held { holder: other },
            _ => Claim::Fresh,
        })
    }

    async fn release(&self, key: &[u8; 32], holder: &str) -> Result<(), NonceStoreError> {
        let mut invocation = self.release.prepare_invoke();
        invocation.key(name(key)).arg(holder);
        let _: i64 = self.ask(|mut connection| async move { invocation.invoke_async(&mut connection).await }).await?;
        Ok(())
    }

    async fn ready(&self) -> Result<(), NonceStoreError> {
        let _: String =
            self.ask(|mut connection| async move { cmd("PING").query_async(&mut connection).await }).await?;
        Ok(())
    }
}

fn name(key: &[u8; 32]) -> String {
    format!("{PREFIX}{}", hex::encode(key))
}

/// Whether nothing can be asked of the server now. While it reads its data it listens, and answers nothing.
fn is_outage(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_unrecoverable_error()
        || error.kind() == ErrorKind::Server(ServerErrorKind::BusyLoading)
}

/// The error's kind alone: its text may carry the address with the password in it.
fn category(error: &RedisError) -> String {
    format!("Redis: {}", error.category())
}
