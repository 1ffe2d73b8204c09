//! Limits of connections. That of JSON-RPC is `relay.rpc.max_connections`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serve::Bounds;

use super::ConfigError;

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
    /// Connections to one port at once from one IPv4 address or one /64 of IPv6. Behind an ingress they all come from its
    /// addresses: set it to the limit of the port there.
    #[schemars(range(min = 1))]
    pub per_address: usize,
    /// Seconds for the header of a request.
    #[schemars(range(min = 1))]
    pub header_seconds: u64,
    /// Seconds for the body of a request, from the end of its header on.
    #[schemars(range(min = 1))]
    pub body_seconds: u64,
    /// Seconds a connection may be idle between two requests, and a WebSocket may leave pings unanswered.
    #[schemars(range(min = 1))]
    pub idle_seconds: u64,
}

impl Default for Connections {
    fn default() -> Self {
        let Bounds { total, per_address, header, body, idle } = Bounds::default();
        Self {
            kms: total,
            ops: 64,
            per_address,
            header_seconds: header.as_secs(),
            body_seconds: body.as_secs(),
            idle_seconds: idle.as_secs(),
        }
    }
}

impl Connections {
    /// None may be 0.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let numbers = [
            ("connections.kms", self.kms > 0),
            ("connections.ops", self.ops > 0),
            ("connections.per_address", self.per_address > 0),
            ("connections.header_seconds", self.header_seconds > 0),
            ("connections.body_seconds", self.body_seconds > 0),
            ("connections.idle_seconds", self.idle_seconds > 0),
        ];
        match numbers.into_iter().find(|(_, holds)| !holds) {
            Some((key, _)) => Err(ConfigError::value(key, "must be above 0")),
            None => Ok(()),
        }
    }

    /// The limits of a port that takes so many.
    pub fn bounds(&self, total: usize) -> Bounds {
        Bounds {
            total,
            per_address: self.per_address.min(total),
            header: Duration::from_secs(self.header_seconds),
            body: Duration::from_secs(self.body_seconds),
            idle: Duration::from_secs(self.idle_seconds),
        }
    }
}
