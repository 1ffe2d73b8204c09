//! JSON-RPC over WebSocket: a message is answered like the body of a POST.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected};
use jsonrpsee::core::BoxError;
use jsonrpsee::server::HttpBody;
use jsonrpsee::types::Id;
use serve::{Answer, Client, Turn, WebSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::{EdgeLayer, json, refusal};
use crate::rpc::error::EdgeError;
use crate::rpc::{Entrance, RequestId};

/// The open WebSockets.
#[derive(Clone, Debug, Default)]
pub(crate) struct WebSockets {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl WebSockets {
    /// Ends them after their received messages are answered.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Answers the messages of one WebSocket.
#[derive(Clone)]
struct Messages<S> {
    inner: S,
    layer: EdgeLayer,
    /// The access granted at the handshake.
    entrance: Entrance,
    client: Client,
}

/// The response to a handshake; from then on the client's messages are answered.
pub(super) fn open<S>(
    layer: &EdgeLayer,
    inner: S,
    mut request: Request<HttpBody>,
    entrance: Entrance,
) -> Result<Response<HttpBody>, EdgeError>
where
    S: Service<Request<HttpBody>, Response = Response<HttpBody>, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let (response, socket) =
        WebSocket::of(&mut request).map_err(|error| EdgeError::InvalidHandshake { why: error.to_string() })?;
    let WebSockets { tasks, stop } = layer.web_sockets.clone();
    let most_bytes = usize::try_from(layer.max_body_bytes).unwrap_or(usize::MAX);
    let client = request.extensions().get().copied().unwrap_or_default();
    let messages = Messages { inner, layer: layer.clone(), entrance, client };
    tasks.spawn(socket.serve(most_bytes, stop, messages));
    Ok(response.map(|()| HttpBody::empty()))
}

impl<S> Answer for Messages<S>
where
    S: Service<Request<HttpBody>, Response = Response<HttpBody>, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    async fn turn(self) -> Turn {
        let turn = self.layer.turns.of_message(self.client).await;
        turn.begin().await;
        turn
    }

    async fn answer(self, message: Bytes, turn: Turn) -> Option<String> {
        let request_id = RequestId::new();
        let mut request = Request::new(HttpBody::from(message.to_vec()));
        *request.method_mut() = http::Method::POST;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.extensions_mut().insert(self.entrance);
        request.extensions_mut().insert(self.client);
        request.extensions_mut().insert(turn.clone());
        request.extensions_mut().insert(request_id.clone());
        let answered = self.layer.answer(self.inner, request, &request_id).await;
        let response = answered.unwrap_or_else(|error| {
            tracing::error!(%error, request_id = request_id.0, "a message of a WebSocket was not answered");
            json(StatusCode::OK, &EdgeError::Failed.to_object(&request_id), Id::Null)
        });
        let text = response.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
        // The client may send more messages.
        drop(turn);
        (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
    }

    fn too_long(&self) -> String {
        refusal(&self.layer.body_too_large().to_object(&RequestId::new()), Id::Null)
    }

    fn too_slow(&self) -> String {
        refusal(&EdgeError::BodyNotReceived.to_object(&RequestId::new()), Id::Null)
    }
}
