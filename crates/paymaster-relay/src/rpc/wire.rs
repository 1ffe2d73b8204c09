//! Conversion of parameters to requests: parsing that needs the catalogue or the caller. Forms are
//! parsed in relay-api.

use std::sync::Arc;

use proto::command::PasskeyAssertion;
use proto::json::{Excerpt, GasFields, InvalidField, SignedUserOperation, parse_user_operation};
use proto::{AccountId, Address, IntentHash, ParseError};
use relay_api::{ChainId, Context, Options, Param, Parameter as _, UserOperation};
use serde_json::{Map, Value};

use super::{OfPath, RequestId};
use crate::catalogue::{ChainCatalogue, Validity};
use crate::chains::Chains;
use crate::clients::Caller;
use crate::error::RequestError;
use crate::policy::Policy;
use crate::sponsor::{DraftRequest, Placeholders, SponsorRequest};

/// The list of a preview.
const INTENTS: &str = "options.intents";
const DRY_RUN: &str = "options.dryRun";

/// The context of parsing.
pub(super) struct Wire<'a> {
    pub(super) chains: &'a Chains,
    pub(super) of_path: &'a OfPath,
    pub(super) request_id: &'a RequestId,
    pub(super) caller: &'a Caller,
}

/// A request, and the client's own JSON of the operation for the answer.
pub(super) struct Parsed {
    pub(super) request: SponsorRequest,
    /// Whether it only asks what the rules would say.
    pub(super) is_dry_run: bool,
    pub(super) document: Map<String, Value>,
}

/// The parameters of the ERC-7677 methods.
pub(super) struct Erc7677 {
    pub(super) op: Param<UserOperation>,
    pub(super) entry_point: Param<Address>,
    pub(super) chain_id: Param<ChainId>,
    pub(super) context: Param<Context>,
}

/// The parameters of Pimlico's methods: those of ERC-7677 without a chain.
#[derive(Clone, Copy)]
pub(super) struct Pimlico<'a> {
    pub(super) op: &'a Param<UserOperation>,
    pub(super) entry_point: &'a Param<Address>,
    pub(super) context: &'a Param<Context>,
}

/// A caller's choices, from `options` of our methods or `context` of ERC-7677.
#[derive(Default)]
struct Choices {
    passkey: Option<PasskeyAssertion>,
    policy_id: Option<String>,
    valid_for_seconds: Option<u64>,
    idempotency_key: Option<String>,
    entry_point: Option<Param<Address>>,
    chain_id: Option<Param<ChainId>>,
}

impl From<Options> for Choices {
    fn from(options: Options) -> Self {
        let Options { entry_point, chain_id, policy_id, idempotency_key, intents: _, dry_run: _ } = options;
        Self { entry_point, chain_id, policy_id, idempotency_key, ..Self::default() }
    }
}

impl Wire<'_> {
    /// The request of `pm_sponsor_with_tee`.
    pub(super) fn sponsor(
        &self,
        op: &Param<UserOperation>,
        account_id: &Param<AccountId>,
        passkey: &Param<Option<PasskeyAssertion>>,
        options: &Param<Options>,
    ) -> Result<Parsed, RequestError> {
        let options = options.parse()?;
        if options.intents.is_some() {
            return Err(invalid(INTENTS, "only for pm_getSponsorshipIntent: here the list is passkey.intents"));
        }
        let is_dry_run = options.dry_run;
        let choices = options.into();
        let UserOperation(document) = op.parse()?;
        let draft = self.draft(op, GasFields::Required, account_id.parse()?, &choices)?;
        let request = SponsorRequest::new(draft, passkey.parse()?, choices.idempotency_key, self.request_id.0.clone());
        Ok(Parsed { request, is_dry_run, document })
    }

    /// The request of `pm_getSponsorshipIntent`, and the challenge that approves it: its intent
    /// hash, or the hash of the list that contains it.
    pub(super) fn intent(
        &self,
        op: &Param<UserOperation>,
        account_id: &Param<AccountId>,
        options: &Param<Options>,
    ) -> Result<(DraftRequest, IntentHash), RequestError> {
        let mut options = options.parse()?;
        if options.dry_run {
            return Err(invalid(DRY_RUN, "only for pm_sponsor_with_tee: an intent charges nothing"));
        }
        let list = options.intents.take();
        let draft = self.draft(op, GasFields::Required, account_id.parse()?, &options.into())?;
        let intent = draft.intent();
        let challenge = match list {
            None => intent,
            Some(list) if list.contains(&intent) => list.hash(),
            Some(_) => return Err(invalid(INTENTS, format!("lacks the intent hash of this operation, {intent}"))),
        };
        Ok((draft, challenge))
    }

    /// The request of `pm_getPaymasterStubData`: gas and fees may be missing.
    pub(super) fn stub(&self, call: Erc7677) -> Result<DraftRequest, RequestError> {
        self.erc7677(call, GasFields::Optional).map(|(draft, _)| draft)
    }

    /// The request of `pm_getPaymasterData`.
    pub(super) fn data(&self, call: Erc7677) -> Result<SponsorRequest, RequestError> {
        let (draft, choices) = self.erc7677(call, GasFields::Required)?;
        Ok(SponsorRequest::new(draft, choices.passkey, choices.idempotency_key, self.request_id.0.clone()))
    }

    /// The request of `pm_sponsorUserOperation`, for the chain of the path.
    pub(super) fn pimlico(&self, call: Pimlico<'_>) -> Result<SponsorRequest, RequestError> {
        let (draft, choices) = self.with_context(call, None, GasFields::Required)?;
        Ok(SponsorRequest::new(draft, choices.passkey, choices.idempotency_key, self.request_id.0.clone()))
    }

    /// The same without gas and fees, or for a preview.
    pub(super) fn pimlico_draft(&self, call: Pimlico<'_>) -> Result<DraftRequest, RequestError> {
        self.with_context(call, None, GasFields::Optional).map(|(draft, _)| draft)
    }

    fn erc7677(&self, call: Erc7677, gas: GasFields) -> Result<(DraftRequest, Choices), RequestError> {
        let Erc7677 { op, entry_point, chain_id, context } = call;
        for (name, is_absent) in [(Address::NAME, entry_point.is_absent()), (ChainId::NAME, chain_id.is_absent())] {
            if is_absent {
                return Err(invalid(name, "missing"));
            }
        }
        self.with_context(Pimlico { op: &op, entry_point: &entry_point, context: &context }, Some(chain_id), gas)
    }

    fn with_context(
        &self,
        call: Pimlico<'_>,
        chain_id: Option<Param<ChainId>>,
        gas: GasFields,
    ) -> Result<(DraftRequest, Choices), RequestError> {
        let Pimlico { op, entry_point, context } = call;
        if entry_point.is_absent() {
            return Err(invalid(Address::NAME, "missing"));
        }
        let Context { account_id, passkey, policy_id, valid_for_seconds, idempotency_key, .. } = context.parse()?;
        let entry_point = Some(entry_point.sent().clone().into());
        let choices = Choices { passkey, policy_id, valid_for_seconds, idempotency_key, entry_point, chain_id };
        let account_id = account_id.map_or_else(|| sender_as_account(op.sent()), Ok)?;
        Ok((self.draft(op, gas, account_id, &choices)?, choices))
    }

    fn draft(
        &self,
        op: &Param<UserOperation>,
        gas: GasFields,
        account_id: AccountId,
        choices: &Choices,
    ) -> Result<DraftRequest, RequestError> {
        let named = choices.chain_id.as_ref().map(Param::parse).transpose()?;
        let chain = self.chains.meant(self.of_path.0.as_ref(), named.map(|ChainId(id)| id))?;
        let entry_point = choices.entry_point.as_ref().map(Param::parse).transpose()?;
        let deployment = chain.catalogue.deployment(entry_point)?;
        let version = deployment.entry_point.version;
        let authorisation = op.sent().get("eip7702Auth").filter(|sent| !sent.is_null()).cloned();
        let SignedUserOperation { mut op, signature, delegate_beside } =
            parse_user_operation(op.sent(), version, chain.id(), gas)?;
        let echo = op.paymaster.take();
        if let Some(paymaster) = echo.as_ref().filter(|paymaster| paymaster.address != deployment.paymaster) {
            return Err(RequestError::PaymasterNotOurs { given: paymaster.address, ours: deployment.paymaster });
        }
        let policy = self.policy(&chain.catalogue, choices.policy_id.as_deref())?;
        let most = chain.catalogue.validity.limited(policy.validity_seconds(), policy.not_after());
        Ok(DraftRequest {
            chain: Arc::clone(chain),
            deployment,
            op,
            delegate_beside,
            placeholders: Placeholders { signature, authorisation },
            echo,
            account_id,
            policy,
            validity: validity(most, choices.valid_for_seconds)?,
            caller: self.caller.clone(),
        })
    }

    /// The requested or default policy, among those that the caller's key may choose.
    fn policy(&self, catalogue: &ChainCatalogue, asked: Option<&str>) -> Result<Arc<Policy>, RequestError> {
        let Some(allowed) = self.caller.policies() else {
            return catalogue.policy(asked);
        };
        match asked {
            None => {
                // A disabled first policy is refused, not passed over.
                let mut of_key = allowed.iter().map(|id| catalogue.policy(Some(id)));
                let on_chain = of_key.find(|found| !matches!(found, Err(RequestError::UnknownPolicy { .. })));
                on_chain.unwrap_or_else(|| catalogue.policy(allowed.first().map(String::as_str)))
            }
            Some(id) if allowed.iter().any(|allowed| allowed == id) => catalogue.policy(asked),
            Some(id) => {
                Err(RequestError::PolicyNotAllowed { policy_id: Excerpt(id).to_string(), allowed: allowed.to_vec() })
            }
        }
    }
}

/// A client may request less time than the default, but never more.
fn validity(validity: Validity, asked: Option<u64>) -> Result<Validity, RequestError> {
    match asked {
        Some(given) if given < validity.shortest() => {
            Err(RequestError::ValidityTooShort { least: validity.shortest(), given })
        }
        asked => Ok(Validity { most: asked.map_or(validity.most, |asked| asked.min(validity.most)), ..validity }),
    }
}

/// If no account is named, the sender is the account, in lower-case hex.
fn sender_as_account(op: &Value) -> Result<AccountId, RequestError> {
    const NAME: &str = "sender";
    let sender = match &op[NAME] {
        Value::Null => return Err(invalid(NAME, "missing")),
        sender => sender.as_str().ok_or_else(|| invalid(NAME, "expected a string"))?,
    };
    let sender: Address = sender.parse().map_err(|problem: ParseError| invalid(NAME, problem))?;
    Ok(AccountId::of_address(&sender))
}

fn invalid(field: &str, problem: impl ToString) -> RequestError {
    RequestError::InvalidField(InvalidField { field: field.to_owned(), problem: problem.to_string() })
}
