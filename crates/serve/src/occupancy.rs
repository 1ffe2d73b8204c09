//! How many connections a port has, for operators.

use std::fmt;
use std::sync::Arc;

use crate::table::Table;

/// The open connections of a port.
#[derive(Clone)]
pub struct Occupancy(pub(crate) Arc<Table>);

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

impl Occupancy {
    /// How many there are now.
    #[must_use]
    pub fn now(&self) -> Occupied {
        self.0.occupied()
    }
}

impl fmt::Debug for Occupancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.now().fmt(f)
    }
}
