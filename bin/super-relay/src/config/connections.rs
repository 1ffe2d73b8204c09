//! Connection limits. The limit for JSON-RPC is `relay.rpc.max_connections`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serve::Bounds;

use super::error::ConfigError;

/// A day: more would not be a limit, and much more would overflow a time.
const LONGEST_SECONDS: u64 = 24 * 60 * 60;

/// Limits of the servers, so that no client can block others.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Connections {
    /// Simultaneous connections to the KMS.
    #[schemars(range(min = 1))]
    pub kms: usize,
    /// Simultaneous connections to `listen.ops`. Reserved for it: no other port can use them.
    #[schemars(range(min = 1))]
    pub ops: usize,
    /// Simultaneous connections to one port from one IPv4 address or one /48 of IPv6. Behind an
    /// ingress all connections come from its addresses: set this to the limit of the port there.
    #[schemars(range(min = 1))]
    pub per_address: usize,
    /// Percentage of a port's connections, and of those from one address, that may be WebSockets.
    /// The rest is reserved for HTTP.
    #[schemars(range(min = 1, max = 99))]
    pub websocket_percent: u8,
    /// Seconds for the header of a request, at most a day.
    #[schemars(range(min = 1, max = 86_400))]
    pub header_seconds: u64,
    /// Seconds for the body of a request, from the end of its header; at most a day.
    #[schemars(range(min = 1, max = 86_400))]
    pub body_seconds: u64,
    /// Seconds for the answer to a request, from the end of its body; for a batch, for all its
    /// calls together. At most a day.
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
    /// None may be 0, and some connections are reserved for HTTP.
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

    /// The longest answer is a quote: the TEE's report on itself, and then the quote, which may
    /// take as long as a call that hangs. A shorter limit would lose the quote, and quotes are rate
    /// limited.
    pub(super) fn check_serving(&self, kms: &kms_gateway::Settings) -> Result<(), ConfigError> {
        let longest = kms.tee_timeout_seconds.saturating_add(kms.tee_hung_after_seconds);
        if self.serving_seconds < longest {
            let problem =
                format!("must be at least kms.tee_timeout_seconds and kms.tee_hung_after_seconds together ({longest})");
            return Err(ConfigError::value("connections.serving_seconds", problem));
        }
        Ok(())
    }

    /// The limits of a port with this maximum of connections.
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

    /// The number of these connections that may be WebSockets.
    fn web_sockets_of(&self, connections: usize) -> usize {
        (connections.saturating_mul(self.websocket_percent.into()) / 100).max(1)
    }
}
