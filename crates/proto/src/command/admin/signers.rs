//! The relay keys: who may sign, and what.

use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{COUNTER, TEE_ID, admin_request, field, number, signed_command, text};
use crate::primitives::{self, TeeId};
use crate::signature::Signature;
use crate::signers::Permissions;
use crate::typed_data::Kind::{Address, List, Text, Uint};
use crate::typed_data::{StructType, TypedData, Value};

/// Admits a relay key: makes a record of it, whose number is this command's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizeSigner {
    /// See [`super::SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// Its address.
    pub signer: primitives::Address,
    /// What it may do.
    pub permissions: Permissions,
    /// See [`super::AdminRequest::counter`].
    pub counter: u64,
    /// By the admin.
    pub signature: Signature,
}

/// Removes the record of a relay key, at once: the key that is in it by then, however often it was
/// rotated since this was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeSigner {
    /// See [`super::SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// The record's number.
    pub record: u64,
    /// The address that the record was made for. It says to the admin which one it is, and has to
    /// match.
    pub authorised_as: primitives::Address,
    /// See [`super::AdminRequest::counter`].
    pub counter: u64,
    /// By the admin.
    pub signature: Signature,
}

/// Puts a new relay key in the place of another, in the same record. Both keys sign the digest;
/// unless the record has the permission to rotate, the admin signs it too. It counts on the record
/// and not on the admin's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateSigner {
    /// See [`super::SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// The record's number.
    pub record: u64,
    /// One more than the record's rotations so far.
    pub rotation: u64,
    /// The key that leaves.
    pub current: primitives::Address,
    /// The key that takes its place, with the same permissions.
    pub next: primitives::Address,
    /// By `current`.
    pub current_signature: Signature,
    /// By `next`.
    pub next_signature: Signature,
    /// By the admin.
    pub admin_signature: Option<Signature>,
}

admin_request!(AuthorizeSigner, about signer);
admin_request!(RevokeSigner, about authorised_as);
signed_command!(RotateSigner, about next);

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
