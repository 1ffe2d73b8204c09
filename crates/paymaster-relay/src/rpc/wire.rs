//! From JSON parameters to requests: the only place that parses. Unknown keys are refused
//! everywhere, in the ERC-7677 context too: a key that nobody reads may be a limit that somebody
//! relies on.

use std::sync::Arc;

use jsonrpsee::types::Params;
use proto::command::PasskeyAssertion;
use proto::json::invitation::{MAX_SECONDS, MAX_USES};
use proto::json::passkey::parse_assertion;
use proto::json::{Excerpt, GasFields, InvalidField, check_shape, parse_user_operation};
use proto::{AccountId, Address, ParseError, Quantity};
use serde_json::error::Category;
use serde_json::{Error, Map, Value};

use super::RequestId;
use crate::catalogue::{Catalogue, Validity};
use crate::clients::Caller;
use crate::error::RequestError;
use crate::invitation::InvitationRequest;
use crate::policy::Policy;
use crate::sponsor::{DraftRequest, SponsorRequest};

const MAX_IDEMPOTENCY_KEY: usize = 128;
/// Of the parameters of one call. An operation with its approval has about fifty.
const MOST_VALUES: usize = 512;

/// What parsing needs to know.
pub(super) struct Wire<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) request_id: &'a RequestId,
    pub(super) caller: &'a Caller,
}

/// A request, and the client's own JSON of the operation to answer with.
pub(super) struct Parsed {
    pub(super) request: SponsorRequest,
    pub(super) document: Map<String, Value>,
}

/// `options` of our methods, or `context` of ERC-7677.
#[derive(Default)]
struct Choices<'a> {
    account_id: Option<AccountId>,
    passkey: Option<PasskeyAssertion>,
    policy_id: Option<&'a str>,
    valid_for_seconds: Option<u64>,
    idempotency_key: Option<String>,
    entry_point: Option<&'a Value>,
    chain_id: Option<&'a Value>,
}

/// Parameters by position; absent ones are an empty list.
pub(super) fn list(params: &Params<'_>) -> Result<Vec<Value>, RequestError> {
    match params.as_str() {
        None => Ok(Vec::new()),
        Some(text) => {
            let unreadable = |problem: Error| match problem.classify() {
                Category::Data => invalid("params", problem),
                _ => invalid("params", format!("JSON that can't be read: {problem}")),
            };
            check_shape(text.as_bytes(), MOST_VALUES).map_err(unreadable)?;
            serde_json::from_str(text).map_err(|_| invalid("params", "expected a list"))
        }
    }
}

pub(super) fn nothing(params: &[Value]) -> Result<(), RequestError> {
    let [] = at_most(params)?;
    Ok(())
}

pub(super) fn account_info(params: &[Value]) -> Result<AccountId, RequestError> {
    let [id] = at_most(params)?;
    account_id("accountId", id)
}

/// `[options?]` with `validForSeconds` and `maxUses`.
pub(super) fn invitation(params: &[Value]) -> Result<InvitationRequest, RequestError> {
    const DEFAULT_SECONDS: u64 = 3600;
    let [options] = at_most(params)?;
    let mut request = InvitationRequest { valid_for_seconds: DEFAULT_SECONDS, max_uses: 1 };
    for (key, value) in given("options", options)? {
        match key {
            "validForSeconds" => request.valid_for_seconds = up_to("options.validForSeconds", value, MAX_SECONDS)?,
            "maxUses" => {
                let uses = up_to("options.maxUses", value, MAX_USES.into())?;
                request.max_uses = uses.try_into().map_err(|error| invalid("options.maxUses", error))?;
            }
            _ => return Err(unknown("options", key)),
        }
    }
    Ok(request)
}

/// A whole number from 1 to this.
fn up_to(name: &str, value: &Value, most: u64) -> Result<u64, RequestError> {
    let fits = value.as_u64().filter(|number| (1..=most).contains(number));
    fits.ok_or_else(|| invalid(name, format!("expected 1 to {most}, found {}", Excerpt(&value.to_string()))))
}

impl Wire<'_> {
    /// `[op, accountId, passkey, options?]`
    pub(super) fn sponsor(&self, params: &[Value]) -> Result<Parsed, RequestError> {
        let [op, id, passkey, options] = at_most(params)?;
        let choices = options_of(options)?;
        let document = object("userOperation", op)?.clone();
        let account_id = account_id("accountId", id)?;
        let draft = self.draft(op, GasFields::Required, account_id, &choices)?;
        let passkey = assertion("passkey", passkey)?;
        let request = SponsorRequest::new(draft, passkey, choices.idempotency_key, self.request_id.0.clone());
        Ok(Parsed { request, document })
    }

    /// `[op, accountId, options?]`
    pub(super) fn intent(&self, params: &[Value]) -> Result<DraftRequest, RequestError> {
        let [op, id, options] = at_most(params)?;
        let choices = options_of(options)?;
        self.draft(op, GasFields::Required, account_id("accountId", id)?, &choices)
    }

    /// ERC-7677 `[op, entryPoint, chainId, context]`, gas and fees as far as they are known.
    pub(super) fn stub(&self, params: &[Value]) -> Result<DraftRequest, RequestError> {
        self.erc7677(params, GasFields::Optional).map(|(draft, _)| draft)
    }

    /// ERC-7677 `[op, entryPoint, chainId, context]`
    pub(super) fn data(&self, params: &[Value]) -> Result<SponsorRequest, RequestError> {
        let (draft, choices) = self.erc7677(params, GasFields::Required)?;
        Ok(SponsorRequest::new(draft, choices.passkey, choices.idempotency_key, self.request_id.0.clone()))
    }

    fn erc7677<'p>(&self, params: &'p [Value], gas: GasFields) -> Result<(DraftRequest, Choices<'p>), RequestError> {
        let [op, entry_point, chain_id, context] = at_most(params)?;
        for (name, value) in [("entryPoint", entry_point), ("chainId", chain_id)] {
            if value.is_null() {
                return Err(invalid(name, "missing"));
            }
        }
        let choices = Choices { entry_point: Some(entry_point), chain_id: Some(chain_id), ..context_of(context)? };
        let account_id = match &choices.account_id {
            Some(account_id) => account_id.clone(),
            None => sender_as_account(op)?,
        };
        Ok((self.draft(op, gas, account_id, &choices)?, choices))
    }

    fn draft(
        &self,
        op: &Value,
        gas: GasFields,
        account_id: AccountId,
        choices: &Choices<'_>,
    ) -> Result<DraftRequest, RequestError> {
        let expected = self.catalogue.chain_id;
        match choices.chain_id.map(chain_id).transpose()? {
            Some(given) if given != u128::from(expected) => return Err(RequestError::WrongChain { expected, given }),
            _ => {}
        }
        let entry_point = choices.entry_point.map(|value| text("entryPoint", value)).transpose()?;
        let entry_point =
            entry_point.map(|text| text.parse().map_err(|problem: ParseError| invalid("entryPoint", problem)));
        let deployment = self.catalogue.deployment(entry_point.transpose()?)?;
        let version = deployment.entry_point.version;
        let mut op = parse_user_operation(op, version, expected, gas)?.op;
        let echo = op.paymaster.take();
        if echo.as_ref().is_some_and(|paymaster| paymaster.address != deployment.paymaster) {
            return Err(RequestError::PaymasterNotOurs { ours: deployment.paymaster });
        }
        Ok(DraftRequest {
            deployment,
            op,
            echo,
            account_id,
            policy: self.policy(choices.policy_id)?,
            validity: self.validity(choices.valid_for_seconds)?,
            caller: self.caller.clone(),
        })
    }

    /// The policy that was asked for or is the default, of those that the caller's key may choose.
    fn policy(&self, asked: Option<&str>) -> Result<Arc<Policy>, RequestError> {
        let Some(allowed) = self.caller.policies() else {
            return self.catalogue.policy(asked);
        };
        match asked {
            None => self.catalogue.policy(allowed.first().map(String::as_str)),
            Some(id) if allowed.iter().any(|allowed| allowed == id) => self.catalogue.policy(asked),
            Some(id) => {
                Err(RequestError::PolicyNotAllowed { policy_id: Excerpt(id).to_string(), allowed: allowed.to_vec() })
            }
        }
    }

    /// A client may ask for less time than it would get, never for more.
    fn validity(&self, asked: Option<u64>) -> Result<Validity, RequestError> {
        let validity = self.catalogue.validity;
        match asked {
            Some(given) if given < validity.shortest() => {
                Err(RequestError::ValidityTooShort { least: validity.shortest(), given })
            }
            asked => Ok(Validity { most: asked.map_or(validity.most, |asked| asked.min(validity.most)), ..validity }),
        }
    }
}

/// Where nobody named an account the sender stands for itself, in lower-case hex.
fn sender_as_account(op: &Value) -> Result<AccountId, RequestError> {
    const NAME: &str = "sender";
    let sender: Address = text(NAME, &op[NAME])?.parse().map_err(|problem: ParseError| invalid(NAME, problem))?;
    Ok(AccountId::of_address(&sender))
}

/// `{entryPoint?, chainId?, policyId?, idempotencyKey?}`
fn options_of(options: &Value) -> Result<Choices<'_>, RequestError> {
    let mut choices = Choices::default();
    for (key, value) in given("options", options)? {
        match key {
            "entryPoint" => choices.entry_point = Some(value),
            "chainId" => choices.chain_id = Some(value),
            "policyId" => choices.policy_id = Some(text("options.policyId", value)?),
            "idempotencyKey" => choices.idempotency_key = Some(idempotency_key(value)?),
            _ => return Err(unknown("options", key)),
        }
    }
    Ok(choices)
}

/// `{accountId?, passkey?, policyId?, idempotencyKey?}`, with `sponsorshipPolicyId` for `policyId`
/// and `validForSeconds`, as other services call them.
fn context_of(context: &Value) -> Result<Choices<'_>, RequestError> {
    let mut choices = Choices::default();
    for (key, value) in given("context", context)? {
        match key {
            "accountId" => choices.account_id = Some(account_id("context.accountId", value)?),
            "passkey" => choices.passkey = assertion("context.passkey", value)?,
            "policyId" | "sponsorshipPolicyId" => {
                let policy_id = text(&format!("context.{key}"), value)?;
                if choices.policy_id.is_some_and(|other| other != policy_id) {
                    return Err(invalid("context.policyId", "differs from sponsorshipPolicyId"));
                }
                choices.policy_id = Some(policy_id);
            }
            "validForSeconds" => {
                let seconds = value.as_u64().ok_or_else(|| invalid("context.validForSeconds", "expected seconds"))?;
                choices.valid_for_seconds = Some(seconds);
            }
            "idempotencyKey" => choices.idempotency_key = Some(idempotency_key(value)?),
            _ => return Err(unknown("context", key)),
        }
    }
    Ok(choices)
}

/// The keys of an object that have a value; clients send null for what they leave out.
fn given<'v>(name: &str, value: &'v Value) -> Result<Vec<(&'v str, &'v Value)>, RequestError> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    let keys = object(name, value)?.iter().map(|(key, value)| (key.as_str(), value));
    Ok(keys.filter(|(_, value)| !value.is_null()).collect())
}

fn assertion(name: &str, value: &Value) -> Result<Option<PasskeyAssertion>, RequestError> {
    if value.is_null() {
        return Ok(None);
    }
    let within = |InvalidField { field, problem }| invalid(&format!("{name}.{field}"), problem);
    parse_assertion(value).map(Some).map_err(within)
}

fn idempotency_key(value: &Value) -> Result<String, RequestError> {
    const NAME: &str = "idempotencyKey";
    let key = text(NAME, value)?;
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(invalid(NAME, "expected 1 to 128 printable ASCII characters"));
    }
    Ok(key.to_owned())
}

fn account_id(name: &str, value: &Value) -> Result<AccountId, RequestError> {
    let id: AccountId = text(name, value)?.parse().map_err(|problem| invalid(name, problem))?;
    Ok(id.with_address_in_lower_case())
}

fn chain_id(value: &Value) -> Result<u128, RequestError> {
    match value.as_u64() {
        Some(number) => Ok(number.into()),
        None => {
            let parsed = text("chainId", value)?.parse();
            parsed.map(|Quantity(number)| number).map_err(|problem: ParseError| invalid("chainId", problem))
        }
    }
}

fn text<'v>(name: &str, value: &'v Value) -> Result<&'v str, RequestError> {
    match value {
        Value::Null => Err(invalid(name, "missing")),
        value => value.as_str().ok_or_else(|| invalid(name, "expected a string")),
    }
}

fn object<'v>(name: &str, value: &'v Value) -> Result<&'v Map<String, Value>, RequestError> {
    value.as_object().ok_or_else(|| invalid(name, "expected an object"))
}

/// Positions that are not there read as null, which no required parameter may be.
fn at_most<const COUNT: usize>(params: &[Value]) -> Result<[&Value; COUNT], RequestError> {
    if params.len() > COUNT {
        return Err(invalid("params", format!("expected at most {COUNT} parameters")));
    }
    Ok(std::array::from_fn(|position| params.get(position).unwrap_or(&Value::Null)))
}

fn unknown(object: &str, key: &str) -> RequestError {
    invalid(&format!("{object}.{}", Excerpt(key)), "no such key")
}

fn invalid(field: &str, problem: impl ToString) -> RequestError {
    RequestError::InvalidField(InvalidField { field: field.to_owned(), problem: problem.to_string() })
}
