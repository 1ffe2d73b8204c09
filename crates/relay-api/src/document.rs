//! The OpenRPC document of the methods (<https://spec.open-rpc.org>), with schemas derived from the
//! types.

use std::collections::BTreeMap;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::methods::Method;
use crate::openrpc::OpenRpc;
use crate::parameter::Described;

const VERSION: &str = "1.3.2";

/// A refusal that a method may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A code of JSON-RPC or ERC-7769.
    pub code: i32,
    /// The stable name: `data.reason`.
    pub reason: &'static str,
}

/// The document of a relay with that version: the refusals of each method, and those that can occur
/// before the method is known.
#[must_use]
pub fn document(version: &str, of: impl Fn(Method) -> Vec<Reason>, before_any_method: &[Reason]) -> OpenRpc {
    let settings = SchemaSettings::draft07().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let mut errors = BTreeMap::new();
    let mut methods = Vec::new();
    for method in Method::all() {
        let refused: Vec<_> = of(method).into_iter().map(|reason| error(&mut errors, reason)).collect();
        methods.push(described(method, &refused, &mut generator));
    }
    for reason in before_any_method {
        error(&mut errors, *reason);
    }
    OpenRpc::from(&json!({
        "openrpc": VERSION,
        "info": {
            "title": "super-relay",
            "version": version,
            "description": "An ERC-4337 paymaster relay. Parameters are a list. Every refusal carries data.reason, \
                data.retryable and data.requestId.",
            "license": { "name": "Apache-2.0" },
        },
        "methods": methods,
        "components": { "schemas": generator.take_definitions(true), "errors": errors },
    }))
}

fn described(method: Method, errors: &[Value], generator: &mut SchemaGenerator) -> Value {
    let parameter = |described: &Described, generator: &mut SchemaGenerator| {
        json!({
            "name": described.name,
            "required": described.is_required,
            "schema": (described.schema)(generator),
        })
    };
    let parameters: Vec<_> = method.parameters().iter().map(|described| parameter(described, generator)).collect();
    let (name, schema) = method.result(generator);
    json!({
        "name": method.name(),
        "summary": method.summary(),
        "paramStructure": "by-position",
        "params": parameters,
        "result": { "name": name, "schema": schema },
        "errors": errors,
        // The scope that an API key needs for the method; null if none.
        "x-scope": method.scope(),
    })
}

/// A reference to the error, which is added to the components. One reason can have two codes.
fn error(errors: &mut BTreeMap<String, Value>, reason: Reason) -> Value {
    let Reason { code, reason } = reason;
    let name = match errors.get(reason) {
        Some(other) if other["code"] != code => format!("{reason}{code}"),
        _ => reason.to_owned(),
    };
    let reference = json!({ "$ref": format!("#/components/errors/{name}") });
    errors
        .entry(name)
        .or_insert_with(|| json!({ "code": code, "message": reason.replace('_', " "), "data": { "reason": reason } }));
    reference
}
