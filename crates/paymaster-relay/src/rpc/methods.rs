//! The methods, each a few lines: parse, ask the relay, answer.

use std::sync::Arc;

use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;
use jsonrpsee::types::{ErrorObjectOwned, Extensions, Params};
use proto::{AccountId, UserOpHash, Wei, worst_case_cost};
use serde_json::Value;
use tracing::Instrument;

use super::call_log::CallLog;
use super::method::Method;
use super::{RequestId, answer, error, wire};
use crate::catalogue::Catalogue;
use crate::clients::Caller;
use crate::error::RelayError;
use crate::invitation::Inviter;
use crate::metrics::Metrics;
use crate::parts::Parts;
use crate::sponsor::{Sponsor, SponsorRequest, Sponsored};

/// What the methods ask.
pub(super) struct Methods {
    sponsor: Arc<Sponsor>,
    inviter: Inviter,
    catalogue: Arc<Catalogue>,
    metrics: Arc<Metrics>,
    log: Arc<CallLog>,
}

impl Methods {
    pub(super) fn new(sponsor: Arc<Sponsor>, log: Arc<CallLog>, parts: &Parts) -> Self {
        let Parts { catalogue, metrics, .. } = parts.clone();
        Self { sponsor, inviter: Inviter::new(parts), catalogue, metrics, log }
    }
}

/// All of them, registered.
pub(super) fn module(methods: Arc<Methods>) -> Result<RpcModule<Methods>, RegisterMethodError> {
    let mut module = RpcModule::from_arc(methods);
    for method in Method::ALL {
        module.register_async_method(method.name(), move |params, methods, extensions| {
            respond(method, params, methods, extensions)
        })?;
    }
    Ok(module)
}

async fn respond(
    method: Method,
    params: Params<'static>,
    methods: Arc<Methods>,
    extensions: Extensions,
) -> Result<Value, ErrorObjectOwned> {
    let request_id = extensions.get::<RequestId>().cloned().unwrap_or_else(RequestId::new);
    let caller = extensions.get::<Caller>().cloned().unwrap_or_default();
    let span = tracing::info_span!("rpc", method = method.name(), request_id = request_id.0.as_str());
    let outcome = run(method, &params, &methods, &request_id, &caller).instrument(span.clone()).await;
    let reason = outcome.as_ref().map_or_else(error::label, |_| "ok");
    methods.metrics.request(method.name(), reason);
    span.in_scope(|| match &outcome {
        Ok(Answer { sponsorship: Some(Sponsorship { account, policy, cost, user_op_hash }), .. }) => {
            tracing::info!(%account, policy, cost = %cost.0, %user_op_hash, "answered");
        }
        _ if !methods.log.admits_line(caller.key_id()) => {}
        Ok(_) => tracing::info!("answered"),
        Err(refusal) => tracing::info!(reason, error = ?refusal, "refused"),
    });
    outcome.map(|answer| answer.json).map_err(|refusal| error::to_object(&refusal, &request_id))
}

/// What a method came to.
struct Answer {
    json: Value,
    sponsorship: Option<Sponsorship>,
}

/// What the log says of a sponsorship, once.
struct Sponsorship {
    account: AccountId,
    policy: String,
    /// Wei, at worst.
    cost: Wei,
    user_op_hash: UserOpHash,
}

impl From<Value> for Answer {
    fn from(json: Value) -> Self {
        Self { json, sponsorship: None }
    }
}

async fn run(
    method: Method,
    params: &Params<'static>,
    methods: &Methods,
    request_id: &RequestId,
    caller: &Caller,
) -> Result<Answer, RelayError> {
    let wire = wire::Wire { catalogue: &methods.catalogue, request_id, caller };
    let params = wire::list(params)?;
    match method {
        Method::SponsorWithTee | Method::SponsorWithPasskey => {
            let parsed = wire.sponsor(&params)?;
            let (sponsored, sponsorship) = sponsor(&methods.sponsor, parsed.request).await?;
            let json = answer::sponsored(&sponsored, parsed.document, request_id);
            Ok(Answer { json, sponsorship: Some(sponsorship) })
        }
        Method::GetSponsorshipIntent => {
            let intent = methods.sponsor.intent(&wire.intent(&params)?).await?;
            Ok(answer::intent(&intent, &methods.catalogue.rp_id).into())
        }
        Method::GetPaymasterStubData => {
            let stub = methods.sponsor.stub(&wire.stub(&params)?).await?;
            Ok(answer::stub(&stub, &methods.catalogue.sponsor_name).into())
        }
        Method::GetPaymasterData => {
            let (sponsored, sponsorship) = sponsor(&methods.sponsor, wire.data(&params)?).await?;
            Ok(Answer { json: answer::data(&sponsored), sponsorship: Some(sponsorship) })
        }
        Method::SupportedEntryPoints => {
            wire::nothing(&params)?;
            Ok(answer::entry_points(&methods.catalogue.entry_points()).into())
        }
        Method::ChainId | Method::EthChainId => {
            wire::nothing(&params)?;
            Ok(answer::chain_id(methods.catalogue.chain_id).into())
        }
        Method::NetVersion => {
            wire::nothing(&params)?;
            Ok(answer::net_version(methods.catalogue.chain_id).into())
        }
        Method::ClientVersion => {
            wire::nothing(&params)?;
            Ok(answer::client_version().into())
        }
        Method::CreateAccountInvitation => {
            let invitation = methods.inviter.invite(wire::invitation(&params)?, caller).await?;
            Ok(answer::invitation(&invitation).into())
        }
        Method::GetAccountInfo => {
            let info = methods.sponsor.account(&wire::account_info(&params)?).await?;
            Ok(answer::account(&info, caller).into())
        }
    }
}

/// On a task of its own: a client that hangs up must not leave a reservation behind that nobody
/// gives back.
async fn sponsor(sponsor: &Arc<Sponsor>, request: SponsorRequest) -> Result<(Sponsored, Sponsorship), RelayError> {
    let (sponsor, draft) = (Arc::clone(sponsor), request.draft.clone());
    let task = tokio::spawn(async move { sponsor.sponsor(request).await }.in_current_span());
    let sponsored = task.await.unwrap_or_else(|ended| match ended.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The process is stopping; the same request continues where this one ended.
        Err(_) => Err(RelayError::InFlight),
    })?;
    let version = draft.deployment.entry_point.version;
    let sponsorship = Sponsorship {
        cost: worst_case_cost(&draft.op, version, &sponsored.terms).unwrap_or(Wei(u128::MAX)),
        account: draft.account_id,
        policy: draft.policy.id().to_owned(),
        user_op_hash: sponsored.signed.user_op_hash,
    };
    Ok((sponsored, sponsorship))
}
