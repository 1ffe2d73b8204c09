//! The HTTP edge: request id, API key, and our own words for what jsonrpsee refuses before any method is called.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures_util::stream;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, LengthLimitError, Limited, StreamBody};
use jsonrpsee::core::BoxError;
use jsonrpsee::server::HttpBody;
use jsonrpsee::types::error::TOO_BIG_BATCH_REQUEST_CODE;
use jsonrpsee::types::{ErrorCode, ErrorObjectOwned, Id, Response as RpcResponse, ResponsePayload};
use serde::Deserialize;
use serde_json::Value;
use serve::BodyTimeout;
use tower::{Layer, Service};

use super::auth::ApiKeys;
use super::error::EdgeError;
use super::{MadeHere, RequestId, ids};

const X_REQUEST_ID: &str = "x-request-id";

/// Wraps jsonrpsee's HTTP service.
#[derive(Clone, Debug)]
pub(crate) struct EdgeLayer {
    pub(crate) api_keys: ApiKeys,
    pub(crate) max_body_bytes: u32,
}

/// See [`EdgeLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Edge<S> {
    inner: S,
    settings: EdgeLayer,
}

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Edge<S> {
        Edge { inner, settings: self.clone() }
    }
}

impl<S> Service<Request<HttpBody>> for Edge<S>
where
    S: Service<Request<HttpBody>, Response = Response<HttpBody>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<HttpBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<HttpBody>) -> Self::Future {
        let named = request.headers().get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
        let request_id = named.and_then(RequestId::of_caller).unwrap_or_else(RequestId::new);
        let authorization = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let Some(caller) = self.settings.api_keys.admit(authorization) else {
            return Box::pin(
                async move { Ok(named_response(refuse(EdgeError::Unauthorised, &request_id), &request_id)) },
            );
        };
        request.extensions_mut().insert(caller);
        // The calls of a WebSocket are named one by one.
        if !request.headers().contains_key(UPGRADE) {
            request.extensions_mut().insert(request_id.clone());
        }
        let limit = self.settings.max_body_bytes;
        let unread = Arc::<OnceLock<EdgeError>>::default();
        let answer = self.inner.call(request.map(|body| readable(body, limit, Arc::clone(&unread))));
        Box::pin(async move {
            let response = answer.await?;
            let response = match response.extensions().get() {
                Some(MadeHere::Answer) => response,
                Some(MadeHere::Nothing) => Response::new(HttpBody::empty()),
                None if response.status() == StatusCode::SWITCHING_PROTOCOLS => response,
                None => match unread.get() {
                    Some(why) => refuse(*why, &request_id),
                    None => reword(response, &request_id).await?,
                },
            };
            Ok(named_response(response, &request_id))
        })
    }
}

/// The body as jsonrpsee gets to read it, when it does: by then the request is counted as one of the connections. One that
/// did not tell its length beforehand may turn out to be overlong, or not arrive; jsonrpsee would only know that it broke off.
fn readable(body: HttpBody, limit: u32, unread: Arc<OnceLock<EdgeError>>) -> HttpBody {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    HttpBody::new(StreamBody::new(stream::once(async move {
        let collected = Limited::new(body, limit).collect().await;
        let body = collected.inspect_err(|error| {
            if let Some(why) = why_unread(&**error) {
                unread.get_or_init(|| why);
            }
        })?;
        let body = body.to_bytes();
        Ok::<_, BoxError>(Frame::data(ids::in_place_of(&body).map_or(body, Into::into)))
    })))
}

fn why_unread(error: &(dyn std::error::Error + 'static)) -> Option<EdgeError> {
    if error.is::<LengthLimitError>() {
        Some(EdgeError::BodyTooLarge)
    } else if BodyTimeout::is_cause_of(error) {
        Some(EdgeError::BodyNotReceived)
    } else {
        None
    }
}

/// jsonrpsee's refusal, in our words and with our data. What is refused in JSON-RPC's own terms is an answer like any other,
/// with status 200 as from nodes and bundlers: clients (ethers) don't read the error of another status.
async fn reword(response: Response<HttpBody>, request_id: &RequestId) -> Result<Response<HttpBody>, BoxError> {
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let code = said["error"]["code"].as_i64().and_then(|code| i32::try_from(code).ok()).map(ErrorCode::from);
    let (status, error) = match (status, code) {
        (StatusCode::PAYLOAD_TOO_LARGE, _) => (status, EdgeError::BodyTooLarge),
        (StatusCode::METHOD_NOT_ALLOWED, _) => (status, EdgeError::PostRequired),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, _) => (status, EdgeError::ContentTypeNotJson),
        (_, Some(ErrorCode::ParseError)) => (StatusCode::OK, EdgeError::MalformedJson),
        (_, Some(ErrorCode::InvalidRequest)) => (StatusCode::OK, EdgeError::InvalidRequest),
        (_, Some(ErrorCode::ServerError(TOO_BIG_BATCH_REQUEST_CODE))) => (StatusCode::OK, EdgeError::BatchTooLarge),
        (_, Some(ErrorCode::InternalError)) => (status, EdgeError::Failed),
        _ => (status, EdgeError::InvalidRequest),
    };
    let id = Id::deserialize(&said["id"]).map_or(Id::Null, Id::into_owned);
    Ok(json(status, &error.to_object(request_id), id))
}

fn refuse(error: EdgeError, request_id: &RequestId) -> Response<HttpBody> {
    let status = match error {
        EdgeError::Unauthorised => StatusCode::UNAUTHORIZED,
        EdgeError::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        EdgeError::BodyNotReceived => StatusCode::REQUEST_TIMEOUT,
        _ => StatusCode::BAD_REQUEST,
    };
    json(status, &error.to_object(request_id), Id::Null)
}

fn json(status: StatusCode, error: &ErrorObjectOwned, id: Id<'static>) -> Response<HttpBody> {
    let body = RpcResponse::new(ResponsePayload::<()>::error_borrowed(error.clone()), id);
    // Nothing in it can fail to serialise; an empty body would be the answer if it did.
    let mut response = Response::new(HttpBody::from(serde_json::to_string(&body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

fn named_response(mut response: Response<HttpBody>, request_id: &RequestId) -> Response<HttpBody> {
    if let Ok(value) = HeaderValue::from_str(&request_id.0) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}
