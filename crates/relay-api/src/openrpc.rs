//! The OpenRPC document as a result (<https://spec.open-rpc.org>).

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, Value};

/// The document as serialised text: it is long, and built once.
#[derive(Clone, Debug)]
pub struct OpenRpc(Arc<RawValue>);

impl OpenRpc {
    /// The document's JSON.
    #[must_use]
    pub fn json(&self) -> &str {
        self.0.get()
    }
}

impl From<&Value> for OpenRpc {
    #[expect(clippy::expect_used, reason = "a JSON value has a text that is JSON")]
    fn from(document: &Value) -> Self {
        Self(RawValue::from_string(document.to_string()).expect("JSON").into())
    }
}

impl Serialize for OpenRpc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OpenRpc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(&Value::deserialize(deserializer)?))
    }
}

impl JsonSchema for OpenRpc {
    fn schema_name() -> Cow<'static, str> {
        "OpenRpc".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "required": ["openrpc", "info", "methods"] })
    }
}
