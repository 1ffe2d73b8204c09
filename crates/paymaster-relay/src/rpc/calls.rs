//! Wraps every call: its request id, whether the caller may make it, and our own error for an
//! unknown method.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::MethodResponse;
use jsonrpsee::core::middleware::{Batch, BatchEntry, BatchEntryErr, Notification, RpcServiceT};
use jsonrpsee::core::server::BatchResponseBuilder;
use jsonrpsee::types::error::{OVERSIZED_RESPONSE_CODE, OVERSIZED_RESPONSE_MSG};
use jsonrpsee::types::{Extensions, Id, Request};
use proto::json::Excerpt;
use relay_api::{Method, positions};
use tokio::time::{Instant, timeout_at};
use tower::Layer;

use super::call_log::CallLog;
use super::error::EdgeError;
use super::{Entrance, MadeHere, OfPath, RequestId};
use crate::clients::{Access, ApiKeyId, Caller};
use crate::metrics::Metrics;
use crate::ports::Clock;

/// Bytes that an answer may have beyond the request that it repeats, in which hex may double it: an
/// answer that was charged for always fits.
pub(super) const PER_CALL: u32 = 8 * 1024;
/// Bytes that the answers of any batch may have.
const ANY_BATCH: u32 = 128 * 1024;
/// Bytes reserved for the refusal of a batch's call after the limit on answers is reached, without
/// its id, which the request contains too.
const REFUSAL: usize = 1024;

/// Wraps jsonrpsee's RPC service.
#[derive(Clone)]
pub(crate) struct CallsLayer {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Arc<CallLog>,
    pub(crate) max_batch: u32,
    pub(crate) max_response: u32,
    /// For a call, or a whole batch.
    pub(crate) within: Duration,
}

/// The wrapped service of [`CallsLayer`].
#[derive(Clone)]
pub(crate) struct Calls<S> {
    inner: S,
    around: CallsLayer,
}

impl<S> Layer<S> for CallsLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Calls<S> {
        Calls { inner, around: self.clone() }
    }
}

/// The parts of a call that its refusal needs.
struct Refusable {
    id: Id<'static>,
    method: Option<Method>,
    key: Option<ApiKeyId>,
}

impl Refusable {
    fn of(request: &Request<'_>) -> Self {
        Self {
            id: request.id.clone().into_owned(),
            method: Method::named(&request.method),
            key: key_of(request.extensions()).cloned(),
        }
    }
}

impl CallsLayer {
    fn deadline(&self) -> Instant {
        Instant::now() + self.within
    }

    /// Whether the call may be made, by whom, and for which chain according to its path; counted
    /// against the caller's key.
    fn admit(&self, request: &Request<'_>) -> Result<(Caller, OfPath), EdgeError> {
        let entrance = request.extensions().get::<Entrance>();
        let (access, client, chain, origin) = match entrance {
            Some(Entrance::Open { access, client, chain, origin }) => (access, *client, chain.clone(), origin.clone()),
            Some(Entrance::Refused(error)) => return Err(error.clone()),
            None => return Err(EdgeError::Failed),
        };
        let method = Method::named(&request.method)
            .ok_or_else(|| EdgeError::MethodNotFound { method: Excerpt(&request.method).to_string() })?;
        let caller = access.call(method, client, origin, self.clock.now())?;
        Ok((caller, chain))
    }

    fn refuse(&self, call: Refusable, error: &EdgeError, request_id: &RequestId) -> MethodResponse {
        // Only our own names become labels and log fields.
        let method = call.method.map_or("unknown", Method::name);
        let reason = error.reason();
        self.metrics.request(method, reason);
        if self.log.admits_line(call.key.as_ref()) {
            tracing::info!(method, request_id = request_id.0, reason, error = error.for_log(), "refused");
        }
        made_here(MethodResponse::error(call.id, error.to_object(request_id)))
    }

    /// Every refused call of a batch gets its own answer: clients wait for one by id. Entries
    /// without an id share one answer.
    fn refuse_batch(&self, mut batch: Batch<'_>, error: &EdgeError, request_id: &RequestId) -> MethodResponse {
        if self.log.admits_line(key_of(batch.extensions())) {
            tracing::info!(request_id = request_id.0, reason = error.reason(), error = error.for_log(), "refused");
        }
        let error = error.to_object(request_id);
        let mut answers = BatchResponseBuilder::new_with_limit(self.max_response as usize);
        let mut is_null_answered = false;
        for id in batch.into_iter().filter_map(id_of) {
            if id == Id::Null && std::mem::replace(&mut is_null_answered, true) {
                continue;
            }
            if answers.append(MethodResponse::error(id, error.clone())).is_err() {
                return made_here(MethodResponse::error(Id::Null, error));
            }
        }
        if answers.is_empty() { nothing() } else { made_here(MethodResponse::from_batch(answers.finish())) }
    }
}

impl<S> Calls<S>
where
    S: RpcServiceT<MethodResponse = MethodResponse> + Send + Sync,
{
    /// A sponsorship that misses the deadline still runs to completion: the same request then gets
    /// its result.
    async fn answer(&self, mut request: Request<'_>, until: Instant) -> MethodResponse {
        let Self { inner, around, .. } = self;
        let request_id = name(request.extensions_mut());
        let refusable = Refusable::of(&request);
        let late = EdgeError::OutOfTime { seconds: around.within.as_secs() };
        if Instant::now() >= until {
            return around.refuse(refusable, &late, &request_id);
        }
        let (caller, chain) = match around.admit(&request) {
            Ok(admitted) => admitted,
            Err(error) => return around.refuse(refusable, &error, &request_id),
        };
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(chain);
        if let Some(method) = refusable.method {
            match positions(request.params.as_ref().map(|params| params.get()), method.positions()) {
                Ok(params) => request.params = Some(Cow::Owned(params)),
                Err(invalid) => return around.refuse(refusable, &EdgeError::Params(invalid), &request_id),
            }
            request.extensions_mut().insert(method);
        }
        let Ok(response) = timeout_at(until, inner.call(request)).await else {
            return around.refuse(refusable, &late, &request_id);
        };
        // A bundler may have an error with that code.
        let is_oversized = response.as_error_code() == Some(OVERSIZED_RESPONSE_CODE);
        if is_oversized && response.as_json().get().contains(OVERSIZED_RESPONSE_MSG) {
            let error = EdgeError::ResponseTooLarge { limit: around.max_response };
            return made_here(MethodResponse::error(refusable.id, error.to_object(&request_id)));
        }
        made_here(response)
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

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let each = self.clone();
        async move {
            let until = each.around.deadline();
            each.answer(request, until).await
        }
    }

    fn batch<'a>(&self, mut batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let each = self.clone();
        async move {
            let around = &each.around;
            let request_id = batch.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::new);
            let refuse = |error: EdgeError, id| MethodResponse::error(id, error.to_object(&request_id));
            if batch.is_empty() {
                // The notification has no id: the edge names this answer.
                return refuse(EdgeError::InvalidRequest, Id::Null);
            }
            if batch.len() > around.max_batch as usize {
                let error = EdgeError::BatchTooLarge { limit: around.max_batch, calls: batch.len() };
                return around.refuse_batch(batch, &error, &request_id);
            }
            let until = around.deadline();
            let most = (around.max_response + ANY_BATCH) as usize + batch.len() * REFUSAL;
            let mut answers = BatchResponseBuilder::new_with_limit(most);
            // Small requests must not cause large answers, so that many concurrent batches cannot
            // exhaust the memory.
            let (mut allowed, mut used, mut is_full) = (0u32, 0, false);
            for entry in batch {
                allowed = allowed.saturating_add(entry.as_ref().map_or(0, allowance));
                let limit = ANY_BATCH.max(allowed);
                let too_large = || EdgeError::ResponseTooLarge { limit };
                let (id, mut answer) = match entry {
                    // Its answer might not fit either, and its work would be wasted.
                    Ok(BatchEntry::Call(request)) if is_full => {
                        let id = request.id.into_owned();
                        (id.clone(), refuse(too_large(), id))
                    }
                    Ok(BatchEntry::Call(request)) => {
                        (request.id.clone().into_owned(), each.answer(request, until).await)
                    }
                    Ok(BatchEntry::Notification(_)) => continue,
                    Err(error) => {
                        let id = error.into_parts().1.into_owned();
                        (id.clone(), refuse(EdgeError::InvalidRequest, id))
                    }
                };
                if !is_full && used + answer.as_json().get().len() > limit as usize {
                    is_full = true;
                    answer = refuse(too_large(), id);
                }
                used += answer.as_json().get().len();
                if answers.append(answer).is_err() {
                    return made_here(refuse(too_large(), Id::Null));
                }
            }
            if answers.is_empty() {
                return nothing();
            }
            made_here(MethodResponse::from_batch(answers.finish()))
        }
    }

    /// A notification expects no answer, so nothing is done for it.
    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        drop(notification);
        async { nothing() }
    }
}

/// Bytes that the answer to an entry of a batch may have.
fn allowance(entry: &BatchEntry<'_>) -> u32 {
    let BatchEntry::Call(Request { params, .. }) = entry else { return 0 };
    let params = params.as_ref().map_or(0, |params| u32::try_from(params.get().len()).unwrap_or(u32::MAX));
    params.saturating_mul(2).saturating_add(PER_CALL)
}

/// The id for the answer to an entry of a batch; `None` for a notification.
fn id_of<'a>(entry: Result<BatchEntry<'a>, BatchEntryErr<'a>>) -> Option<Id<'a>> {
    match entry {
        Ok(BatchEntry::Call(request)) => Some(request.id),
        Ok(BatchEntry::Notification(_)) => None,
        Err(error) => Some(error.into_parts().1),
    }
}

/// The valid key of the call.
fn key_of(extensions: &Extensions) -> Option<&ApiKeyId> {
    match extensions.get()? {
        Entrance::Open { access: Access::Key(live), .. } => Some(&live.key().id),
        Entrance::Open { access: Access::Anonymous(_), .. } | Entrance::Refused(_) => None,
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
