//! The parameters of the methods. Unknown keys are refused everywhere, including the ERC-7677
//! context: an ignored key may be a limit that somebody relies on.

mod choices;
mod invitation;
mod values;

pub use choices::{Context, Options, ValidationOptions};
pub use invitation::InvitationOptions;
pub use values::{BundledOperation, ChainId, PolicyIds, StateOverrides, UserOperation};

use proto::json::{Excerpt, InvalidField};
use serde_json::{Map, Value};

use crate::parameter::invalid;

/// The keys of an object that have a value; clients send null for keys they omit.
fn given<'v>(name: &str, value: &'v Value) -> Result<Vec<(&'v str, &'v Value)>, InvalidField> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    let keys = object(name, value)?.iter().map(|(key, value)| (key.as_str(), value));
    Ok(keys.filter(|(_, value)| !value.is_null()).collect())
}

fn text<'v>(name: &str, value: &'v Value) -> Result<&'v str, InvalidField> {
    match value {
        Value::Null => Err(invalid(name, "missing")),
        value => value.as_str().ok_or_else(|| invalid(name, "expected a string")),
    }
}

fn object<'v>(name: &str, value: &'v Value) -> Result<&'v Map<String, Value>, InvalidField> {
    value.as_object().ok_or_else(|| invalid(name, "expected an object"))
}

fn unknown(object: &str, key: &str) -> InvalidField {
    invalid(&format!("{object}.{}", Excerpt(key)), "no such key")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schemars::{JsonSchema, schema_for};
    use serde_json::json;

    use super::*;
    use crate::parameter::Parameter;

    fn shown<T: JsonSchema>() -> BTreeSet<String> {
        schema_for!(T).as_value()["properties"].as_object().unwrap().keys().cloned().collect()
    }

    fn takes<T: Parameter>(key: &str) -> bool {
        // No key accepts a list, except one that is parsed later, which accepts anything.
        T::parse(&json!({ key: [] })).err().is_none_or(|refused| refused.problem != "no such key")
    }

    fn check<T: Parameter + JsonSchema>(keys: &BTreeSet<String>) {
        let taken: BTreeSet<_> = keys.iter().filter(|key| takes::<T>(key)).cloned().collect();
        assert_eq!(taken, shown::<T>(), "{}", T::NAME);
    }

    #[test]
    fn the_schemas_of_options_have_the_accepted_keys() {
        let keys =
            [shown::<Options>(), shown::<Context>(), shown::<InvitationOptions>()].into_iter().flatten().collect();
        check::<Options>(&keys);
        check::<Context>(&keys);
        check::<InvitationOptions>(&keys);
    }
}
