//! The allowance of a deployment: how much may be signed for it in all.

use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::setup::{DEPLOYMENT, Deployment};
use super::{COUNTER, TEE_ID, admin_request, field, number};
use crate::number::Wei;
use crate::primitives::TeeId;
use crate::signature::Signature;
use crate::typed_data::Kind::{Struct, Uint};
use crate::typed_data::{StructType, TypedData, Value};

/// Grants a deployment a total of worst-case costs. From the first such command on, a deployment
/// without an allowance is granted nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAllowance {
    /// See [`super::SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// One of the ceilings' deployments.
    pub deployment: Deployment,
    /// Everything this TEE may ever sign for the deployment, including what it has already: a total
    /// and not an increment, so no repetition adds to it.
    pub total: Wei,
    /// See [`super::AdminRequest::counter`].
    pub counter: u64,
    /// The admin's signature.
    pub signature: Signature,
}

admin_request!(SetAllowance);

static SET_ALLOWANCE: StructType = StructType {
    name: "SetAllowance",
    fields: &[TEE_ID, COUNTER, field("deployment", Struct(&DEPLOYMENT)), field("total", Uint(128))],
};

impl TypedData for SetAllowance {
    const TYPE: &'static StructType = &SET_ALLOWANCE;

    fn values(&self) -> Vec<Value> {
        vec![Value::Bytes32(self.tee_id.0), number(self.counter), self.deployment.value(), Value::Uint(self.total.0)]
    }
}
