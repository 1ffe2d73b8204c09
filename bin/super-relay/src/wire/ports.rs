//! The ports of a process, each within its bounds, all within what the operating system grants.

use std::net::{SocketAddr, UdpSocket};

use prometheus::Registry;
use serve::{Bounds, Listener};
use tokio::net::TcpListener;

use super::{occupancy, start_error};
use crate::config::Config;
use crate::error::Error;

/// File descriptors per request to the relay: its own connection, one to the chain, one to a remote
/// KMS.
const OF_RPC: usize = 3;
/// File descriptors per request to the KMS: its own connection, and one to the chain of the account
/// factory.
const OF_KMS: usize = 2;

/// The limits of each port.
pub struct Ports {
    pub rpc: Bounds,
    pub kms: Bounds,
    pub ops: Bounds,
}

impl Ports {
    /// Raises the limit of open files as far as possible, and fits the configured limits into it.
    pub fn fit(config: &Config) -> Result<Self, Error> {
        let limit = serve::raise_limit().map_err(start_error("limit of open files"))?;
        let connections = &config.connections;
        let rpc = config.relay.as_ref().map_or(0, |relay| relay.rpc.max_connections as usize);
        let kms = config.kms.as_ref().map_or(0, |_| connections.kms);
        let [fit_rpc, fit_kms] =
            serve::share(limit.unwrap_or(u64::MAX), connections.ops, [(rpc, OF_RPC), (kms, OF_KMS)]);
        if fit_rpc < rpc || fit_kms < kms {
            tracing::warn!(
                rpc = fit_rpc,
                kms = fit_kms,
                "fewer connections than configured: the limit of open files (ulimit -Hn) is {}",
                limit.unwrap_or_default()
            );
        }
        let ops = Bounds { per_address: connections.ops, ..connections.bounds(connections.ops) };
        Ok(Self { rpc: connections.bounds(fit_rpc), kms: connections.bounds(fit_kms), ops })
    }
}

/// Checks that a configured address belongs to this machine. Does not occupy a port.
pub fn look_at(address: SocketAddr) -> Result<(), Error> {
    UdpSocket::bind((address.ip(), 0)).map(drop).map_err(start_error(&format!("listen on {address}")))
}

/// Binds the address that `listen` has under this name; returns the actual address, with port 0
/// resolved.
pub async fn bind(
    name: &str,
    address: SocketAddr,
    bounds: Bounds,
    registry: &Registry,
) -> Result<(Listener, SocketAddr), Error> {
    let listener = TcpListener::bind(address).await.map_err(start_error(&format!("listen.{name}: {address}")))?;
    let address = listener.local_addr().map_err(start_error("listen"))?;
    let listener = Listener::new(listener, bounds);
    occupancy::register(registry, name, listener.occupancy()).map_err(start_error("metrics"))?;
    Ok((listener, address))
}
