//! A TEE's initial settings: the admin, the relying parties and the ceilings.

use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{COUNTER, TEE_ID, admin_request, field, number, text};
use crate::bytes::{Bounded, BoundedList};
use crate::entry_point::EntryPoint;
use crate::limits;
use crate::number::Wei;
use crate::primitives::{self, TeeId};
use crate::signature::Signature;
use crate::typed_data::Kind::{Address, List, Struct, Text, Uint};
use crate::typed_data::{StructType, TypedData, Value};

/// The first command of a new trusted application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provision {
    /// See [`super::SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// The key whose signature admin commands need from now on, including this one.
    pub admin: primitives::Address,
    /// Where passkeys may come from.
    pub relying_parties: BoundedList<RelyingParty, { limits::MAX_RELYING_PARTIES }>,
    /// Bounds that are never exceeded, whatever host and relay say.
    pub ceilings: Ceilings,
    /// See [`super::AdminRequest::counter`]. Always 1: no command precedes it.
    pub counter: u64,
    /// The signature of `admin`.
    pub signature: Signature,
}

/// A relying party and the origins its ceremonies run at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelyingParty {
    /// The domain, as the browser hashes it.
    pub id: Bounded<String, { limits::MAX_NAME }>,
    /// Scheme, host and port, compared byte by byte.
    pub origins: BoundedList<Bounded<String, { limits::MAX_NAME }>, { limits::MAX_RELYING_PARTIES }>,
}

/// Bounds on what the trusted application signs and keeps (property 11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceilings {
    /// The only deployments it signs for.
    pub deployments: BoundedList<Deployment, { limits::MAX_DEPLOYMENTS }>,
    /// Worst case of one sponsored operation.
    pub max_cost: Wei,
    /// Seconds from the relay's timestamp to `validUntil`.
    pub max_window: u32,
    /// Maximum number of accounts; 0 allows none.
    pub max_accounts: u32,
}

/// A paymaster of ours and the EntryPoint it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Deployment {
    /// Chain, contract and version.
    pub entry_point: EntryPoint,
    /// The paymaster contract.
    pub paymaster: primitives::Address,
}

/// Replaces the ceilings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetCeilings {
    /// See [`super::SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// The new ceilings.
    pub ceilings: Ceilings,
    /// See [`super::AdminRequest::counter`].
    pub counter: u64,
    /// The admin's signature.
    pub signature: Signature,
}

admin_request!(Provision, about admin);
admin_request!(SetCeilings);

static RELYING_PARTY: StructType =
    StructType { name: "RelyingParty", fields: &[field("id", Text), field("origins", List(&Text))] };
pub(super) static DEPLOYMENT: StructType = StructType {
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
static SET_CEILINGS: StructType =
    StructType { name: "SetCeilings", fields: &[TEE_ID, COUNTER, field("ceilings", Struct(&CEILINGS))] };

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

impl TypedData for SetCeilings {
    const TYPE: &'static StructType = &SET_CEILINGS;

    fn values(&self) -> Vec<Value> {
        vec![Value::Bytes32(self.tee_id.0), number(self.counter), self.ceilings.value()]
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
    pub(super) fn value(&self) -> Value {
        let entry_point = &self.entry_point;
        Value::Struct(vec![
            number(entry_point.chain_id),
            Value::Address(entry_point.address),
            Value::Text(entry_point.version.to_string()),
            Value::Address(self.paymaster),
        ])
    }
}
