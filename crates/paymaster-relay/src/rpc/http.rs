//! The HTTP edge: request id, CORS, API keys, and our own errors for requests that jsonrpsee
//! refuses before any method is called.

mod web_socket;

pub(crate) use web_socket::WebSockets;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use api_keys::Presented;
use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN};
use http::{Request, Response, StatusCode, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Collected, Full as Whole, LengthLimitError, Limited, StreamBody};
use jsonrpsee::core::BoxError;
use jsonrpsee::server::HttpBody;
use jsonrpsee::types::error::TOO_BIG_BATCH_REQUEST_CODE;
use jsonrpsee::types::{ErrorCode, ErrorObjectOwned, Id, Response as RpcResponse, ResponsePayload};
use proto::json::Excerpt;
use relay_api::in_place_of;
use serde::Deserialize;
use serde_json::Value;
use serve::{BodyTimeout, Client, Full, Hangup, Peer, TrustedProxies, Turn, Turns, asks_for_web_socket};
use tower::{Layer, Service, ServiceExt as _};

use super::call_log::CallLog;
use super::cors::{self, Grant};
use super::error::EdgeError;
use super::page::Page;
use super::route::Route;
use super::{Entrance, MadeHere, OfPath, RequestId, headers};
use crate::chains::Chains;
use crate::clients::{Access, ApiKeys, KeyHash, LiveKey, Origins};

const X_REQUEST_ID: &str = "x-request-id";
const IDENTITY: &[u8] = b"identity";

/// Wraps jsonrpsee's HTTP service.
#[derive(Clone)]
pub(crate) struct EdgeLayer {
    pub(crate) api_keys: Arc<ApiKeys>,
    pub(crate) allowed_origins: Arc<Origins>,
    pub(crate) trusted_proxies: Arc<TrustedProxies>,
    pub(crate) chains: Arc<Chains>,
    pub(crate) max_body_bytes: u32,
    pub(crate) max_batch: u32,
    pub(crate) log: Arc<CallLog>,
    pub(crate) web_sockets: WebSockets,
    pub(super) turns: Turns,
    pub(super) page: Option<Arc<Page>>,
}

/// The wrapped service of [`EdgeLayer`].
#[derive(Clone)]
pub(crate) struct Edge<S> {
    inner: S,
    layer: EdgeLayer,
}

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Edge<S> {
        Edge { inner, layer: self.clone() }
    }
}

impl<S> Service<Request<HttpBody>> for Edge<S>
where
    S: Service<Request<HttpBody>, Response = Response<HttpBody>, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<HttpBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<HttpBody>) -> Self::Future {
        if let Some(answer) = self.layer.page.as_ref().and_then(|page| page.answer(&request)) {
            return Box::pin(async move { Ok(answer.await.map(|body| HttpBody::new(Whole::new(body)))) });
        }
        let request_id = request_id(request.headers());
        let layer = self.layer.clone();
        let (grant, entered) = layer.enter(request, &request_id);
        let request = match entered {
            Ok(request) => request,
            Err(response) => return Box::pin(async move { Ok(finished(response, &request_id, grant)) }),
        };
        let inner = self.inner.clone();
        if asks_for_web_socket(request.headers()) {
            let response = layer.open_web_socket(inner, request, &request_id);
            return Box::pin(async move { Ok(finished(response, &request_id, grant)) });
        }
        Box::pin(async move {
            let response = layer.answer(inner, request, &request_id).await?;
            Ok(finished(response, &request_id, grant))
        })
    }
}

impl EdgeLayer {
    /// The request without path and keys, for further processing; or an immediate answer.
    /// Preflights are handled first, since browsers send them without credentials.
    fn enter(
        &self,
        mut request: Request<HttpBody>,
        request_id: &RequestId,
    ) -> (Grant, Result<Request<HttpBody>, Response<HttpBody>>) {
        let route = Route::parse(request.uri().path());
        // Nothing behind this line can log a key.
        *request.uri_mut() = Uri::from_static("/");
        let mut keys = Presented::take(request.headers_mut()).keys;
        keys.extend(route.and_then(|route| route.key));

        let grant = self.grant(route, request.headers());
        if let Some(response) = self.answered_preflight(&request, &grant, request_id) {
            return (grant, Err(response));
        }
        let Some(route) = route else {
            return (grant, Err(self.refuse(StatusCode::NOT_FOUND, &EdgeError::PathNotFound, request_id)));
        };
        if let Some(response) = self.refused_encoding(&request, request_id) {
            return (grant, Err(response));
        }

        let client = self.client(&request);
        let entrance = self.entrance(route, &keys, client, request.headers());
        if asks_for_web_socket(request.headers()) {
            // There is no preflight for a WebSocket, and the page cannot read the answer to a
            // refused handshake.
            match &entrance {
                Entrance::Refused(error) => {
                    let response = self.refuse(StatusCode::UNAUTHORIZED, error, request_id);
                    return (grant, Err(response));
                }
                Entrance::Open { .. } if grant.is_refused() => {
                    return (grant, Err(self.refuse(StatusCode::FORBIDDEN, &EdgeError::PageNotAllowed, request_id)));
                }
                Entrance::Open { .. } => {}
            }
        } else {
            // An ingress repeats the path in its own headers, and pages send it too: no key in them
            // is passed on.
            headers::keep_content_type(request.headers_mut());
            // The calls of a WebSocket get their own ids.
            request.extensions_mut().insert(request_id.clone());
        }
        request.extensions_mut().insert(client.unwrap_or_default());
        request.extensions_mut().insert(entrance);
        (grant, Ok(request))
    }

    /// Answers a request refused for lack of room. Preflights are answered normally: otherwise the
    /// page could not read why the request itself was refused.
    pub(crate) async fn no_room(self, request: Request<Full>) -> Response<Bytes> {
        let request_id = request_id(request.headers());
        let grant = self.grant(Route::parse(request.uri().path()), request.headers());
        let response = self.answered_preflight(&request, &grant, &request_id).unwrap_or_else(|| {
            // Not logged: there may be any number of them.
            let error = EdgeError::TooManyConnections(*request.body());
            json(StatusCode::SERVICE_UNAVAILABLE, &error.to_object(&request_id), Id::Null)
        });
        let (parts, body) = finished(response, &request_id, grant).into_parts();
        // The body is fully in memory.
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        Response::from_parts(parts, body)
    }

    fn grant(&self, route: Option<Route>, headers: &HeaderMap) -> Grant {
        let live = route.and_then(|route| route.key).map(|hash| self.api_keys.find(&hash));
        Grant::of(headers, &self.allowed_origins, live.as_ref().map(Option::as_deref))
    }

    fn entrance(&self, route: Route, keys: &[KeyHash], client: Option<Client>, headers: &HeaderMap) -> Entrance {
        let chain = match route.chain_id.map(|given| self.chains.find(given).cloned().ok_or(given)) {
            None => OfPath(None),
            Some(Ok(chain)) => OfPath(Some(chain)),
            Some(Err(given)) => {
                return Entrance::Refused(EdgeError::PathOfOtherChain { given, supported: self.chains.ids() });
            }
        };
        let Some(client) = client else { return Entrance::Refused(EdgeError::Failed) };
        let origin = headers.get(ORIGIN).map(|value| String::from_utf8_lossy(value.as_bytes()));
        match self.api_keys.admit(keys, origin.as_deref()) {
            Ok(access) => Entrance::Open { access, client, chain, origin: origin.as_deref().map(Arc::from) },
            Err(denied) => Entrance::Refused(denied.into()),
        }
    }

    /// `None` for a request that did not arrive through a listener.
    fn client(&self, request: &Request<HttpBody>) -> Option<Client> {
        let Peer(peer) = request.extensions().get()?;
        Some(self.trusted_proxies.client(peer.ip(), request.headers()))
    }

    /// The answer to a preflight; `None` for any other request.
    fn answered_preflight<B>(
        &self,
        request: &Request<B>,
        grant: &Grant,
        request_id: &RequestId,
    ) -> Option<Response<HttpBody>> {
        cors::is_preflight(request).then(|| {
            if grant.is_refused() {
                self.refuse(StatusCode::FORBIDDEN, &EdgeError::PageNotAllowed, request_id)
            } else {
                preflight()
            }
        })
    }

    /// No body is decoded: one that is small on the wire could have any size in memory.
    fn refused_encoding(&self, request: &Request<HttpBody>, request_id: &RequestId) -> Option<Response<HttpBody>> {
        let encodings = request.headers().get_all(CONTENT_ENCODING).iter();
        let found =
            encodings.map(HeaderValue::as_bytes).find(|value| !value.trim_ascii().eq_ignore_ascii_case(IDENTITY))?;
        let found = Excerpt(&String::from_utf8_lossy(found)).to_string();
        let error = EdgeError::ContentEncodingNotSupported { found };
        let mut response = self.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error, request_id);
        // RFC 9110, section 15.5.16.
        response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Some(response)
    }

    fn refuse(&self, status: StatusCode, error: &EdgeError, request_id: &RequestId) -> Response<HttpBody> {
        // The key, if there is one, has not been checked yet, or is invalid.
        if self.log.admits_line(None) {
            tracing::info!(request_id = request_id.0, reason = error.reason(), %error, "refused");
        }
        json(status, &error.to_object(request_id), Id::Null)
    }

    /// Converts jsonrpsee's answers to our errors.
    async fn answer<S>(
        &self,
        inner: S,
        mut request: Request<HttpBody>,
        request_id: &RequestId,
    ) -> Result<Response<HttpBody>, BoxError>
    where
        S: Service<Request<HttpBody>, Response = Response<HttpBody>, Error = BoxError>,
    {
        let unread = Arc::<OnceLock<(StatusCode, EdgeError)>>::default();
        let client = request.extensions().get().copied().unwrap_or_default();
        let turn = request.extensions_mut().remove().unwrap_or_else(|| self.turns.of(client));
        let whole = |body| readable(body, self.max_body_bytes, turn.clone(), Arc::clone(&unread));
        let response = turn.until_it_waits(inner.oneshot(request.map(whole))).await?;
        Ok(match response.extensions().get() {
            Some(MadeHere::Answer) => response,
            Some(MadeHere::Nothing) => Response::new(HttpBody::empty()),
            None => match unread.get() {
                Some((status, why)) => self.refuse(*status, why, request_id),
                None => self.reword(response, request_id).await?,
            },
        })
    }

    fn open_web_socket<S>(&self, inner: S, request: Request<HttpBody>, request_id: &RequestId) -> Response<HttpBody>
    where
        S: Service<Request<HttpBody>, Response = Response<HttpBody>, Error = BoxError> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        let session = session(&request);
        let entrance = request.extensions().get().cloned().unwrap_or(Entrance::Refused(EdgeError::Failed));
        match web_socket::open(self, inner, request, entrance) {
            Ok(response) => {
                if let Some((live, session)) = session {
                    tokio::spawn(Arc::clone(&self.api_keys).end_with(live, session));
                }
                response
            }
            Err(error) => self.refuse(StatusCode::BAD_REQUEST, &error, request_id),
        }
    }

    const fn body_too_large(&self) -> EdgeError {
        EdgeError::BodyTooLarge { limit: self.max_body_bytes }
    }

    /// Converts jsonrpsee's refusal to our errors, with our data. A refusal in JSON-RPC's terms is
    /// an ordinary answer, with status 200 like nodes and bundlers: clients (ethers) do not read
    /// errors with another status.
    async fn reword(
        &self,
        response: Response<HttpBody>,
        request_id: &RequestId,
    ) -> Result<Response<HttpBody>, BoxError> {
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        let code = said["error"]["code"].as_i64().and_then(|code| i32::try_from(code).ok()).map(ErrorCode::from);
        let (status, error) = match (status, code) {
            (StatusCode::PAYLOAD_TOO_LARGE, _) => (status, self.body_too_large()),
            (StatusCode::METHOD_NOT_ALLOWED, _) => (status, EdgeError::PostRequired),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, _) => (status, EdgeError::ContentTypeNotJson),
            (_, Some(ErrorCode::ParseError)) => (StatusCode::OK, EdgeError::MalformedJson),
            (_, Some(ErrorCode::InvalidRequest)) => (StatusCode::OK, EdgeError::InvalidRequest),
            (_, Some(ErrorCode::ServerError(TOO_BIG_BATCH_REQUEST_CODE))) => {
                (StatusCode::OK, EdgeError::BatchFarTooLarge { limit: self.max_batch })
            }
            (_, Some(ErrorCode::InternalError)) => (status, EdgeError::Failed),
            _ => (status, EdgeError::InvalidRequest),
        };
        let id = Id::deserialize(&said["id"]).map_or(Id::Null, Id::into_owned);
        Ok(json(status, &error.to_object(request_id), id))
    }
}

/// The key that admitted a request, and its connection.
fn session(request: &Request<HttpBody>) -> Option<(Arc<LiveKey>, Hangup)> {
    let Entrance::Open { access: Access::Key(live), .. } = request.extensions().get()? else { return None };
    Some((Arc::clone(live), request.extensions().get::<Hangup>()?.clone()))
}

fn request_id(headers: &HeaderMap) -> RequestId {
    let named = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    named.and_then(RequestId::of_caller).unwrap_or_else(RequestId::new)
}

fn preflight() -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    cors::write_preflight(response.headers_mut());
    response
}

/// The body as passed to jsonrpsee; when it is read, the request is already counted as a
/// connection. A body without an announced length may turn out to be too long, or not arrive;
/// jsonrpsee would only see that it ended early.
fn readable(body: HttpBody, max_bytes: u32, turn: Turn, unread: Arc<OnceLock<(StatusCode, EdgeError)>>) -> HttpBody {
    let limit = usize::try_from(max_bytes).unwrap_or(usize::MAX);
    HttpBody::new(StreamBody::new(stream::once(async move {
        let collected = Limited::new(body, limit).collect().await;
        let body = collected.inspect_err(|error| {
            unread.get_or_init(|| why_unread(&**error, max_bytes));
        })?;
        let body = body.to_bytes();
        turn.begin().await;
        Ok::<_, BoxError>(Frame::data(in_place_of(&body).map_or(body, Into::into)))
    })))
}

/// It was too long, too slow, or invalid HTTP: in any case the client's fault.
fn why_unread(error: &(dyn std::error::Error + 'static), limit: u32) -> (StatusCode, EdgeError) {
    if error.is::<LengthLimitError>() {
        (StatusCode::PAYLOAD_TOO_LARGE, EdgeError::BodyTooLarge { limit })
    } else if BodyTimeout::is_cause_of(error) {
        (StatusCode::REQUEST_TIMEOUT, EdgeError::BodyNotReceived)
    } else {
        (StatusCode::BAD_REQUEST, EdgeError::BodyMalformed)
    }
}

fn refusal(error: &ErrorObjectOwned, id: Id<'static>) -> String {
    let body = RpcResponse::new(ResponsePayload::<()>::error_borrowed(error.clone()), id);
    // This cannot fail to serialise; if it did, the body would be empty.
    serde_json::to_string(&body).unwrap_or_default()
}

fn json(status: StatusCode, error: &ErrorObjectOwned, id: Id<'static>) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::from(refusal(error, id)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

fn finished(mut response: Response<HttpBody>, request_id: &RequestId, grant: Grant) -> Response<HttpBody> {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&request_id.0) {
        headers.insert(X_REQUEST_ID, value);
    }
    grant.write(headers);
    response
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_body_is_handed_on_once_the_last_of_its_client_is_parsed() {
        let turns = Turns::default();
        let [first, second] = [(); 2].map(|()| turns.of(Client::Untold));
        let read = |turn: &Turn| Box::pin(readable(HttpBody::from("{}"), 100, turn.clone(), Arc::default()).collect());
        let mut next = read(&second);
        assert!(read(&first).now_or_never().is_some());
        assert!(next.as_mut().now_or_never().is_none());
        assert!(first.until_it_waits(std::future::ready(())).now_or_never().is_some());
        assert!(next.now_or_never().is_some());
    }
}
