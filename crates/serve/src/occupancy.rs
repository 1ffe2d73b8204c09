//! How many connections a port has, for operators.

use std::fmt;
use std::sync::Arc;

use crate::table::Table;
use crate::tally::{Occupied, Tally};

/// The open connections of a port.
#[derive(Clone)]
pub struct Occupancy(pub(crate) Arc<Table>);

impl Occupancy {
    /// What the port did since it was opened.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.0.tally()
    }

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
