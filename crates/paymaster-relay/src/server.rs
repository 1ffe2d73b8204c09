//! The listening side: HTTP and WebSocket on one port, and a shutdown that lets requests in flight finish.

use std::io;
use std::sync::Arc;

use http::Request;
use jsonrpsee::core::middleware::RpcServiceBuilder;
use jsonrpsee::server::{BatchRequestConfig, HttpBody, PingConfig, Server, ServerConfig, stop_channel};
use serve::{Body, Listener};
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;

use crate::relay::Relay;
use crate::rpc::{CallsLayer, EdgeLayer, MAX_RESPONSE, module, too_many_connections};

/// Pings to a WebSocket within the time after which silence ends it.
const PINGS: u32 = 3;

/// Serves until told to stop, and then until the last request in flight is answered.
///
/// # Errors
/// [`io::Error`] when the methods can't be registered.
pub async fn serve(listener: impl Into<Listener>, relay: Arc<Relay>, shutdown: CancellationToken) -> io::Result<()> {
    let listener: Listener = listener.into();
    let settings = &relay.rpc;
    // A WebSocket that answers pings may be silent; one that doesn't is gone.
    let idle = listener.bounds().idle;
    let ping = PingConfig::new().ping_interval(idle / PINGS).inactive_limit(idle).max_failures(1);
    let config = ServerConfig::builder()
        .max_request_body_size(settings.max_body_bytes)
        .max_response_body_size(MAX_RESPONSE)
        // The listener counts connections.
        .max_connections(u32::MAX)
        .set_batch_request_config(BatchRequestConfig::Limit(settings.max_batch))
        .enable_ws_ping(ping)
        .build();
    let edge = EdgeLayer { api_keys: relay.api_keys.clone(), max_body_bytes: settings.max_body_bytes };
    let (stop, sessions) = stop_channel();
    let json_rpc = Server::builder()
        .set_config(config)
        .set_http_middleware(ServiceBuilder::new().layer(edge))
        .set_rpc_middleware(RpcServiceBuilder::new().layer(CallsLayer))
        .to_service_builder()
        .build(module(relay).map_err(io::Error::other)?, stop);
    let service =
        ServiceBuilder::new().map_request(|request: Request<Body>| request.map(HttpBody::new)).service(json_rpc);

    let end_sessions = async {
        shutdown.cancelled().await;
        if sessions.stop().is_err() {
            tracing::debug!("no WebSocket is open");
        }
    };
    let http = listener.refusing_with(too_many_connections).serve(service, shutdown.clone());
    let (served, ()) = tokio::join!(http, end_sessions);
    sessions.stopped().await;
    served
}
