//! The limits of one port.

use std::time::Duration;

use thiserror::Error;

/// The number of connections a port accepts, and the deadlines of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once, WebSockets included.
    pub total: usize,
    /// Connections at once from one IPv4 address, or from one /48 of IPv6, the largest network that
    /// one client is given.
    pub per_address: usize,
    /// Of these, upgraded connections (WebSockets), which stay for as long as the client likes.
    pub upgraded: usize,
    /// The same from one address.
    pub upgraded_per_address: usize,
    /// Deadline for the header of a request, from its first byte; for the first request, from the
    /// start of the connection.
    pub header: Duration,
    /// Deadline for the body of a request, from the end of its header.
    pub body: Duration,
    /// Deadline for the service to answer a request, from the end of its body.
    pub serving: Duration,
    /// Maximum time between a response and the first byte of the next request.
    pub idle: Duration,
    /// Bytes of memory for all connections together: requests being served, and answers not yet
    /// read by clients. A request counts four times its length, and an answer 8 KiB more than its
    /// own.
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

/// Why a request is not served: its connection was refused, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Full {
    /// The limit of the port is reached, and no connection can be ended for this one.
    #[error("too many connections: at most {limit} at once")]
    Port {
        /// Connections.
        limit: usize,
    },
    /// The limit of the peer's address is reached, and each of its other connections is having a
    /// request served.
    #[error("too many connections: at most {limit} at once from one address")]
    Address {
        /// Connections.
        limit: usize,
    },
    /// The limit of the port is reached, and the peer's address has most of the requests being
    /// served. This one was ended for a client that has fewer.
    #[error("too many connections: at most {limit} at once, and this address had most of them")]
    Share {
        /// Connections.
        limit: usize,
    },
    /// The service did not answer.
    #[error("no answer within {seconds} s")]
    Late {
        /// [`Bounds::serving`], and the time for the service to report this itself.
        seconds: u64,
    },
    /// The port's limit on WebSockets is reached, and no address has more of them than the peer's
    /// would have.
    #[error("too many WebSockets: at most {limit} at once; HTTP is served")]
    Upgrades {
        /// Connections.
        limit: usize,
    },
    /// The limit on WebSockets of the peer's address is reached.
    #[error("too many WebSockets: at most {limit} at once from one address; HTTP is served")]
    UpgradesOfAddress {
        /// Connections.
        limit: usize,
    },
}
