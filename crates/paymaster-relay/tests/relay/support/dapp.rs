//! A page with a passkey of one account, and the operations that it sends.

use alloy_primitives::{Bytes, U256};
use devkit::user_operation::Draft;
use devkit::{Call, EntryPointVersion as DevVersion, SimpleAccountFactory, SoftPasskey};
use proto::digest::intent_hash;
use proto::json::{GasFields, parse_user_operation};
use proto::{EntryPoint, IntentHash};
use serde_json::Value;

/// A page with a passkey of one account.
pub struct Dapp {
    pub account_id: String,
    pub passkey: SoftPasskey,
    pub sender: alloy_primitives::Address,
    pub owner: alloy_primitives::Address,
    pub version: DevVersion,
    pub(super) factory: SimpleAccountFactory,
}

impl Dapp {
    /// The approval of an operation at that EntryPoint.
    pub fn approve(&mut self, op: &Value, entry_point: &EntryPoint) -> Value {
        let challenge = self.intent(op, entry_point);
        self.passkey.assert_challenge(&challenge.0).unwrap()
    }

    /// The intent hash of an operation at that EntryPoint.
    pub fn intent(&self, op: &Value, entry_point: &EntryPoint) -> IntentHash {
        let EntryPoint { chain_id, version, .. } = *entry_point;
        let mut op = parse_user_operation(op, version, chain_id, GasFields::Required).unwrap().op;
        op.paymaster = None;
        intent_hash(&op.hash(entry_point), &self.account_id.parse().unwrap())
    }

    /// The account's first operation, which deploys it; nonces with different keys are independent.
    pub fn first_op(&self, nonce_key: u64) -> Value {
        self.op_calling(nonce_key, self.call_data(alloy_primitives::Address::repeat_byte(0xaa)))
    }

    pub fn op_calling(&self, nonce_key: u64, call_data: Bytes) -> Value {
        self.draft(nonce_key, call_data).to_json(self.version)
    }

    /// An operation that deploys the account.
    pub fn draft(&self, nonce_key: u64, call_data: Bytes) -> Draft {
        let nonce = U256::from(nonce_key) << 64;
        let mut draft = Draft::new(self.sender, nonce, call_data);
        let data = SimpleAccountFactory::factory_data(self.owner, U256::ZERO);
        draft.deploy = Some((self.factory.address(), data));
        draft
    }

    pub fn call_data(&self, target: alloy_primitives::Address) -> Bytes {
        devkit::execute(&Call { target, value: U256::ZERO, data: Bytes::new() })
    }
}
