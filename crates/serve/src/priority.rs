//! Keeping the connections of clients that the service knows.

use std::fmt;
use std::sync::Arc;

use crate::connection::Connection;

/// The rank of a request's connection at a full port; an extension of each request.
#[derive(Clone)]
pub struct Priority(pub(crate) Arc<Connection>);

impl Priority {
    /// From now on the connection is ended for no connection of another address. For clients that have proved who they are:
    /// each can hold as many connections as one address may have.
    pub fn raise(&self) {
        self.0.prioritise();
    }
}

impl fmt::Debug for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Priority").field(&self.0.is_prioritised()).finish()
    }
}
