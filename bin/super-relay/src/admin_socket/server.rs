//! The node's end of the socket.

use std::io;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::serve::IncomingStream;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

/// Who makes a change, for its history: an extension of each request.
#[derive(Clone, Debug)]
pub struct Author(pub String);

/// Serves these routes until it is stopped.
pub async fn serve(listener: UnixListener, routes: Router, shutdown: CancellationToken) -> io::Result<()> {
    let served = routes.layer(middleware::from_fn(note_author)).into_make_service_with_connect_info::<Peer>();
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

/// The kernel says who connected.
async fn note_author(ConnectInfo(Peer(uid)): ConnectInfo<Peer>, mut request: Request, next: Next) -> Response {
    let author = uid.map_or_else(|| "uid unknown".to_owned(), |uid| format!("uid {uid}"));
    request.extensions_mut().insert(Author(author));
    next.run(request).await
}
