//! Sample values for the store tests.

use kms_gateway::ceremony::VerifiedRegistration;
use kms_gateway::store::{AccountEntry, Action, AuditRecord, Counters, Creation, Decision, NonceClaim, PermitRequest};
use proto::bytes::{BoundedBytes, BoundedList};
use proto::command::{PasskeyPublicKey, Registration, SignatureScheme, WalletInfo};
use proto::{AccountId, Address, Hash};
use uuid::Uuid;

use crate::support::NOW;

pub fn claim(nonce: u64, now: u64) -> NonceClaim {
    NonceClaim { signer: Address([1; 20]), nonce, now }
}

pub fn account_id(number: u8) -> AccountId {
    format!("account-{number}").parse().unwrap()
}

/// The account with that number, created with the credential with that number.
pub fn account(number: u8) -> AccountEntry {
    let wallet = WalletInfo {
        account_id: account_id(number),
        owner: Address([number; 20]),
        signature_scheme: SignatureScheme::Raw,
        passkeys: BoundedList::new(Vec::new()).unwrap(),
    };
    AccountEntry { wallet, credential_id: vec![number; 16], created_at: NOW }
}

/// A creation of that account with that credential, whose registration began now.
pub fn creation(number: u8) -> Creation {
    let registration = VerifiedRegistration {
        credential_id: BoundedBytes::new(vec![number; 16]).unwrap(),
        public_key: PasskeyPublicKey { x: [1; 32], y: [2; 32] },
        registration: Registration {
            authenticator_data: BoundedBytes::new(vec![3; 64]).unwrap(),
            client_data_json: BoundedBytes::new(vec![4; 64]).unwrap(),
        },
        account_id: None,
    };
    Creation {
        registration_id: Uuid::from_u128(number.into()),
        account_id: account_id(number),
        registration,
        asked_at: NOW,
        expires_at: NOW + 300,
    }
}

/// A request for permission to create the account of that credential.
pub fn leave(number: u8, authoriser: &str, per_hour: u32) -> PermitRequest {
    PermitRequest {
        credential_id: vec![number; 16],
        authoriser: authoriser.to_owned(),
        invitation: None,
        per_hour,
        now: NOW,
    }
}

pub fn invitation() -> Hash {
    Hash([9; 32])
}

/// The same, with an invitation that is valid for two.
pub fn invited(number: u8) -> PermitRequest {
    PermitRequest { invitation: Some((invitation(), 2)), ..leave(number, "relay:1", 100) }
}

pub fn decision(action: Action, decision: Decision, counters: Option<(u64, u64)>) -> AuditRecord {
    AuditRecord {
        at: NOW,
        request_id: "a request".to_owned(),
        action,
        account_id: Some(account_id(1)),
        signer: Some(Address([5; 20])),
        user_op_hash: None,
        context_hash: Some(Hash([6; 32])),
        counters: counters.map(|(from, to)| Counters { from, to }),
        left_out: 0,
        decision,
        reason: "ok",
    }
}

pub fn sponsored() -> AuditRecord {
    decision(Action::Sponsor, Decision::Allowed, None)
}

pub fn created() -> AuditRecord {
    decision(Action::CreateAccount, Decision::Allowed, None)
}
