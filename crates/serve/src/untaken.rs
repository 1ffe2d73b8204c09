//! Counting what clients have not taken, so that answers to those who do not read fill no memory.

use std::fmt;
use std::sync::Arc;

use crate::connection::Connection;
use crate::table::Table;

/// The answers of a WebSocket that wait to be written; an extension of each request.
#[derive(Clone)]
pub struct Untaken {
    pub(crate) table: Arc<Table>,
    pub(crate) connection: Arc<Connection>,
}

impl Untaken {
    /// The service made an answer of that many bytes, or is about to. Answers over HTTP are counted by the port itself, and
    /// are not counted here.
    ///
    /// Nothing is read from a client that has left more than 64 KiB untaken. Above [`Bounds::untaken`] for the whole port,
    /// connections of the address that has left most are ended.
    ///
    /// [`Bounds::untaken`]: crate::Bounds::untaken
    pub fn add(&self, bytes: usize) {
        if self.connection.is_upgraded() {
            self.table.add_untaken(&self.connection, bytes);
        }
    }
}

impl fmt::Debug for Untaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Untaken").field(&self.connection.untaken()).finish()
    }
}
