//! Every answer tells the gateway's clock, so that a relay can compare it with its own.

use axum::extract::{Request, State};
use axum::http::HeaderName;
use axum::middleware::Next;
use axum::response::Response;
use kms_api::headers::TIME;

use crate::gateway::Gateway;

const HEADER: HeaderName = HeaderName::from_static(TIME);

pub(super) async fn layer(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(HEADER, gateway.now().into());
    response
}
