//! One request for sponsorship, in JSON and as the command its digest is computed from.

use std::time::{SystemTime, UNIX_EPOCH};

use devkit::user_operation::Draft;
use devkit::{Address as ChainAddress, EntryPointVersion as ChainVersion, U256};
use proto::command::{RelayApproval, Sponsor};
use proto::json::passkey::parse_assertion;
use proto::json::{GasFields, hex_quantity, parse_user_operation};
use proto::{Signature, Terms};
use serde_json::{Value, json};

use crate::gateway::{Account, ENTRY_POINT, PAYMASTER};

const NONCE: u64 = 7;

pub struct SponsorshipRequest {
    pub command: Sponsor,
    pub body: Value,
}

/// An operation of the account's, approved by its passkey; the relay's signature is still to be
/// made.
pub fn sponsorship(account: &mut Account) -> SponsorshipRequest {
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let terms = Terms {
        paymaster: PAYMASTER,
        verification_gas_limit: 60_000,
        post_op_gas_limit: 0,
        valid_until: timestamp + 600,
        valid_after: timestamp - 60,
    };
    let operation =
        Draft::new(ChainAddress::repeat_byte(0x5e), U256::ZERO, vec![1, 2, 3].into()).to_json(ChainVersion::V07);
    let parsed =
        parse_user_operation(&operation, ENTRY_POINT.version, ENTRY_POINT.chain_id, GasFields::Required).unwrap();
    let mut command = Sponsor {
        entry_point: ENTRY_POINT,
        account_id: account.id.parse().unwrap(),
        op: parsed.op,
        terms,
        passkey: None,
        approval: RelayApproval { nonce: NONCE, timestamp, signature: Signature { r: [0; 32], s: [0; 32], v: 0 } },
    };
    let assertion = account.passkey.assert_challenge(&command.intent_hash().0).unwrap();
    command.passkey = Some(parse_assertion(&assertion).unwrap());
    let body = json!({
        "userOperation": operation,
        "accountId": account.id,
        "signatureFormat": "erc4337",
        "userSignature": assertion,
        "nonce": NONCE,
        "timestamp": timestamp,
        "entryPoint": ENTRY_POINT.address.to_string(),
        "chainId": hex_quantity(ENTRY_POINT.chain_id.into()),
        "terms": {
            "paymaster": PAYMASTER.to_string(),
            "paymasterVerificationGasLimit": hex_quantity(terms.verification_gas_limit),
            "paymasterPostOpGasLimit": "0x0",
            "validUntil": terms.valid_until,
            "validAfter": terms.valid_after,
        },
    });
    SponsorshipRequest { command, body }
}
