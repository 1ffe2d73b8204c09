//! Connection counts of a port, for operators.

use std::fmt;
use std::sync::Arc;

use crate::table::Table;
use crate::tally::{Occupied, Tally};

/// The open connections of a port.
#[derive(Clone)]
pub struct Occupancy(pub(crate) Arc<Table>);

impl Occupancy {
    /// Counts since the port was opened.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.0.tally()
    }

    /// The current number of connections by state.
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
