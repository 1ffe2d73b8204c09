//! Keeping the connections of clients that the service knows.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::connection::Connection;
use crate::table::Table;

/// The rank of a request's connection at a full port; an extension of each request.
#[derive(Clone)]
pub struct Priority {
    pub(crate) table: Arc<Table>,
    pub(crate) peer: IpAddr,
    pub(crate) connection: Arc<Connection>,
}

impl Priority {
    /// From now on the connection is ended for no connection of another address. For clients that
    /// have proved who they are. At most half of a port is kept that way, and an eighth of it for
    /// one address; more than that stays as it was.
    pub fn raise(&self) {
        self.table.prioritise(self.peer, &self.connection);
    }
}

impl fmt::Debug for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Priority").field(&self.connection.is_prioritised()).finish()
    }
}
