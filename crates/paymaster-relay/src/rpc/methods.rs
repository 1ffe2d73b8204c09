//! The methods, each a few lines: parse, ask the relay, answer.

use std::sync::Arc;

use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;
use jsonrpsee::types::{ErrorObjectOwned, Extensions, Params};
use proto::{AccountId, UserOpHash, Wei, worst_case_cost};
use serde_json::Value;
use tracing::Instrument;

use super::method::Method;
use super::{RequestId, answer, error, wire};
use crate::clients::Caller;
use crate::error::RelayError;
use crate::relay::Relay;
use crate::sponsor::{SponsorRequest, Sponsored};

/// All methods over a relay.
pub(crate) fn module(relay: Arc<Relay>) -> Result<RpcModule<Relay>, RegisterMethodError> {
    let mut module = RpcModule::from_arc(relay);
    for method in Method::ALL {
        module.register_async_method(method.name(), move |params, relay, extensions| {
            respond(method, params, relay, extensions)
        })?;
    }
    Ok(module)
}

async fn respond(
    method: Method,
    params: Params<'static>,
    relay: Arc<Relay>,
    extensions: Extensions,
) -> Result<Value, ErrorObjectOwned> {
    let request_id = extensions.get::<RequestId>().cloned().unwrap_or_else(RequestId::new);
    let caller = extensions.get::<Caller>().cloned().unwrap_or_default();
    let span = tracing::info_span!("rpc", method = method.name(), request_id = request_id.0.as_str());
    let outcome = run(method, &params, &relay, &request_id, &caller).instrument(span.clone()).await;
    let reason = outcome.as_ref().map_or_else(error::label, |_| "ok");
    relay.metrics.request(method.name(), reason);
    span.in_scope(|| match &outcome {
        Ok(Answer { sponsorship: Some(Sponsorship { account, policy, cost, user_op_hash }), .. }) => {
            tracing::info!(%account, policy, cost = %cost.0, %user_op_hash, "answered");
        }
        _ if !relay.call_log.admits_line(caller.key_id()) => {}
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
    relay: &Arc<Relay>,
    request_id: &RequestId,
    caller: &Caller,
) -> Result<Answer, RelayError> {
    let wire = wire::Wire { catalogue: relay.catalogue(), request_id, caller };
    let params = wire::list(params)?;
    match method {
        Method::SponsorWithTee | Method::SponsorWithPasskey => {
            let parsed = wire.sponsor(&params)?;
            let (sponsored, sponsorship) = sponsor(relay, parsed.request).await?;
            let json = answer::sponsored(&sponsored, parsed.document, request_id);
            Ok(Answer { json, sponsorship: Some(sponsorship) })
        }
        Method::GetSponsorshipIntent => {
            let intent = relay.intent(&wire.intent(&params)?).await?;
            Ok(answer::intent(&intent, &relay.catalogue().rp_id).into())
        }
        Method::GetPaymasterStubData => {
            let stub = relay.stub(&wire.stub(&params)?).await?;
            Ok(answer::stub(&stub, &relay.catalogue().sponsor_name).into())
        }
        Method::GetPaymasterData => {
            let (sponsored, sponsorship) = sponsor(relay, wire.data(&params)?).await?;
            Ok(Answer { json: answer::data(&sponsored), sponsorship: Some(sponsorship) })
        }
        Method::SupportedEntryPoints => {
            wire::nothing(&params)?;
            Ok(answer::entry_points(&relay.catalogue().entry_points()).into())
        }
        Method::ChainId | Method::EthChainId => {
            wire::nothing(&params)?;
            Ok(answer::chain_id(relay.catalogue().chain_id).into())
        }
        Method::NetVersion => {
            wire::nothing(&params)?;
            Ok(answer::net_version(relay.catalogue().chain_id).into())
        }
        Method::ClientVersion => {
            wire::nothing(&params)?;
            Ok(answer::client_version().into())
        }
        Method::CreateAccountInvitation => {
            let invitation = relay.invite(wire::invitation(&params)?, caller).await?;
            Ok(answer::invitation(&invitation).into())
        }
        Method::GetAccountInfo => {
            let info = relay.account(&wire::account_info(&params)?).await?;
            Ok(answer::account(&info, caller).into())
        }
    }
}

/// On a task of its own: a client that hangs up must not leave a reservation behind that nobody gives back.
async fn sponsor(relay: &Arc<Relay>, request: SponsorRequest) -> Result<(Sponsored, Sponsorship), RelayError> {
    let (relay, draft) = (Arc::clone(relay), request.draft.clone());
    let task = tokio::spawn(async move { relay.sponsor(request).await }.in_current_span());
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
