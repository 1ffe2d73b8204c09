//! The key that signs for the paymasters, and the standby that replaces it.

use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{COUNTER, TEE_ID, admin_request, field, number};
use crate::primitives::{self, TeeId};
use crate::signature::Signature;
use crate::typed_data::Kind::Address;
use crate::typed_data::{StructType, TypedData, Value};

/// Creates a standby for the paymaster key, replacing an earlier standby. `VerifySecurityState` and
/// `Attest` report its address, so that contracts can admit it before it signs anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparePaymasterKey {
    /// See [`super::SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// See [`super::AdminRequest::counter`].
    pub counter: u64,
    /// The admin's signature.
    pub signature: Signature,
}

/// Makes the standby sign for the paymasters from now on. The previous key is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatePaymasterKey {
    /// See [`super::SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// The standby's address.
    pub next: primitives::Address,
    /// See [`super::AdminRequest::counter`].
    pub counter: u64,
    /// The admin's signature.
    pub signature: Signature,
}

admin_request!(PreparePaymasterKey);
admin_request!(RotatePaymasterKey, about next);

static PREPARE_PAYMASTER_KEY: StructType = StructType { name: "PreparePaymasterKey", fields: &[TEE_ID, COUNTER] };
static ROTATE_PAYMASTER_KEY: StructType =
    StructType { name: "RotatePaymasterKey", fields: &[TEE_ID, COUNTER, field("next", Address)] };

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
