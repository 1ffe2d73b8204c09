//! Settings of Redis.

use redis::Client;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::error::SettingsError;

/// Redis 7 or later.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis://[user:password@]host:port[/database]` of one server, not of a Redis Cluster. Never
    /// logged.
    #[schemars(with = "String")]
    pub url: SecretString,
    /// Milliseconds after which a claim counts as failed, and the request is refused as retryable.
    #[serde(default = "timeout_milliseconds")]
    pub timeout_milliseconds: u64,
}

impl RedisSettings {
    /// Creates the client without connecting.
    pub(crate) fn client(&self) -> Result<Client, SettingsError> {
        let problem = "not of the form redis://[user:password@]host:port[/database]";
        Client::open(self.url.expose_secret())
            .map_err(|_| SettingsError::Invalid { key: "redis.url", problem: problem.to_owned() })
    }
}

fn timeout_milliseconds() -> u64 {
    500
}
