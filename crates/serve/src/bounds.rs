//! The limits of one port.

use std::time::Duration;

use thiserror::Error;

/// How many connections a port takes, and how long each may keep it waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once, WebSockets included.
    pub total: usize,
    /// Connections at once from one IPv4 address, or from one /64 of IPv6, which is what one client is given.
    pub per_address: usize,
    /// For the header of a request, from its first byte on; for the first request from the connection on.
    pub header: Duration,
    /// For the body of a request, from the end of its header on.
    pub body: Duration,
    /// Between a response and the first byte of the next request.
    pub idle: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            total: 1024,
            per_address: 256,
            header: Duration::from_secs(10),
            body: Duration::from_secs(20),
            idle: Duration::from_secs(60),
        }
    }
}

/// A connection was refused: every other one within the same limit is having a request served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Full {
    /// The limit of the port.
    #[error("too many connections: at most {limit} at once")]
    Port {
        /// Connections.
        limit: usize,
    },
    /// The limit of the peer's address.
    #[error("too many connections: at most {limit} at once from one address")]
    Address {
        /// Connections.
        limit: usize,
    },
}
