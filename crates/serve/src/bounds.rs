//! The limits of one port.

use std::time::Duration;

use thiserror::Error;

/// How many connections a port takes, and how long each may keep it waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once, WebSockets included.
    pub total: usize,
    /// Connections at once from one IPv4 address, or from one /48 of IPv6, which is the most that
    /// one client is given.
    pub per_address: usize,
    /// Of these, connections that are no longer HTTP, which are WebSockets: they stay for as long
    /// as the client likes.
    pub upgraded: usize,
    /// The same from one address.
    pub upgraded_per_address: usize,
    /// For the header of a request, from its first byte on; for the first request from the
    /// connection on.
    pub header: Duration,
    /// For the body of a request, from the end of its header on.
    pub body: Duration,
    /// For the service to answer a request, from the end of its body on.
    pub serving: Duration,
    /// Between a response and the first byte of the next request.
    pub idle: Duration,
    /// Bytes that requests which are being served and answers which clients have not taken cost, of
    /// all connections together. A request costs four times its length, and an answer 8 KiB besides
    /// its own.
    pub memory: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            total: 1024,
            per_address: 256,
            upgraded: 512,
            upgraded_per_address: 128,
            header: Duration::from_secs(10),
            body: Duration::from_secs(20),
            serving: Duration::from_secs(45),
            idle: Duration::from_secs(60),
            memory: 128 << 20,
        }
    }
}

/// Why a request is not served: there is no room for its connection, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Full {
    /// The limit of the port: nobody has to go for this connection.
    #[error("too many connections: at most {limit} at once")]
    Port {
        /// Connections.
        limit: usize,
    },
    /// The limit of the peer's address: every other connection within it is having a request
    /// served.
    #[error("too many connections: at most {limit} at once from one address")]
    Address {
        /// Connections.
        limit: usize,
    },
    /// The limit of the port, and the peer's address has most of the requests that are being
    /// served. This one was ended for a client that has fewer.
    #[error("too many connections: at most {limit} at once, and this address had most of them")]
    Share {
        /// Connections.
        limit: usize,
    },
    /// The service did not answer.
    #[error("no answer within {seconds} s")]
    Late {
        /// Of [`Bounds::serving`], and the time for the service to say so itself.
        seconds: u64,
    },
    /// The port's share of connections for WebSockets, and no address has more of them than the
    /// peer's would have.
    #[error("too many WebSockets: at most {limit} at once; HTTP is served")]
    Upgrades {
        /// Connections.
        limit: usize,
    },
    /// That of the peer's address.
    #[error("too many WebSockets: at most {limit} at once from one address; HTTP is served")]
    UpgradesOfAddress {
        /// Connections.
        limit: usize,
    },
}
