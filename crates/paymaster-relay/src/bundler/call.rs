//! The calls that are passed on.

use proto::json::InvalidField;
use proto::{Address, UserOpHash};
use relay_api::{BundledOperation, Param, StateOverrides};
use serde_json::{Map, Value};

/// A call for a bundler. Its parameters have the right shapes, and are otherwise as they came.
#[derive(Debug)]
pub(crate) struct BundlerCall {
    pub(super) method: &'static str,
    pub(super) params: Vec<Value>,
    /// Whether it carries an operation that a bundler takes: two of them must not have it, and so
    /// nobody is asked twice.
    pub(super) is_operation: bool,
}

impl BundlerCall {
    pub(crate) fn send(op: &Param<BundledOperation>, entry_point: &Param<Address>) -> Result<Self, InvalidField> {
        op.parse()?;
        entry_point.parse()?;
        let params = vec![op.sent().clone(), entry_point.sent().clone()];
        Ok(Self { is_operation: true, ..Self::query("eth_sendUserOperation", params) })
    }

    pub(crate) fn estimate(
        op: &Param<BundledOperation>,
        entry_point: &Param<Address>,
        overrides: &Param<StateOverrides>,
    ) -> Result<Self, InvalidField> {
        op.parse()?;
        entry_point.parse()?;
        overrides.parse()?;
        let mut params = vec![op.sent().clone(), entry_point.sent().clone()];
        // Bundlers refuse null in the place of what was not sent.
        params.extend((!overrides.is_absent()).then(|| overrides.sent().clone()));
        Ok(Self::query("eth_estimateUserOperationGas", params))
    }

    /// The same for an operation of our own making.
    pub(crate) fn estimate_of(op: Map<String, Value>, entry_point: Address) -> Self {
        Self::query("eth_estimateUserOperationGas", vec![op.into(), entry_point.to_string().into()])
    }

    pub(crate) fn receipt(hash: &Param<UserOpHash>) -> Result<Self, InvalidField> {
        Self::by_hash("eth_getUserOperationReceipt", hash)
    }

    pub(crate) fn operation(hash: &Param<UserOpHash>) -> Result<Self, InvalidField> {
        Self::by_hash("eth_getUserOperationByHash", hash)
    }

    pub(crate) fn gas_price() -> Self {
        Self::query("pimlico_getUserOperationGasPrice", Vec::new())
    }

    pub(crate) fn entry_points() -> Self {
        Self::query("eth_supportedEntryPoints", Vec::new())
    }

    fn by_hash(method: &'static str, hash: &Param<UserOpHash>) -> Result<Self, InvalidField> {
        hash.parse()?;
        Ok(Self::query(method, vec![hash.sent().clone()]))
    }

    fn query(method: &'static str, params: Vec<Value>) -> Self {
        Self { method, params, is_operation: false }
    }
}
