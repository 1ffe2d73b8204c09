//! Around every call: its request id, and our own words for a method that does not exist.

use std::future::Future;

use jsonrpsee::MethodResponse;
use jsonrpsee::core::middleware::{Batch, BatchEntry, Notification, RpcServiceT};
use jsonrpsee::core::server::BatchResponseBuilder;
use jsonrpsee::types::{Extensions, Id, Request};
use tower::Layer;

use super::error::EdgeError;
use super::methods::is_method;
use super::{MadeHere, RequestId};

/// Bytes of the largest answer, a batch included.
pub(crate) const MAX_RESPONSE: u32 = 1024 * 1024;

/// Wraps jsonrpsee's RPC service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallsLayer;

/// See [`CallsLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Calls<S>(S);

impl<S> Layer<S> for CallsLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Calls<S> {
        Calls(inner)
    }
}

impl<S> RpcServiceT for Calls<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            NotificationResponse = MethodResponse,
            BatchResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, mut request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let inner = self.0.clone();
        async move {
            let request_id = name(request.extensions_mut());
            if !is_method(&request.method) {
                let error = EdgeError::MethodNotFound.to_object(&request_id);
                return made_here(MethodResponse::error(request.id, error));
            }
            made_here(inner.call(request).await)
        }
    }

    fn batch<'a>(&self, mut batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let each = self.clone();
        async move {
            let request_id = batch.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::new);
            let refuse = |error: EdgeError, id| MethodResponse::error(id, error.to_object(&request_id));
            if batch.is_empty() {
                // Nothing in it knows the name of the HTTP request: the edge names this answer.
                return refuse(EdgeError::InvalidRequest, Id::Null);
            }
            let mut answers = BatchResponseBuilder::new_with_limit(MAX_RESPONSE as usize);
            for entry in batch {
                let answer = match entry {
                    Ok(BatchEntry::Call(request)) => each.call(request).await,
                    Ok(BatchEntry::Notification(_)) => continue,
                    Err(error) => refuse(EdgeError::InvalidRequest, error.into_parts().1),
                };
                if answers.append(answer).is_err() {
                    return made_here(refuse(EdgeError::BatchTooLarge, Id::Null));
                }
            }
            if answers.is_empty() {
                return nothing();
            }
            made_here(MethodResponse::from_batch(answers.finish()))
        }
    }

    /// A notification wants no answer, so nothing is done for it.
    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        drop(notification);
        async { nothing() }
    }
}

fn name(extensions: &mut Extensions) -> RequestId {
    extensions.get_or_insert_with(RequestId::new).clone()
}

fn made_here(mut response: MethodResponse) -> MethodResponse {
    response.extensions_mut().insert(MadeHere::Answer);
    response
}

fn nothing() -> MethodResponse {
    let mut response = MethodResponse::notification();
    response.extensions_mut().insert(MadeHere::Nothing);
    response
}
