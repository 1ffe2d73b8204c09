//! Settings of functions that may be called, with conditions on their arguments.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A function that may be called.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionSettings {
    /// Its signature, as selectors are computed from it: `transfer(address,uint256)`.
    pub signature: String,
    /// What its arguments have to satisfy, all of it. Calls whose arguments are not encoded
    /// canonically are refused.
    #[serde(default)]
    pub conditions: Vec<ConditionSettings>,
}

/// A condition on an argument: one of `equal`, `one_of` and `at_most`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConditionSettings {
    /// Index of the argument, from 0: an address, a bool, a number without sign, or bytes of fixed
    /// length.
    pub argument: usize,
    /// The only value.
    #[serde(default)]
    pub equal: Option<ArgumentValue>,
    /// The values, one of which it has to be.
    #[serde(default)]
    pub one_of: Option<Vec<ArgumentValue>>,
    /// The maximum of a number.
    #[serde(default)]
    pub at_most: Option<ArgumentValue>,
}

/// A value as text: an address or bytes in hex, `true`, or a number, which may also be an integer
/// of TOML.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct ArgumentValue(pub String);

impl Serialize for ArgumentValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ArgumentValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Number(u64),
            Flag(bool),
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Text(text) => text,
            Form::Number(number) => number.to_string(),
            Form::Flag(flag) => flag.to_string(),
        }))
    }
}
