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
pub struct Held(Memory);

impl Memory {
    /// The service made an answer of that many bytes, or is about to. Nothing is read from a client whose unread answers cost
    /// more than 64 KiB.
    pub fn answer(&self, bytes: usize) {
        if self.connection.is_upgraded() {
            self.table.add_untaken(&self.connection, bytes);
        }
    }

    /// The service has a message, a call or a batch, until this is dropped. What was read of the connection is kept until then.
    #[must_use]
    pub fn call(&self) -> Held {
        if self.connection.is_upgraded() {
            self.connection.call_begins();
        }
        Held(self.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.0.connection.is_upgraded() {
            self.0.connection.call_ends();
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.connection.memory()).finish()
    }
}
