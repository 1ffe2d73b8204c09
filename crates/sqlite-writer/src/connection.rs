//! The writing connection. After a failed transaction its state is unknown, so it is replaced by a
//! new one.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

pub(crate) struct Reopened {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
}

impl Reopened {
    pub(crate) const fn new(options: SqliteConnectOptions, connection: SqliteConnection) -> Self {
        Self { options, connection: Some(connection) }
    }

    pub(crate) async fn get(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }

    /// SQLite rolls back an open transaction when the connection is closed.
    pub(crate) async fn give_up(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close_hard().await
        {
            tracing::warn!(%error, "a connection to a database could not be closed");
        }
    }

    pub(crate) fn into_inner(self) -> Option<SqliteConnection> {
        self.connection
    }
}
