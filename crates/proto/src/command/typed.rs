//! The typed data of each signed command: one struct type for each opcode, with names for people.

use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use super::admin::{
    AuthorizeSigner, Ceilings, Deployment, PreparePaymasterKey, Provision, RelyingParty, RevokeSigner,
    RotatePaymasterKey, RotateSigner, SetCeilings,
};
use crate::typed_data::Kind::{Address, Bytes32, List, Struct, Text, Uint};
use crate::typed_data::{Field, Kind, StructType, TypedData, Value};

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

const TEE_ID: Field = field("teeId", Bytes32);
const COUNTER: Field = field("counter", Uint(64));

static RELYING_PARTY: StructType =
    StructType { name: "RelyingParty", fields: &[field("id", Text), field("origins", List(&Text))] };
static DEPLOYMENT: StructType = StructType {
    name: "Deployment",
    fields: &[
        field("chainId", Uint(64)),
        field("entryPoint", Address),
        field("version", Text),
        field("paymaster", Address),
    ],
};
static CEILINGS: StructType = StructType {
    name: "Ceilings",
    fields: &[
        field("deployments", List(&Struct(&DEPLOYMENT))),
        field("maxCost", Uint(128)),
        field("maxWindow", Uint(32)),
        field("maxAccounts", Uint(32)),
    ],
};
static PROVISION: StructType = StructType {
    name: "Provision",
    fields: &[
        TEE_ID,
        COUNTER,
        field("admin", Address),
        field("relyingParties", List(&Struct(&RELYING_PARTY))),
        field("ceilings", Struct(&CEILINGS)),
    ],
};
static AUTHORIZE_SIGNER: StructType = StructType {
    name: "AuthorizeSigner",
    fields: &[TEE_ID, COUNTER, field("signer", Address), field("permissions", List(&Text))],
};
static REVOKE_SIGNER: StructType = StructType {
    name: "RevokeSigner",
    fields: &[TEE_ID, COUNTER, field("record", Uint(64)), field("authorisedAs", Address)],
};
static ROTATE_SIGNER: StructType = StructType {
    name: "RotateSigner",
    fields: &[
        TEE_ID,
        field("record", Uint(64)),
        field("rotation", Uint(64)),
        field("current", Address),
        field("next", Address),
    ],
};
static SET_CEILINGS: StructType =
    StructType { name: "SetCeilings", fields: &[TEE_ID, COUNTER, field("ceilings", Struct(&CEILINGS))] };
static PREPARE_PAYMASTER_KEY: StructType = StructType { name: "PreparePaymasterKey", fields: &[TEE_ID, COUNTER] };
static ROTATE_PAYMASTER_KEY: StructType =
    StructType { name: "RotatePaymasterKey", fields: &[TEE_ID, COUNTER, field("next", Address)] };

fn text(text: &str) -> Value {
    Value::Text(String::from(text))
}

fn number(number: impl Into<u128>) -> Value {
    Value::Uint(number.into())
}

impl TypedData for Provision {
    const TYPE: &'static StructType = &PROVISION;

    fn values(&self) -> Vec<Value> {
        vec![
            Value::Bytes32(self.tee_id.0),
            number(self.counter),
            Value::Address(self.admin),
            Value::List(self.relying_parties.iter().map(RelyingParty::value).collect()),
            self.ceilings.value(),
        ]
    }
}

impl TypedData for AuthorizeSigner {
    const TYPE: &'static StructType = &AUTHORIZE_SIGNER;

    /// Bits of permissions without a name are not shown; the trusted application refuses them.
    fn values(&self) -> Vec<Value> {
        vec![
            Value::Bytes32(self.tee_id.0),
            number(self.counter),
            Value::Address(self.signer),
            Value::List(self.permissions.names().map(text).collect()),
        ]
    }
}

impl TypedData for RevokeSigner {
    const TYPE: &'static StructType = &REVOKE_SIGNER;

    fn values(&self) -> Vec<Value> {
        vec![
            Value::Bytes32(self.tee_id.0),
            number(self.counter),
            number(self.record),
            Value::Address(self.authorised_as),
        ]
    }
}

impl TypedData for RotateSigner {
    const TYPE: &'static StructType = &ROTATE_SIGNER;

    fn values(&self) -> Vec<Value> {
        vec![
            Value::Bytes32(self.tee_id.0),
            number(self.record),
            number(self.rotation),
            Value::Address(self.current),
            Value::Address(self.next),
        ]
    }
}

impl TypedData for SetCeilings {
    const TYPE: &'static StructType = &SET_CEILINGS;

    fn values(&self) -> Vec<Value> {
        vec![Value::Bytes32(self.tee_id.0), number(self.counter), self.ceilings.value()]
    }
}

impl TypedData for PreparePaymasterKey {
    const TYPE: &'static StructType = &PREPARE_PAYMASTER_KEY;

    fn values(&self) -> Vec<Value> {
        vec![Value::Bytes32(self.tee_id.0), number(self.counter)]
    }
}

impl TypedData for RotatePaymasterKey {
    const TYPE: &'static StructType = &ROTATE_PAYMASTER_KEY;

    fn values(&self) -> Vec<Value> {
        vec![Value::Bytes32(self.tee_id.0), number(self.counter), Value::Address(self.next)]
    }
}

impl RelyingParty {
    fn value(&self) -> Value {
        let origins = self.origins.iter().map(|origin| text(origin));
        Value::Struct(vec![text(&self.id), Value::List(origins.collect())])
    }
}

impl Ceilings {
    fn value(&self) -> Value {
        Value::Struct(vec![
            Value::List(self.deployments.iter().map(Deployment::value).collect()),
            Value::Uint(self.max_cost.0),
            number(self.max_window),
            number(self.max_accounts),
        ])
    }
}

impl Deployment {
    fn value(&self) -> Value {
        let entry_point = &self.entry_point;
        Value::Struct(vec![
            number(entry_point.chain_id),
            Value::Address(entry_point.address),
            Value::Text(entry_point.version.to_string()),
            Value::Address(self.paymaster),
        ])
    }
}
