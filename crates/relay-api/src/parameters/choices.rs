//! `options` of the relay's own methods, and `context` of ERC-7677.

use proto::command::PasskeyAssertion;
use proto::json::InvalidField;
use proto::{AccountId, Address, IntentList};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::values::{ChainId, account_id, assertion, intents};
use super::{given, text, unknown};
use crate::parameter::{Param, Parameter, invalid};
use crate::schema::{AccountIdText, AddressText, AssertionObject, ChainIdForm, IdempotencyKeyText, IntentHashes};

const MAX_IDEMPOTENCY_KEY: usize = 128;

/// A caller's options for a sponsorship. Null means absent, for the object and for each key.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// Default: the first deployment's.
    #[schemars(with = "Option<AddressText>")]
    pub entry_point: Option<Param<Address>>,
    /// Refused unless it is the relay's.
    #[schemars(with = "Option<ChainIdForm>")]
    pub chain_id: Option<Param<ChainId>>,
    /// Default: the first one the caller may use.
    pub policy_id: Option<String>,
    /// Makes this request the only one with this key.
    #[schemars(with = "Option<IdempotencyKeyText>")]
    pub idempotency_key: Option<String>,
    /// For `pm_getSponsorshipIntent`: the list that the passkey will approve, with this operation.
    /// A sponsorship has it in `passkey`.
    #[schemars(with = "Option<IntentHashes>")]
    pub intents: Option<IntentList>,
    /// For `pm_sponsor_with_tee`: only says what each rule would say, and charges nothing.
    #[schemars(with = "Option<bool>")]
    pub dry_run: bool,
}

/// The options of `pm_validateSponsorshipPolicies`. Null means absent, for the object and for each
/// key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidationOptions {
    /// Whether to list every policy, with what each of its rules says.
    #[schemars(with = "Option<bool>")]
    pub verdicts: bool,
}

/// The context of ERC-7677. Null means absent, for the object and for each key.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub struct Context {
    /// Default: the sender, in lower-case hex.
    #[schemars(with = "Option<AccountIdText>")]
    pub account_id: Option<AccountId>,
    /// The account's approval.
    #[schemars(with = "Option<AssertionObject>")]
    pub passkey: Option<PasskeyAssertion>,
    /// Default: the first one the caller may use.
    pub policy_id: Option<String>,
    /// The name other services use for `policyId`; must agree with it if both are given.
    pub sponsorship_policy_id: Option<String>,
    /// Shortens the window of a new sponsorship.
    pub valid_for_seconds: Option<u64>,
    /// Makes this request the only one with this key.
    #[schemars(with = "Option<IdempotencyKeyText>")]
    pub idempotency_key: Option<String>,
}

impl Parameter for Options {
    const NAME: &'static str = "options";
    const IS_REQUIRED: bool = false;

    fn parse(sent: &Value) -> Result<Self, InvalidField> {
        let mut options = Self::default();
        for (key, value) in given(Self::NAME, sent)? {
            match key {
                "entryPoint" => options.entry_point = Some(value.clone().into()),
                "chainId" => options.chain_id = Some(value.clone().into()),
                "policyId" => options.policy_id = Some(text("options.policyId", value)?.to_owned()),
                "idempotencyKey" => options.idempotency_key = Some(idempotency_key(value)?),
                "intents" => options.intents = Some(intents(Self::NAME, value)?),
                "dryRun" => options.dry_run = flag("options.dryRun", value)?,
                _ => return Err(unknown(Self::NAME, key)),
            }
        }
        Ok(options)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Option<Self>>()
    }
}

impl Parameter for ValidationOptions {
    const NAME: &'static str = "options";
    const IS_REQUIRED: bool = false;

    fn parse(sent: &Value) -> Result<Self, InvalidField> {
        let mut options = Self::default();
        for (key, value) in given(Self::NAME, sent)? {
            match key {
                "verdicts" => options.verdicts = flag("options.verdicts", value)?,
                _ => return Err(unknown(Self::NAME, key)),
            }
        }
        Ok(options)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Option<Self>>()
    }
}

impl Parameter for Context {
    const NAME: &'static str = "context";
    const IS_REQUIRED: bool = false;

    fn parse(sent: &Value) -> Result<Self, InvalidField> {
        let mut context = Self::default();
        for (key, value) in given(Self::NAME, sent)? {
            match key {
                "accountId" => context.account_id = Some(account_id("context.accountId", value)?),
                "passkey" => context.passkey = assertion("context.passkey", value)?,
                "policyId" | "sponsorshipPolicyId" => {
                    let policy_id = text(&format!("context.{key}"), value)?;
                    if context.policy_id.as_ref().is_some_and(|other| other != policy_id) {
                        return Err(invalid("context.policyId", "differs from sponsorshipPolicyId"));
                    }
                    context.policy_id = Some(policy_id.to_owned());
                    if key == "sponsorshipPolicyId" {
                        context.sponsorship_policy_id = Some(policy_id.to_owned());
                    }
                }
                "validForSeconds" => {
                    let seconds =
                        value.as_u64().ok_or_else(|| invalid("context.validForSeconds", "expected seconds"))?;
                    context.valid_for_seconds = Some(seconds);
                }
                "idempotencyKey" => context.idempotency_key = Some(idempotency_key(value)?),
                _ => return Err(unknown(Self::NAME, key)),
            }
        }
        Ok(context)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Option<Self>>()
    }
}

fn flag(name: &str, value: &Value) -> Result<bool, InvalidField> {
    value.as_bool().ok_or_else(|| invalid(name, "expected true or false"))
}

fn idempotency_key(value: &Value) -> Result<String, InvalidField> {
    const NAME: &str = "idempotencyKey";
    let key = text(NAME, value)?;
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(invalid(NAME, "expected 1 to 128 printable ASCII characters"));
    }
    Ok(key.to_owned())
}
