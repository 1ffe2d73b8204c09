//! Checks the files and folders that a start needs, and changes none. A start runs these checks
//! before it changes anything, and so does `config check`. Only `config check` also reads the
//! databases in full, since that would delay the start of a large one.

use std::path::Path;

use kms_gateway::Gateway;
use paymaster_relay::Settings;
use paymaster_relay::sqlite::Database;

use super::{admin_key, start_error};
use crate::admin_socket;
use crate::config::Bootstrap;
use crate::error::Error;

/// Checks the relay's files, except for its key; returns notes for the operator.
pub async fn at_relay(settings: &Settings) -> Result<Vec<String>, Error> {
    let database = &settings.database;
    let migrations = Database::look_at(database, &settings.chain_ids()).await.map_err(start_error("relay.database"))?;
    let mut found = Vec::from_iter(told(migrations, "relay.database", database));
    let socket = settings.admin_socket();
    if admin_socket::look_at(&socket)? == admin_socket::Place::Served {
        found.push(format!(
            "relay.admin_socket: {}: another process serves it, and a start beside it fails",
            socket.display()
        ));
    }
    Ok(found)
}

/// Checks the KMS's files.
pub async fn at_kms(settings: &kms_gateway::Settings) -> Result<Vec<String>, Error> {
    let migrations = Gateway::look_at(&settings.data_dir).await.map_err(start_error("kms.data_dir"))?;
    settings.tee.row().look_at(&settings.data_dir).map_err(start_error("kms.data_dir"))?;
    Ok(Vec::from_iter(told(migrations, "kms.data_dir", &settings.data_dir)))
}

/// The admin's key.
pub fn at_bootstrap(settings: &Bootstrap) -> Result<Vec<String>, Error> {
    let file = &settings.admin_key_file;
    Ok(match admin_key::look_at(file)? {
        Some(_) => Vec::new(),
        None => vec![format!("bootstrap.admin_key_file: the first start makes {}", file.display())],
    })
}

fn told(migrations: Option<usize>, key: &str, place: &Path) -> Option<String> {
    match migrations {
        Some(0) => None,
        Some(due) => Some(format!("{key}: the next start makes {due} migrations")),
        None => Some(format!("{key}: the first start makes a database at {}", place.display())),
    }
}
