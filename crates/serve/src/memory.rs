//! Counts the memory that a WebSocket's port holds for it, so that neither messages that take long
//! to answer nor unread answers exhaust it. The port itself counts requests and answers over HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::Connection;
use crate::table::Table;

/// Overhead of a client's control frame besides its payload, in bytes: its header and its mask (RFC
/// 6455, section 5.2).
const CONTROL_HEADER: usize = 6;

/// The memory that a port holds for a connection, provided as a request extension.
///
/// If the whole port exceeds [`Bounds::memory`], connections of the address with the highest cost
/// are ended.
///
/// [`Bounds::memory`]: crate::Bounds::memory
#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) table: Arc<Table>,
    pub(crate) connection: Arc<Connection>,
}

/// The cost of a message, and later also of its answer, until this is dropped.
pub(crate) struct Held {
    memory: Memory,
    cost: usize,
}

impl Memory {
    /// A message of this length is complete, including the bytes counted as incomplete so far.
    pub(crate) fn message(&self, bytes: usize) -> Held {
        self.connection.forget_incomplete();
        Held { memory: self.clone(), cost: self.table.hold(&self.connection, bytes) }
    }

    /// The connection's memory cost, in bytes.
    pub(crate) fn cost(&self) -> usize {
        self.connection.memory()
    }

    /// A control frame with a payload of this length was read: its bytes belong to no message.
    pub(crate) fn control_frame(&self, payload: usize) {
        self.connection.forget_of_incomplete(Connection::cost_of_request(CONTROL_HEADER + payload));
    }

    /// When the message that is arriving began; `None` between messages.
    pub(crate) fn incomplete_since(&self) -> Option<Instant> {
        self.connection.incomplete_since()
    }

    /// When bytes were last read.
    pub(crate) fn last_read(&self) -> Instant {
        self.connection.last_read()
    }

    /// Deadline for a message to arrive.
    pub(crate) fn body(&self) -> Duration {
        self.connection.body()
    }

    /// How long a client may be silent.
    pub(crate) fn idle(&self) -> Duration {
        self.connection.idle()
    }

    /// Returns when the connection has to end.
    pub(crate) async fn ended(&self) {
        self.connection.evicted.cancelled().await;
    }
}

impl Held {
    /// Adds an answer of this length.
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
    fn messages_of_a_web_socket_are_counted_until_they_are_answered() {
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
