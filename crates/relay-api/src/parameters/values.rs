//! Parameters that are a single value.

use proto::command::PasskeyAssertion;
use proto::json::InvalidField;
use proto::json::passkey::{parse_assertion, parse_intents};
use proto::{AccountId, Address, IntentList, ParseError, Quantity, UserOpHash};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};

use super::{object, text};
use crate::parameter::{Parameter, invalid};
use crate::schema::{
    AccountIdText, AddressText, AssertionObject, BundledOperationObject, ChainIdForm, HashText, PolicyIdList,
    StateOverridesObject, UserOperationObject,
};

/// The JSON of an operation. Its fields depend on the EntryPoint's version: see
/// [`proto::json::parse_user_operation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserOperation(pub Map<String, Value>);

/// The JSON of an operation for a bundler, which decides what fields it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundledOperation;

/// The policies that a caller asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyIds(pub Vec<String>);

/// Each of them is checked against the chain, in one call that counts once.
const MOST_POLICIES: usize = 4;

/// The state that a bundler assumes for an estimate, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateOverrides;

/// The caller's chain id, in hex or as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainId(pub u128);

impl Parameter for UserOperation {
    const NAME: &'static str = "userOperation";
    const IS_REQUIRED: bool = true;

    fn parse(sent: &Value) -> Result<Self, InvalidField> {
        object(Self::NAME, sent).map(|fields| Self(fields.clone()))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<UserOperationObject>()
    }
}

impl Parameter for BundledOperation {
    const NAME: &'static str = UserOperation::NAME;
    const IS_REQUIRED: bool = true;

    fn parse(sent: &Value) -> Result<Self, InvalidField> {
        object(Self::NAME, sent).map(|_| Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<BundledOperationObject>()
    }
}

impl Parameter for PolicyIds {
    const NAME: &'static str = "sponsorshipPolicyIds";
    const IS_REQUIRED: bool = true;

    fn parse(sent: &Value) -> Result<Self, InvalidField> {
        let list = sent.as_array().ok_or_else(|| invalid(Self::NAME, "expected a list"))?;
        if list.len() > MOST_POLICIES {
            return Err(invalid(Self::NAME, format!("expected at most {MOST_POLICIES} policies")));
        }
        let mut ids = Vec::new();
        for id in list {
            let id = text(Self::NAME, id)?.to_owned();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(Self(ids))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<PolicyIdList>()
    }
}

impl Parameter for StateOverrides {
    const NAME: &'static str = "stateOverrides";
    const IS_REQUIRED: bool = false;

    fn parse(sent: &Value) -> Result<Self, InvalidField> {
        if sent.is_null() {
            return Ok(Self);
        }
        object(Self::NAME, sent).map(|_| Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Option<StateOverridesObject>>()
    }
}

impl Parameter for UserOpHash {
    const NAME: &'static str = "userOpHash";
    const IS_REQUIRED: bool = true;

    fn parse(sent: &Value) -> Result<Self, InvalidField> {
        text(Self::NAME, sent)?.parse().map_err(|problem: ParseError| invalid(Self::NAME, problem))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<HashText>()
    }
}

impl Parameter for AccountId {
    const NAME: &'static str = "accountId";
    const IS_REQUIRED: bool = true;

    fn parse(sent: &Value) -> Result<Self, InvalidField> {
        account_id(Self::NAME, sent)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<AccountIdText>()
    }
}

impl Parameter for Option<PasskeyAssertion> {
    const NAME: &'static str = "passkey";
    const IS_REQUIRED: bool = false;

    fn parse(sent: &Value) -> Result<Self, InvalidField> {
        assertion(Self::NAME, sent)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Option<AssertionObject>>()
    }
}

impl Parameter for Address {
    const NAME: &'static str = "entryPoint";
    const IS_REQUIRED: bool = true;

    fn parse(sent: &Value) -> Result<Self, InvalidField> {
        text(Self::NAME, sent)?.parse().map_err(|problem: ParseError| invalid(Self::NAME, problem))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<AddressText>()
    }
}

impl Parameter for ChainId {
    const NAME: &'static str = "chainId";
    const IS_REQUIRED: bool = true;

    fn parse(sent: &Value) -> Result<Self, InvalidField> {
        match sent.as_u64() {
            Some(number) => Ok(Self(number.into())),
            None => {
                let parsed = text(Self::NAME, sent)?.parse();
                parsed.map(|Quantity(number)| Self(number)).map_err(|problem: ParseError| invalid(Self::NAME, problem))
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<ChainIdForm>()
    }
}

pub(super) fn account_id(name: &str, sent: &Value) -> Result<AccountId, InvalidField> {
    let id: AccountId = text(name, sent)?.parse().map_err(|problem| invalid(name, problem))?;
    Ok(id.with_address_in_lower_case())
}

pub(super) fn assertion(name: &str, sent: &Value) -> Result<Option<PasskeyAssertion>, InvalidField> {
    if sent.is_null() {
        return Ok(None);
    }
    parse_assertion(sent).map(Some).map_err(|problem| within(name, problem))
}

pub(super) fn intents(name: &str, sent: &Value) -> Result<IntentList, InvalidField> {
    parse_intents(sent).map_err(|problem| within(name, problem))
}

fn within(name: &str, InvalidField { field, problem }: InvalidField) -> InvalidField {
    invalid(&format!("{name}.{field}"), problem)
}
