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

/// Authorises a relay key: creates a record for it, whose number is this command's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizeSigner {
    /// See [`super::SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// Its address.
    pub signer: primitives::Address,
    /// Its permissions.
    pub permissions: Permissions,
    /// See [`super::AdminRequest::counter`].
    pub counter: u64,
    /// The admin's signature.
    pub signature: Signature,
}

/// Removes the record of a relay key, immediately: the key it then holds is revoked, however often
/// it was rotated since this was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeSigner {
    /// See [`super::SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// The record's number.
    pub record: u64,
    /// The address that the record was created for. It tells the admin which record this is, and
    /// must match.
    pub authorised_as: primitives::Address,
    /// See [`super::AdminRequest::counter`].
    pub counter: u64,
    /// The admin's signature.
    pub signature: Signature,
}

/// Replaces a relay key in the same record. Both keys sign the digest; unless the record has the
/// permission to rotate, the admin signs it too. The rotation uses the record's counter instead of
/// the admin's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateSigner {
    /// See [`super::SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// The record's number.
    pub record: u64,
    /// One more than the number of rotations of the record so far.
    pub rotation: u64,
    /// The current key.
    pub current: primitives::Address,
    /// The new key, which gets the same permissions.
    pub next: primitives::Address,
    /// The signature of `current`.
    pub current_signature: Signature,
    /// The signature of `next`.
    pub next_signature: Signature,
    /// The admin's signature.
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
