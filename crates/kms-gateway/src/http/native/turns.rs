//! Parses the requests of one client one at a time; a registration is also verified within its
//! turn.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use serve::Turns;

use crate::gateway::Gateway;
use crate::http::client_address::client;

/// Provides each request with the turn that [`JsonBody`](super::body::JsonBody) waits for.
pub(super) async fn layer(State((turns, gateway)): State<(Turns, Gateway)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let turn = turns.of(client(&parts, &gateway));
    parts.extensions.insert(turn.clone());
    turn.until_it_waits(next.run(Request::from_parts(parts, body))).await
}
