//! Lets the service keep the connections of clients it knows.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::connection::Connection;
use crate::table::Table;

/// The rank of a request's connection at a full port, provided as a request extension.
#[derive(Clone)]
pub struct Priority {
    pub(crate) table: Arc<Table>,
    pub(crate) peer: IpAddr,
    pub(crate) connection: Arc<Connection>,
}

impl Priority {
    /// From now on the connection is not ended for a connection of another address. For clients
    /// that have proved who they are. At most half of a port is kept that way, and an eighth of it
    /// for one address; beyond that the rank does not change.
    pub fn raise(&self) {
        self.table.prioritise(self.peer, &self.connection);
    }
}

impl fmt::Debug for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Priority").field(&self.connection.is_prioritised()).finish()
    }
}
