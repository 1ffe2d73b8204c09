//! Positional parameters, each kept as sent until the relay parses it.

use std::marker::PhantomData;

use proto::json::{InvalidField, check_shape};
use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

/// Maximum number of JSON values in the parameters of one call. An operation with its approval has
/// about fifty.
const MOST_VALUES: usize = 512;

/// The type of a parameter.
pub trait Parameter: Sized {
    /// Its JSON name, in refusals and in the OpenRPC document.
    const NAME: &'static str;
    /// Whether a call without it is always refused.
    const IS_REQUIRED: bool;

    /// Parses the value sent; null if there was none.
    ///
    /// # Errors
    /// The first field that is missing, unknown, or malformed.
    fn parse(sent: &Value) -> Result<Self, InvalidField>;

    /// Its schema.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

/// A parameter as sent, where a `T` is expected.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Param<T> {
    sent: Value,
    #[serde(skip)]
    expected: PhantomData<fn() -> T>,
}

impl<T> Param<T> {
    /// A parameter that was not sent.
    #[must_use]
    pub fn absent() -> Self {
        Value::Null.into()
    }

    /// Whether it was not sent.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.sent.is_null()
    }

    /// The value as sent.
    #[must_use]
    pub const fn sent(&self) -> &Value {
        &self.sent
    }
}

impl<T: Parameter> Param<T> {
    /// # Errors
    /// As [`Parameter::parse`].
    pub fn parse(&self) -> Result<T, InvalidField> {
        T::parse(&self.sent)
    }
}

impl<T, V: Into<Value>> From<V> for Param<T> {
    fn from(sent: V) -> Self {
        Self { sent: sent.into(), expected: PhantomData }
    }
}

/// A parameter as described in the OpenRPC document.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) name: &'static str,
    pub(crate) is_required: bool,
    pub(crate) schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Described {
    pub(crate) const fn of<T: Parameter>() -> Self {
        Self { name: T::NAME, is_required: T::IS_REQUIRED, schema: T::schema }
    }
}

/// The parameters of a call to a method that takes `most`; missing ones become null.
///
/// # Errors
/// They are not a list, too many, too large, or have a duplicate key.
pub fn positions(sent: Option<&str>, most: usize) -> Result<Box<RawValue>, InvalidField> {
    let unreadable = |problem: serde_json::Error| match problem.classify() {
        Category::Data => invalid("params", problem),
        _ => invalid("params", format!("JSON that cannot be parsed: {problem}")),
    };
    let sent = sent.unwrap_or("[]");
    check_shape(sent.as_bytes(), MOST_VALUES).map_err(unreadable)?;
    let mut list: Vec<&RawValue> = serde_json::from_str(sent).map_err(|_| invalid("params", "expected a list"))?;
    if list.len() > most {
        return Err(invalid("params", format!("expected at most {most} parameters")));
    }
    list.resize(most, RawValue::NULL);
    serde_json::value::to_raw_value(&list).map_err(unreadable)
}

pub(crate) fn invalid(field: &str, problem: impl ToString) -> InvalidField {
    InvalidField { field: field.to_owned(), problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_were_not_sent_are_null() {
        for (sent, positions_of_two) in [
            (None, "[null,null]"),
            (Some("[ ]"), "[null,null]"),
            (Some("[{\"a\": 1}]"), "[{\"a\": 1},null]"),
            (Some("[1, 2]"), "[1,2]"),
        ] {
            assert_eq!(positions(sent, 2).unwrap().get(), positions_of_two);
        }
    }

    #[test]
    fn invalid_parameter_lists_are_refused_as_such() {
        let many = format!("[{}]", vec!["1"; 600].join(","));
        for (sent, problem) in [
            ("{}", "expected a list"),
            ("[1,2,3]", "expected at most 2 parameters"),
            (many.as_str(), "more than 512 values"),
            ("[{\"a\":1,\"a\":2}]", "duplicate"),
        ] {
            let refused = positions(Some(sent), 2).unwrap_err();
            assert_eq!(refused.field, "params");
            assert!(refused.problem.contains(problem), "{refused}");
        }
    }
}
