//! Claims in Redis 7 or later: `SET key holder NX GET EX ttl`, which tells in one step whose the key is.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{RedisError, Script, cmd};
use tokio::time::timeout;

use super::{Claim, NonceStore, NonceStoreError};
use crate::settings::RedisSettings;

const PREFIX: &str = "super-relay:claim:";
const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";

/// Claims as keys of a Redis server. A server that does not answer in time is an error, never a `Fresh`.
#[derive(Clone)]
pub struct RedisNonces {
    connection: ConnectionManager,
    release: Script,
    patience: Duration,
}

impl RedisNonces {
    /// Connects; later the connection is made anew by itself when it is lost.
    ///
    /// # Errors
    /// [`NonceStoreError`] when the address is no Redis address, or nobody answers there.
    pub async fn connect(settings: &RedisSettings) -> Result<Self, NonceStoreError> {
        let patience = Duration::from_millis(settings.timeout_milliseconds);
        let client = settings.client().map_err(NonceStoreError::new)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(patience))
            .set_max_delay(patience);
        let connection = within(patience * 4, client.get_connection_manager_with_config(config)).await?;
        Ok(Self { connection, release: Script::new(RELEASE), patience })
    }
}

#[async_trait]
impl NonceStore for RedisNonces {
    async fn claim(&self, key: &[u8; 32], holder: &str, ttl: Duration) -> Result<Claim, NonceStoreError> {
        let mut connection = self.connection.clone();
        let mut set = cmd("SET");
        set.arg(name(key)).arg(holder).arg("NX").arg("GET").arg("EX").arg(ttl.as_secs().max(1));
        let before: Option<String> = within(self.patience, set.query_async(&mut connection)).await?;
        Ok(match before {
            Some(other) if other != holder => Claim::Held { holder: other },
            _ => Claim::Fresh,
        })
    }

    async fn release(&self, key: &[u8; 32], holder: &str) -> Result<(), NonceStoreError> {
        let mut connection = self.connection.clone();
        let mut invocation = self.release.key(name(key));
        invocation.arg(holder);
        let _: i64 = within(self.patience, invocation.invoke_async(&mut connection)).await?;
        Ok(())
    }

    async fn ready(&self) -> Result<(), NonceStoreError> {
        let mut connection = self.connection.clone();
        let _: String = within(self.patience, cmd("PING").query_async(&mut connection)).await?;
        Ok(())
    }
}

fn name(key: &[u8; 32]) -> String {
    format!("{PREFIX}{}", hex::encode(key))
}

async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, NonceStoreError> {
    timeout(patience, answer).await.map_err(|_| NonceStoreError::new("Redis did not answer in time"))?.map_err(category)
}

/// The error's kind alone: its text may carry the address with the password in it.
fn category(error: RedisError) -> NonceStoreError {
    NonceStoreError::new(format!("Redis: {}", error.category()))
}
