//! The listening side: HTTP and WebSocket on one port, and a shutdown that lets requests in flight finish.

use std::io;
use std::sync::Arc;

use jsonrpsee::core::middleware::RpcServiceBuilder;
use jsonrpsee::server::{BatchRequestConfig, Server, ServerConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;

use crate::relay::Relay;
use crate::rpc::{CallsLayer, EdgeLayer, MAX_RESPONSE, module};

/// Serves until told to stop, and then until the last request in flight is answered.
///
/// # Errors
/// [`io::Error`] when the listener can't be used.
pub async fn serve(listener: TcpListener, relay: Arc<Relay>, shutdown: CancellationToken) -> io::Result<()> {
    let settings = &relay.rpc;
    let config = ServerConfig::builder()
        .max_request_body_size(settings.max_body_bytes)
        .max_response_body_size(MAX_RESPONSE)
        .max_connections(settings.max_connections)
        .set_batch_request_config(BatchRequestConfig::Limit(settings.max_batch))
        .build();
    let edge = EdgeLayer { api_keys: relay.api_keys.clone(), max_body_bytes: settings.max_body_bytes };
    let server = Server::builder()
        .set_config(config)
        .set_http_middleware(ServiceBuilder::new().layer(edge))
        .set_rpc_middleware(RpcServiceBuilder::new().layer(CallsLayer))
        .build_from_tcp(listener.into_std()?)?;
    let handle = server.start(module(relay).map_err(io::Error::other)?);

    shutdown.cancelled().await;
    if handle.stop().is_err() {
        tracing::debug!("the server has stopped by itself");
    }
    handle.stopped().await;
    Ok(())
}
