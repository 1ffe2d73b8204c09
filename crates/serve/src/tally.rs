//! Counts of a port's connections: by what they are doing now, and by what became of them.

use crate::bounds::Full;

/// Connections by what they are doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupied {
    /// The client is waited for.
    pub waiting: usize,
    /// A request is being served.
    pub serving: usize,
    /// No longer HTTP: WebSockets.
    pub upgraded: usize,
}

/// What a port did to connections since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that were refused.
    pub refused: Refused,
    /// Those that were ended before their clients ended them.
    pub ended: Ended,
}

/// Refused connections by the limit that was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Of the port.
    pub port: u64,
    /// Of one address.
    pub address: u64,
    /// Of the port, for WebSockets.
    pub web_sockets: u64,
    /// Of one address, for WebSockets.
    pub web_sockets_of_address: u64,
}

/// Ended connections by the reason. One that was idle for too long is not counted: that is how most
/// of them end.
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
    /// Its address cost most of the memory that the port may keep.
    pub memory: u64,
}

impl Refused {
    pub(crate) fn count(&mut self, why: Full) {
        let count = match why {
            Full::Port { .. } => &mut self.port,
            Full::Address { .. } => &mut self.address,
            Full::Upgrades { .. } => &mut self.web_sockets,
            Full::UpgradesOfAddress { .. } => &mut self.web_sockets_of_address,
            // Of connections that have a place.
            Full::Share { .. } | Full::Late { .. } => return,
        };
        *count += 1;
    }
}
