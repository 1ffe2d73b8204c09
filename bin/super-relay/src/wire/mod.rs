//! The composition root: chooses the implementations, starts the servers, stops them in order.

mod admin_key;
mod check;
mod kms;
mod look;
mod node;
mod occupancy;
mod ports;
mod relay;
mod servers;
mod stages;

pub use check::check;
pub use node::{KmsNode, Node};

use std::fmt::Display;

use kms_gateway::Gateway;
use kms_gateway::store::AuditHead;
use kms_gateway::transport::TeeName;
use proto::Hash;

use crate::config::Config;
use crate::error::Error;

/// The address of the relay's key, which is created if it does not exist. Makes no requests.
pub fn relay_signer_address(config: &Config) -> Result<String, Error> {
    relay::key_address(config.for_relay()?).map(|address| address.to_string())
}

/// Makes the configured gateway forget the TEE that it has served.
pub async fn forget_tee(config: &Config, name: TeeName) -> Result<(), Error> {
    let settings = config.for_kms()?;
    Gateway::forget_tee(&settings.data_dir, name).await.map_err(start_error("forget-tee"))
}

/// Checks the audit of the configured gateway, and that a head noted before is part of it.
pub async fn verify_audit(config: &Config, noted: Option<Hash>) -> Result<String, Error> {
    let verified = Gateway::verify_audit(&config.for_kms()?.data_dir, noted).await;
    let AuditHead { rows, hash } = verified.map_err(|error| Error::Answer(error.to_string()))?;
    let found = noted.map(|_| "; the noted head is among them").unwrap_or_default();
    Ok(format!("{rows} rows, head {hash}{found}"))
}

/// Names the part that could not be started.
fn start_error<E: Display>(part: &str) -> impl Fn(E) -> Error + use<E> {
    let part = part.to_string();
    move |problem| Error::Start(format!("{part}: {problem}"))
}
