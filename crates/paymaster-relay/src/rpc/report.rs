//! Reports of answered calls: to the log, to the metrics, and to the caller if the call was
//! refused.

use std::future::Future;
use std::sync::Arc;

use jsonrpsee::types::{ErrorObjectOwned, Extensions};
use proto::{AccountId, UserOpHash, Wei};
use relay_api::Method;
use tracing::Instrument;

use super::call_log::CallLog;
use super::error::Refused;
use super::{OfPath, RequestId};
use crate::clients::Caller;
use crate::metrics::Metrics;

/// A call in progress: its request, its caller, and the method by the name used.
pub(super) struct Call {
    pub(super) request_id: RequestId,
    pub(super) caller: Caller,
    pub(super) of_path: OfPath,
    method: &'static str,
}

impl Call {
    pub(super) fn of(extensions: &Extensions) -> Self {
        Self {
            request_id: extensions.get::<RequestId>().cloned().unwrap_or_else(RequestId::new),
            caller: extensions.get::<Caller>().cloned().unwrap_or_default(),
            of_path: extensions.get::<OfPath>().cloned().unwrap_or_default(),
            method: extensions.get::<Method>().map_or("unknown", |method| method.name()),
        }
    }
}

/// The outcome of a call.
pub(super) struct Answer<T> {
    pub(super) result: T,
    pub(super) sponsorship: Option<Sponsorship>,
}

/// The log fields of a sponsorship.
pub(super) struct Sponsorship {
    pub(super) chain_id: u64,
    pub(super) account: AccountId,
    pub(super) policy: String,
    /// Worst-case cost in wei.
    pub(super) cost: Wei,
    pub(super) user_op_hash: UserOpHash,
    /// Whether this is the answer to an earlier request again, which costs the caller nothing.
    pub(super) is_repeated: bool,
}

impl<T> From<T> for Answer<T> {
    fn from(result: T) -> Self {
        Self { result, sponsorship: None }
    }
}

/// Reports the outcomes of calls.
#[derive(Clone)]
pub(super) struct Reports {
    pub(super) metrics: Arc<Metrics>,
    pub(super) log: Arc<CallLog>,
}

impl Reports {
    /// Runs a call to completion and reports its outcome.
    pub(super) async fn answer<T>(
        &self,
        call: &Call,
        run: impl Future<Output = Result<Answer<T>, Refused>>,
    ) -> Result<T, ErrorObjectOwned> {
        let Call { request_id, caller, method, .. } = call;
        let span = tracing::info_span!("rpc", method, request_id = request_id.0.as_str());
        let outcome = run.instrument(span.clone()).await;
        let reason = outcome.as_ref().map_or_else(Refused::label, |_| "ok");
        self.metrics.request(method, reason);
        let sponsorship = outcome.as_ref().ok().and_then(|answer| answer.sponsorship.as_ref());
        let is_new = sponsorship.is_some_and(|sponsorship| !sponsorship.is_repeated);
        span.in_scope(|| match (&outcome, sponsorship) {
            _ if !is_new && !self.log.admits_line(caller.key_id()) => {}
            (Ok(_), Some(Sponsorship { chain_id, account, policy, cost, user_op_hash, is_repeated })) => {
                tracing::info!(chain_id, %account, policy, cost = %cost.0, %user_op_hash, is_repeated, "answered");
            }
            (Ok(_), None) => tracing::info!("answered"),
            (Err(refusal), _) => tracing::info!(reason, error = refusal.in_full(), "refused"),
        });
        outcome.map(|answer| answer.result).map_err(|refusal| refusal.to_object(request_id))
    }
}
