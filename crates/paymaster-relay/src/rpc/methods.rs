//! The methods, each a few lines: parse, call the relay, answer.

use std::sync::Arc;

use jsonrpsee::core::async_trait;
use jsonrpsee::types::{ErrorObjectOwned, Extensions};
use proto::command::PasskeyAssertion;
use proto::json::{GasFields, InvalidField};
use proto::{AccountId, Address, Quantity, UserOpHash, Wei, worst_case_cost};
use relay_api::{
    AccountInfo, BundledOperation, BundlerResult, ChainId, Context, Intent, Invitation, InvitationOptions, OpenRpc,
    Options, Param, PaymasterFields, PolicyIds, RelayApiServer, SponsorResult, SponsoredGas, StateOverrides, StubData,
    UserOperation, ValidPolicy, ValidationOptions, document,
};
use serde_json::json;

use super::call_log::CallLog;
use super::error::Refused;
use super::report::{Answer, Call, Reports, Sponsorship};
use super::wire::{Erc7677, Pimlico, Wire};
use super::{answer, pimlico, reasons, verdicts};
use crate::bundler::{BundlerCall, Bundlers};
use crate::catalogue::{Catalogue, ChainCatalogue};
use crate::chains::{Chain, Chains};
use crate::detached::detached;
use crate::error::{RelayError, RequestError};
use crate::invitation::Inviter;
use crate::parts::Parts;
use crate::sponsor::{DraftRequest, Sponsor, SponsorRequest, Sponsored};

/// The services that the methods use.
#[derive(Clone)]
pub(super) struct Methods {
    sponsor: Arc<Sponsor>,
    inviter: Arc<Inviter>,
    catalogue: Arc<Catalogue>,
    chains: Arc<Chains>,
    document: OpenRpc,
    reports: Reports,
}

type Outcome<T> = Result<T, ErrorObjectOwned>;

impl Methods {
    pub(super) fn new(sponsor: Arc<Sponsor>, log: Arc<CallLog>, parts: &Parts) -> Self {
        let Parts { catalogue, chains, metrics, .. } = parts.clone();
        let document = document(env!("CARGO_PKG_VERSION"), reasons::of, &reasons::before_any_method());
        let reports = Reports { metrics, log };
        Self { sponsor, inviter: Arc::new(Inviter::new(parts)), catalogue, chains, document, reports }
    }

    fn wire<'a>(&'a self, call: &'a Call) -> Wire<'a> {
        Wire { chains: &self.chains, of_path: &call.of_path, request_id: &call.request_id, caller: &call.caller }
    }

    /// Answers a query about a chain.
    async fn fact_of_chain<T>(&self, extensions: &Extensions, fact: impl FnOnce(&ChainCatalogue) -> T) -> Outcome<T> {
        let call = Call::of(extensions);
        let run = async { Ok(fact(&self.chains.meant(call.of_path.0.as_ref(), None)?.catalogue).into()) };
        self.reports.answer(&call, run).await
    }

    /// The operation with all of its gas: what it lacks is estimated with the paymaster that it
    /// will have.
    async fn with_gas(&self, draft: &DraftRequest, op: Param<UserOperation>) -> Result<Param<UserOperation>, Refused> {
        if !draft.lacks_gas() {
            return Ok(op);
        }
        let bundlers = bundlers_of(&draft.chain, true)?;
        let op = op.parse().map_err(RequestError::from)?;
        let stub = self.sponsor.stub(draft).await?;
        let answered = bundlers.pass_on(pimlico::estimate(draft, op.clone(), &stub)).await?;
        Ok(pimlico::completed(draft, op, &answered)?.into())
    }

    /// Passes a call on to the bundlers of its chain.
    async fn pass_on(
        &self,
        extensions: &Extensions,
        asked: Result<BundlerCall, InvalidField>,
    ) -> Outcome<BundlerResult> {
        let call = Call::of(extensions);
        let run = async {
            let chain = self.chains.meant(call.of_path.0.as_ref(), None)?;
            let bundlers = bundlers_of(chain, false)?;
            let asked = asked.map_err(RequestError::from)?;
            Ok(BundlerResult(bundlers.pass_on(asked).await?).into())
        };
        self.reports.answer(&call, run).await
    }

    /// Answers a query.
    async fn fact<T>(&self, extensions: &Extensions, fact: T) -> Outcome<T> {
        self.reports.answer(&Call::of(extensions), async { Ok(fact.into()) }).await
    }
}

#[async_trait]
impl RelayApiServer for Methods {
    async fn sponsor(
        &self,
        extensions: &Extensions,
        user_operation: Param<UserOperation>,
        account_id: Param<AccountId>,
        passkey: Param<Option<PasskeyAssertion>>,
        options: Param<Options>,
    ) -> Outcome<SponsorResult> {
        let call = Call::of(extensions);
        let run = async {
            let parsed = self.wire(&call).sponsor(&user_operation, &account_id, &passkey, &options)?;
            if parsed.is_dry_run {
                let policy_id = parsed.request.draft.policy.id().to_owned();
                let verdicts = self.sponsor.dry_run(parsed.request).await?;
                return Ok(SponsorResult::DryRun(verdicts::dry_run(policy_id, verdicts)).into());
            }
            let (sponsored, sponsorship) = sponsor(&self.sponsor, parsed.request).await?;
            let result = answer::sponsored(&sponsored, parsed.document, &call.request_id);
            let result = SponsorResult::Sponsored(Box::new(result));
            Ok(Answer { result, sponsorship: Some(sponsorship) })
        };
        self.reports.answer(&call, run).await
    }

    async fn intent(
        &self,
        extensions: &Extensions,
        user_operation: Param<UserOperation>,
        account_id: Param<AccountId>,
        options: Param<Options>,
    ) -> Outcome<Intent> {
        let call = Call::of(extensions);
        let run = async {
            let (draft, challenge) = self.wire(&call).intent(&user_operation, &account_id, &options)?;
            let intent = self.sponsor.intent(&draft).await?;
            Ok(answer::intent(&intent, &challenge, &self.catalogue.rp_id).into())
        };
        self.reports.answer(&call, run).await
    }

    async fn stub_data(
        &self,
        extensions: &Extensions,
        op: Param<UserOperation>,
        entry_point: Param<Address>,
        chain_id: Param<ChainId>,
        context: Param<Context>,
    ) -> Outcome<StubData> {
        let call = Call::of(extensions);
        let run = async {
            let draft = self.wire(&call).stub(Erc7677 { op, entry_point, chain_id, context })?;
            let stub = self.sponsor.stub(&draft).await?;
            Ok(answer::stub(&stub, &self.catalogue.sponsor_name).into())
        };
        self.reports.answer(&call, run).await
    }

    async fn paymaster_data(
        &self,
        extensions: &Extensions,
        op: Param<UserOperation>,
        entry_point: Param<Address>,
        chain_id: Param<ChainId>,
        context: Param<Context>,
    ) -> Outcome<PaymasterFields> {
        let call = Call::of(extensions);
        let run = async {
            let request = self.wire(&call).data(Erc7677 { op, entry_point, chain_id, context })?;
            let (sponsored, sponsorship) = sponsor(&self.sponsor, request).await?;
            Ok(Answer { result: answer::data(&sponsored), sponsorship: Some(sponsorship) })
        };
        self.reports.answer(&call, run).await
    }

    async fn sponsor_user_operation(
        &self,
        extensions: &Extensions,
        op: Param<UserOperation>,
        entry_point: Param<Address>,
        context: Param<Context>,
    ) -> Outcome<SponsoredGas> {
        let call = Call::of(extensions);
        let run = async {
            let wire = self.wire(&call);
            let draft = wire.pimlico_draft(Pimlico { op: &op, entry_point: &entry_point, context: &context })?;
            let op = self.with_gas(&draft, op).await?;
            let request = wire.pimlico(Pimlico { op: &op, entry_point: &entry_point, context: &context })?;
            let draft = request.draft.clone();
            let (sponsored, sponsorship) = sponsor(&self.sponsor, request).await?;
            Ok(Answer { result: pimlico::sponsored(&draft, &sponsored), sponsorship: Some(sponsorship) })
        };
        self.reports.answer(&call, run).await
    }

    async fn validate_policies(
        &self,
        extensions: &Extensions,
        op: Param<UserOperation>,
        entry_point: Param<Address>,
        policy_ids: Param<PolicyIds>,
        options: Param<ValidationOptions>,
    ) -> Outcome<Vec<ValidPolicy>> {
        let call = Call::of(extensions);
        let run = async {
            let PolicyIds(ids) = policy_ids.parse().map_err(RequestError::from)?;
            let options = options.parse().map_err(RequestError::from)?;
            let mut policies = Vec::new();
            for id in ids {
                let context = json!({ "policyId": id }).into();
                let pimlico = Pimlico { op: &op, entry_point: &entry_point, context: &context };
                if options.verdicts {
                    let draft = self.wire(&call).pimlico_draft(pimlico)?;
                    let judged = self.sponsor.verdicts(&draft, GasFields::Optional).await?;
                    let policy = ValidPolicy::new(id, self.catalogue.sponsor_name.clone());
                    policies.push(verdicts::of_policy(policy, &judged));
                    continue;
                }
                let outcome = match self.wire(&call).pimlico_draft(pimlico) {
                    Ok(draft) => self.sponsor.stub(&draft).await,
                    Err(error) => Err(error.into()),
                };
                policies.extend(pimlico::valid(id, outcome, &self.catalogue.sponsor_name)?);
            }
            Ok(policies.into())
        };
        self.reports.answer(&call, run).await
    }

    async fn supported_entry_points(&self, extensions: &Extensions) -> Outcome<Vec<Address>> {
        self.fact_of_chain(extensions, ChainCatalogue::entry_points).await
    }

    async fn chain_id(&self, extensions: &Extensions) -> Outcome<Quantity<u64>> {
        self.fact_of_chain(extensions, |chain| Quantity(chain.id)).await
    }

    async fn account_info(&self, extensions: &Extensions, account_id: Param<AccountId>) -> Outcome<AccountInfo> {
        let call = Call::of(extensions);
        let run = async {
            let account_id = account_id.parse().map_err(RequestError::from)?;
            let info = self.sponsor.account(&account_id, call.of_path.0.as_deref()).await?;
            Ok(answer::account(&info, &call.caller).into())
        };
        self.reports.answer(&call, run).await
    }

    async fn create_invitation(
        &self,
        extensions: &Extensions,
        options: Param<InvitationOptions>,
    ) -> Outcome<Invitation> {
        let call = Call::of(extensions);
        let run = async {
            let options = options.parse().map_err(RequestError::from)?;
            let invitation = self.inviter.invite(options, &call.caller).await?;
            Ok(answer::invitation(&invitation).into())
        };
        self.reports.answer(&call, run).await
    }

    async fn send_user_operation(
        &self,
        extensions: &Extensions,
        user_operation: Param<BundledOperation>,
        entry_point: Param<Address>,
    ) -> Outcome<BundlerResult> {
        self.pass_on(extensions, BundlerCall::send(&user_operation, &entry_point)).await
    }

    async fn estimate_user_operation_gas(
        &self,
        extensions: &Extensions,
        user_operation: Param<BundledOperation>,
        entry_point: Param<Address>,
        state_overrides: Param<StateOverrides>,
    ) -> Outcome<BundlerResult> {
        self.pass_on(extensions, BundlerCall::estimate(&user_operation, &entry_point, &state_overrides)).await
    }

    async fn user_operation_receipt(
        &self,
        extensions: &Extensions,
        user_op_hash: Param<UserOpHash>,
    ) -> Outcome<BundlerResult> {
        self.pass_on(extensions, BundlerCall::receipt(&user_op_hash)).await
    }

    async fn user_operation_by_hash(
        &self,
        extensions: &Extensions,
        user_op_hash: Param<UserOpHash>,
    ) -> Outcome<BundlerResult> {
        self.pass_on(extensions, BundlerCall::operation(&user_op_hash)).await
    }

    async fn user_operation_gas_price(&self, extensions: &Extensions) -> Outcome<BundlerResult> {
        self.pass_on(extensions, Ok(BundlerCall::gas_price())).await
    }

    async fn bundler_entry_points(&self, extensions: &Extensions) -> Outcome<BundlerResult> {
        self.pass_on(extensions, Ok(BundlerCall::entry_points())).await
    }

    async fn eth_chain_id(&self, extensions: &Extensions) -> Outcome<Quantity<u64>> {
        self.fact_of_chain(extensions, |chain| Quantity(chain.id)).await
    }

    async fn net_version(&self, extensions: &Extensions) -> Outcome<String> {
        self.fact_of_chain(extensions, |chain| chain.id.to_string()).await
    }

    async fn client_version(&self, extensions: &Extensions) -> Outcome<String> {
        self.fact(extensions, concat!("super-relay/", env!("CARGO_PKG_VERSION")).to_owned()).await
    }

    async fn discover(&self, extensions: &Extensions) -> Outcome<OpenRpc> {
        self.fact(extensions, self.document.clone()).await
    }
}

/// The bundlers of a chain, if it has any.
fn bundlers_of(chain: &Chain, for_gas: bool) -> Result<&Bundlers, RelayError> {
    chain.bundlers.as_ref().ok_or_else(|| RelayError::BundlerNotConfigured { for_gas, chain_id: chain.listed_id() })
}

/// A client that hangs up must not leave a reservation that nobody releases.
async fn sponsor(sponsor: &Arc<Sponsor>, request: SponsorRequest) -> Result<(Sponsored, Sponsorship), RelayError> {
    let (sponsor, draft) = (Arc::clone(sponsor), request.draft.clone());
    let sponsored = detached(async move { sponsor.sponsor(request).await }).await;
    // The process is stopping; repeating the request continues where this one ended.
    let sponsored = sponsored.unwrap_or(Err(RelayError::InFlight))?;
    let version = draft.deployment.entry_point.version;
    let sponsorship = Sponsorship {
        chain_id: draft.chain.id(),
        cost: worst_case_cost(&draft.op, version, &sponsored.terms).unwrap_or(Wei(u128::MAX)),
        account: draft.account_id,
        policy: draft.policy.id().to_owned(),
        user_op_hash: sponsored.signed.user_op_hash,
        is_repeated: sponsored.is_repeated,
    };
    Ok((sponsored, sponsorship))
}
