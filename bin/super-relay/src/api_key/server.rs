//! The node's end of the admin socket.

use std::io;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use axum::{Json, Router};
use paymaster_relay::clients::{ApiKeyError, ApiKeys, NewApiKey};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::api::{KEYS, KeyState, Made, REVOCATION, Refusal, Revoked};
use crate::policies::Author;

type Refused = (StatusCode, Json<Refusal>);

/// Serves until it is stopped, with these other routes of the socket.
pub async fn serve(
    listener: UnixListener,
    keys: Arc<ApiKeys>,
    others: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let routes = Router::new().route(KEYS, get(list).post(generate)).route(REVOCATION, post(revoke)).with_state(keys);
    let routes = routes.merge(others.layer(middleware::from_fn(note_author)));
    let served = routes.into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, served).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// The user at the other end of a connection.
#[derive(Clone, Copy, Debug)]
struct Peer(Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

/// The kernel says who connected, for the history of changes.
async fn note_author(ConnectInfo(Peer(uid)): ConnectInfo<Peer>, mut request: Request, next: Next) -> Response {
    let author = uid.map_or_else(|| "uid unknown".to_owned(), |uid| format!("uid {uid}"));
    request.extensions_mut().insert(Author(author));
    next.run(request).await
}

async fn generate(State(keys): State<Arc<ApiKeys>>, Json(new): Json<NewApiKey>) -> Result<Json<Made>, Refused> {
    let (api_key, key) = keys.generate(new).await.map_err(refused)?;
    Ok(Json(Made { key, api_key }))
}

async fn list(State(keys): State<Arc<ApiKeys>>) -> Json<Vec<KeyState>> {
    Json(keys.list().into_iter().map(KeyState::from).collect())
}

async fn revoke(State(keys): State<Arc<ApiKeys>>, Path(id): Path<String>) -> Result<Json<Revoked>, Refused> {
    let id = keys.revoke(&id).await.map_err(refused)?;
    Ok(Json(Revoked { id }))
}

fn refused(error: ApiKeyError) -> Refused {
    let status = match error {
        ApiKeyError::Invalid { .. } | ApiKeyError::NoId => StatusCode::BAD_REQUEST,
        ApiKeyError::Unknown { .. } => StatusCode::NOT_FOUND,
        ApiKeyError::OfSettings { .. } => StatusCode::CONFLICT,
        ApiKeyError::NotRecorded { .. } | ApiKeyError::Store(_) | ApiKeyError::Entropy(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    (status, Json(Refusal { error: error.to_string() }))
}
