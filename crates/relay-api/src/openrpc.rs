//! An OpenRPC document as a result (<https://spec.open-rpc.org>).

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The document, written once.
#[derive(Clone, Debug)]
pub struct OpenRpc(pub(crate) Arc<Value>);

impl OpenRpc {
    /// The document's JSON.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.0
    }
}

impl Serialize for OpenRpc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OpenRpc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|json| Self(Arc::new(json)))
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
