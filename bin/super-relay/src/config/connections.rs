//! Limits of connections. That of JSON-RPC is `relay.rpc.max_connections`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serve::Bounds;

use super::error::ConfigError;

/// A day: more would be no limit, and far more can't be added to a time.
const LONGEST_SECONDS: u64 = 24 * 60 * 60;

/// Limits of the servers, so that no client keeps others out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Connections {
    /// Connections to the KMS at once.
    #[schemars(range(min = 1))]
    pub kms: usize,
    /// Connections to `listen.ops` at once. Kept for it: no other port can take them.
    #[schemars(range(min = 1))]
    pub ops: usize,
    /// Connections to one port at once from one IPv4 address or one /48 of IPv6. Behind an ingress
    /// they all come from its addresses: set it to the limit of the port there.
    #[schemars(range(min = 1))]
    pub per_address: usize,
    /// Percent of a port's connections, and of those from one address, that may be WebSockets. The
    /// rest is kept for HTTP.
    #[schemars(range(min = 1, max = 99))]
    pub websocket_percent: u8,
    /// Seconds for the header of a request, at most a day.
    #[schemars(range(min = 1, max = 86_400))]
    pub header_seconds: u64,
    /// Seconds for the body of a request, from the end of its header on; at most a day.
    #[schemars(range(min = 1, max = 86_400))]
    pub body_seconds: u64,
    /// Seconds for the answer to a request, from the end of its body on; for all calls of a batch
    /// together. At most a day.
    #[schemars(range(min = 1, max = 86_400))]
    pub serving_seconds: u64,
    /// Seconds a connection may be idle between two requests, and a WebSocket may leave pings
    /// unanswered; at most a day.
    #[schemars(range(min = 1, max = 86_400))]
    pub idle_seconds: u64,
}

impl Default for Connections {
    fn default() -> Self {
        let Bounds { total, per_address, header, body, serving, idle, .. } = Bounds::default();
        Self {
            kms: total,
            ops: 64,
            per_address,
            websocket_percent: 50,
            header_seconds: header.as_secs(),
            body_seconds: body.as_secs(),
            serving_seconds: serving.as_secs(),
            idle_seconds: idle.as_secs(),
        }
    }
}

impl Connections {
    /// None may be 0, and some connections are kept for HTTP.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let numbers = [
            ("connections.kms", self.kms > 0),
            ("connections.ops", self.ops > 0),
            ("connections.per_address", self.per_address > 0),
        ];
        if let Some((key, _)) = numbers.into_iter().find(|(_, holds)| !holds) {
            return Err(ConfigError::value(key, "must be above 0"));
        }
        let times = [
            ("connections.header_seconds", self.header_seconds),
            ("connections.body_seconds", self.body_seconds),
            ("connections.serving_seconds", self.serving_seconds),
            ("connections.idle_seconds", self.idle_seconds),
        ];
        if let Some((key, _)) = times.into_iter().find(|(_, seconds)| !(1..=LONGEST_SECONDS).contains(seconds)) {
            return Err(ConfigError::value(key, format!("must be from 1 to {LONGEST_SECONDS} (a day)")));
        }
        if !(1..=99).contains(&self.websocket_percent) {
            return Err(ConfigError::value("connections.websocket_percent", "must be from 1 to 99"));
        }
        Ok(())
    }

    /// The longest answer is a quote: what the TEE reports about itself, and then the quote, which
    /// is given the time of a call that hangs. Refused before that, it would be lost, and it is
    /// rationed.
    pub(super) fn check_serving(&self, kms: &kms_gateway::Settings) -> Result<(), ConfigError> {
        let longest = kms.tee_timeout_seconds.saturating_add(kms.tee_hung_after_seconds);
        if self.serving_seconds < longest {
            let problem =
                format!("must be at least kms.tee_timeout_seconds and kms.tee_hung_after_seconds together ({longest})");
            return Err(ConfigError::value("connections.serving_seconds", problem));
        }
        Ok(())
    }

    /// The limits of a port that takes this many.
    pub fn bounds(&self, total: usize) -> Bounds {
        let per_address = self.per_address.min(total);
        Bounds {
            total,
            per_address,
            upgraded: self.web_sockets_of(total),
            upgraded_per_address: self.web_sockets_of(per_address),
            header: Duration::from_secs(self.header_seconds),
            body: Duration::from_secs(self.body_seconds),
            serving: Duration::from_secs(self.serving_seconds),
            idle: Duration::from_secs(self.idle_seconds),
            ..Bounds::default()
        }
    }

    /// How many of this many connections may be WebSockets.
    fn web_sockets_of(&self, connections: usize) -> usize {
        (connections.saturating_mul(self.websocket_percent.into()) / 100).max(1)
    }
}
