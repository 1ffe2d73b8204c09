//! Where a request comes from.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::request::Parts;
use serve::{Client, Peer};

use crate::gateway::Gateway;

/// The client of the request: behind a proxy of `kms.trusted_proxies` the one that it names;
/// requests for which it names none count as one client. Without our listener, as when a router is
/// called directly, the address is unspecified.
pub(super) fn client(parts: &Parts, gateway: &Gateway) -> Client {
    let peer = parts.extensions.get().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(peer)| peer.ip());
    gateway.trusted_proxies().client(peer, &parts.headers)
}
