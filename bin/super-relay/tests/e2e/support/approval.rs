//! A relay implemented by the test, which requests signatures from the KMS over HTTP.

use std::time::{SystemTime, UNIX_EPOCH};

use kms_api::Route as _;
use kms_api::headers::{PAYMASTER_ADDRESS, PAYMASTER_SIGNATURE};
use kms_api::operations::SponsorOperation;
use proto::command::{RelayApproval, Sponsor};
use proto::json::passkey::parse_assertion;
use proto::json::{GasFields, parse_user_operation};
use proto::{EntryPoint, Signature, Terms};
use serde_json::{Value, json};

use super::{Key, Refusal, TeeAccount, World};

/// A request for sponsorship that a relay still has to sign.
pub struct Approval {
    pub nonce: u64,
    pub timestamp: u64,
    command: Sponsor,
    operation: Value,
    assertion: Value,
}

impl Approval {
    /// A request for an operation of the account, approved by its passkey.
    pub async fn of(world: &World, account: &mut TeeAccount, nonce: u64) -> Self {
        let operation = account.operation(world).await;
        let assertion = account.approve(world, &operation).await;
        let timestamp = now();
        let version = world.version().to_string().parse().unwrap();
        let address = world.entry_point().address().into();
        let entry_point = EntryPoint { chain_id: 31337, address, version };
        let parsed = parse_user_operation(&operation, version, 31337, GasFields::Required).unwrap();
        let command = Sponsor {
            entry_point,
            account_id: account.id.parse().unwrap(),
            op: parsed.op,
            terms: Terms {
                paymaster: world.paymaster.address().into(),
                verification_gas_limit: 60_000,
                post_op_gas_limit: 0,
                valid_until: timestamp + 600,
                valid_after: timestamp - 60,
            },
            passkey: Some(parse_assertion(&assertion).unwrap()),
            approval: RelayApproval { nonce, timestamp, signature: Signature { r: [0; 32], s: [0; 32], v: 0 } },
        };
        Self { nonce, timestamp, command, operation, assertion }
    }

    /// Signs with a relay's key and sends it.
    pub async fn send(&self, world: &World, relay: &Key) -> Result<Value, Refusal> {
        let mut command = self.command.clone();
        command.approval.nonce = self.nonce;
        command.approval.timestamp = self.timestamp;
        let signature = relay.personal_sign(&command.request_digest().0);
        let headers = [(PAYMASTER_SIGNATURE, signature.to_string()), (PAYMASTER_ADDRESS, relay.address().to_string())];
        let body = SponsorOperation {
            user_operation: self.operation.clone(),
            user_signature: Some(self.assertion.clone()),
            business_validation: None,
            ..(&command).into()
        };
        world.kms().post_with(SponsorOperation::PATH, &headers, &json!(body)).await
    }
}

/// Unix seconds.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
