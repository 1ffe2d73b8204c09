//! The KMS over HTTP (axum). Each surface is a folder with its routes, bodies, error table and form
//! of credentials, from which it builds a [`crate::gateway::Caller`]. There is one surface,
//! `native`.

mod client_address;
mod native;

use std::io;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use axum::{Router, http};
use serve::{Full, Listener};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub use native::read_setup;

use crate::gateway::Gateway;

/// Maximum size of a request body, in bytes. The largest operation takes 192 KiB in hex.
pub const MAX_BODY: usize = 256 * 1024;

/// The routes of this gateway.
pub fn router(gateway: Gateway) -> Router {
    native::router(gateway)
}

/// Serves until `shutdown`, then accepts no more connections and returns when the requests in
/// progress are answered.
///
/// # Errors
/// Never because of a connection: its errors end only that connection.
pub async fn serve(listener: impl Into<Listener>, gateway: Gateway, shutdown: CancellationToken) -> io::Result<()> {
    let no_room = native::no_room(&gateway);
    let listener = listener.into().refusing_with(move |request| answer_no_room(no_room.clone(), request));
    listener.serve(router(gateway), shutdown).await
}

/// The body is fully in memory.
async fn answer_no_room(no_room: Router, request: http::Request<Full>) -> http::Response<Bytes> {
    let (mut parts, full) = request.into_parts();
    parts.extensions.insert(full);
    let Ok(response) = no_room.oneshot(Request::from_parts(parts, Body::empty())).await;
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, to_bytes(body, MAX_BODY).await.unwrap_or_default())
}
