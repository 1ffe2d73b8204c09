//! Counts of a port's connections, by current state and by outcome.

use crate::bounds::Full;

/// Connections by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupied {
    /// Waiting for the client.
    pub waiting: usize,
    /// A request is being served.
    pub serving: usize,
    /// Upgraded: WebSockets.
    pub upgraded: usize,
}

/// Outcomes of connections since the port was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Refused connections.
    pub refused: Refused,
    /// Connections ended by the port.
    pub ended: Ended,
}

/// Refused connections by the limit that was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// The port's limit.
    pub port: u64,
    /// The limit of one address.
    pub address: u64,
    /// The port's limit on WebSockets.
    pub web_sockets: u64,
    /// The limit of one address on WebSockets.
    pub web_sockets_of_address: u64,
}

/// Ended connections by reason. Idle timeouts are not counted: most connections end that way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// It kept the port waiting, and another took its place.
    pub evicted: u64,
    /// Its request was being served, and its address had most of these.
    pub outranked: u64,
    /// Its client did not send a request in time.
    pub slow: u64,
    /// The service did not answer in time.
    pub late: u64,
    /// Its address used most of the port's memory.
    pub memory: u64,
}

impl Refused {
    pub(crate) fn count(&mut self, why: Full) {
        let count = match why {
            Full::Port { .. } => &mut self.port,
            Full::Address { .. } => &mut self.address,
            Full::Upgrades { .. } => &mut self.web_sockets,
            Full::UpgradesOfAddress { .. } => &mut self.web_sockets_of_address,
            // These concern admitted connections.
            Full::Share { .. } | Full::Late { .. } => return,
        };
        *count += 1;
    }
}
