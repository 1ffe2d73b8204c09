//! Counting what a WebSocket makes its port keep, so that neither messages that take long to answer
//! nor answers that nobody reads fill its memory. Requests and answers over HTTP are counted by the
//! port itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::Connection;
use crate::table::Table;

/// Bytes of a client's control frame besides its payload: its header and its mask (RFC 6455,
/// section 5.2).
const CONTROL_HEADER: usize = 6;

/// What a port keeps for a connection; an extension of each request.
///
/// Above [`Bounds::memory`] for the whole port, connections of the address that costs most are
/// ended.
///
/// [`Bounds::memory`]: crate::Bounds::memory
#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) table: Arc<Table>,
    pub(crate) connection: Arc<Connection>,
}

/// What a message costs, and then its answer besides, until this is dropped.
pub(crate) struct Held {
    memory: Memory,
    cost: usize,
}

impl Memory {
    /// A message of that many bytes is complete: what was read so far was of it.
    pub(crate) fn message(&self, bytes: usize) -> Held {
        self.connection.forget_incomplete();
        Held { memory: self.clone(), cost: self.table.hold(&self.connection, bytes) }
    }

    /// Bytes of memory that the connection costs.
    pub(crate) fn cost(&self) -> usize {
        self.connection.memory()
    }

    /// A control frame with a payload of that many bytes was read: these are of no message.
    pub(crate) fn control_frame(&self, payload: usize) {
        self.connection.forget_of_incomplete(Connection::cost_of_request(CONTROL_HEADER + payload));
    }

    /// Since when a message is arriving; `None` between two.
    pub(crate) fn incomplete_since(&self) -> Option<Instant> {
        self.connection.incomplete_since()
    }

    /// When anything was last read.
    pub(crate) fn last_read(&self) -> Instant {
        self.connection.last_read()
    }

    /// How long a message may take to arrive.
    pub(crate) fn body(&self) -> Duration {
        self.connection.body()
    }

    /// How long a client may send nothing.
    pub(crate) fn idle(&self) -> Duration {
        self.connection.idle()
    }

    /// Returns when the connection has to end.
    pub(crate) async fn ended(&self) {
        self.connection.evicted.cancelled().await;
    }
}

impl Held {
    /// An answer of that many bytes was made.
    pub(crate) fn answered(&mut self, bytes: usize) {
        self.cost += self.memory.table.hold_answer(&self.memory.connection, bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.connection.release(self.cost);
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.cost()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::Bounds;

    #[test]
    fn what_a_web_socket_sent_is_kept_until_it_is_answered() {
        let table = Table::new(Bounds { total: 1, ..Bounds::default() });
        let socket = table.admit([192, 0, 2, 1].into()).unwrap();
        let memory = Memory { table: Arc::clone(&table), connection: Arc::clone(&socket.connection) };
        let kept = || table.kept();
        socket.hold_incomplete(100);
        socket.hold_incomplete(200);
        assert_eq!(kept(), 1200);
        let mut message = memory.message(250);
        assert_eq!(kept(), 1000);
        socket.hold_incomplete(10);
        message.answered(8);
        assert_eq!(kept(), 1000 + 40 + 8200);
        drop(message);
        assert_eq!(kept(), 40);
        socket.connection.end();
        drop(memory.message(10));
        assert_eq!(kept(), 0);
    }
}
