//! Typed data in the form of `eth_signTypedData_v4`.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value as Json, json};

use super::hex_bytes;
use crate::typed_data::{DOMAIN_NAME, DOMAIN_VERSION, Kind, StructType, TypedData, Value};

/// The JSON that a wallet shows and signs. Numbers are decimal strings, as some are above 2^53.
#[must_use]
pub fn typed_data<T: TypedData>(message: &T) -> Json {
    let mut types = Map::new();
    types.insert("EIP712Domain".into(), json!([text_field("name"), text_field("version")]));
    for of in T::TYPE.with_referenced() {
        let fields: Vec<Json> =
            of.fields.iter().map(|field| json!({ "name": field.name, "type": field.kind.name() })).collect();
        types.insert(of.name.into(), Json::Array(fields));
    }
    json!({
        "types": types,
        "primaryType": T::TYPE.name,
        "domain": { "name": DOMAIN_NAME, "version": DOMAIN_VERSION },
        "message": message_of(T::TYPE, &message.values()),
    })
}

/// The message alone: the fields by name.
#[must_use]
pub fn message<T: TypedData>(message: &T) -> Json {
    message_of(T::TYPE, &message.values())
}

fn text_field(name: &str) -> Json {
    json!({ "name": name, "type": "string" })
}

fn message_of(of: &'static StructType, values: &[Value]) -> Json {
    let fields = of.fields.iter().zip(values);
    Json::Object(fields.map(|(field, value)| (String::from(field.name), json_of(&field.kind, value))).collect())
}

fn json_of(kind: &Kind, value: &Value) -> Json {
    match (kind, value) {
        (_, Value::Bytes32(word)) => hex_bytes(word).into(),
        (_, Value::Uint(number)) => number.to_string().into(),
        (_, Value::Address(address)) => address.to_string().into(),
        (_, Value::Text(text)) => text.clone().into(),
        (Kind::Struct(of), Value::Struct(values)) => message_of(of, values),
        (Kind::List(item), Value::List(items)) => items.iter().map(|value| json_of(item, value)).collect(),
        (_, Value::Struct(_) | Value::List(_)) => Json::Null,
    }
}
