//! Counting what clients make a port keep, so that neither requests that take long nor answers that nobody reads fill its
//! memory.

use std::fmt;
use std::sync::Arc;

use crate::connection::Connection;
use crate::table::Table;

/// What a port keeps for the calls of a WebSocket; an extension of each request. Requests and answers over HTTP are counted by
/// the port itself, and are not counted here.
///
/// Above [`Bounds::memory`] for the whole port, connections of the address that costs most are ended.
///
/// [`Bounds::memory`]: crate::Bounds::memory
#[derive(Clone)]
pub struct Memory {
    pub(crate) table: Arc<Table>,
    pub(crate) connection: Arc<Connection>,
}

/// A call that is being answered.
#[derive(Debug)]
pub struct Held {
    memory: Memory,
    cost: usize,
}

impl Memory {
    /// The service made an answer of that many bytes, or is about to. Nothing is read from a client whose unread answers cost
    /// more than 64 KiB.
    pub fn answer(&self, bytes: usize) {
        if self.connection.is_upgraded() {
            self.table.add_untaken(&self.connection, bytes);
        }
    }

    /// The service has a call of that many bytes, until this is dropped.
    #[must_use]
    pub fn call(&self, bytes: usize) -> Held {
        let cost = if self.connection.is_upgraded() { self.table.hold(&self.connection, bytes) } else { 0 };
        Held { memory: self.clone(), cost }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.connection.release(self.cost);
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.connection.memory()).finish()
    }
}
