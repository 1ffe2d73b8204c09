//! Operations and terms for every EntryPoint version, and draft commands: approvals can be added in
//! any order, and every field can be changed.

use proto::bytes::BoundedList;
use proto::command::{
    AccountDomain, Batch, Deployment, MessageForm, PasskeyAssertion, RelayApproval, SignMessage, SignWithHybridKey,
    Sponsor,
};
use proto::{
    Address, Bounded, EntryPoint, EntryPointVersion, Hash, Init, Paymaster, Signature, Terms, Uint256, UserOperation,
};

use super::{EthKey, Passkey};

pub const NOW: u64 = 1_790_000_000;
pub const CHAIN: u64 = 31337;

pub fn entry_point(version: EntryPointVersion) -> EntryPoint {
    EntryPoint { chain_id: CHAIN, address: version.canonical_address(), version }
}

pub fn deployment(version: EntryPointVersion) -> Deployment {
    let EntryPointVersion::V06 = version else {
        return Deployment { entry_point: entry_point(version), paymaster: Address([0x57; 20]) };
    };
    Deployment { entry_point: entry_point(version), paymaster: Address([0x56; 20]) }
}

/// An operation with every field set; `variant` changes its contents and its kind.
pub fn op(version: EntryPointVersion, variant: u8) -> UserOperation {
    let data = || Bounded::new(vec![0xfb, variant, 3]).unwrap();
    UserOperation {
        sender: Address([0x11; 20]),
        nonce: Uint256::from(u128::from(variant) + 1),
        init: match variant % 3 {
            1 => Init::Factory { factory: Address([0xfa; 20]), data: data() },
            2 if version.supports_eip7702() => Init::Eip7702 { delegate: Address([0x77; 20]), data: data() },
            _ => Init::Deployed,
        },
        call_data: Bounded::new(vec![0xb6, 0x1d, variant, 0xff]).unwrap(),
        call_gas_limit: 100_000,
        verification_gas_limit: 200_000,
        pre_verification_gas: 50_000,
        max_fee_per_gas: 2_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        paymaster: None,
    }
}

pub fn terms(version: EntryPointVersion) -> Terms {
    Terms {
        paymaster: deployment(version).paymaster,
        verification_gas_limit: if version == EntryPointVersion::V06 { 0 } else { 60_000 },
        post_op_gas_limit: 0,
        valid_until: NOW + 300,
        valid_after: NOW - 60,
    }
}

/// A third party's paymaster.
pub fn foreign_paymaster(version: EntryPointVersion) -> Paymaster {
    Paymaster {
        address: Address([0xee; 20]),
        verification_gas_limit: if version == EntryPointVersion::V06 { 0 } else { 70_000 },
        post_op_gas_limit: if version == EntryPointVersion::V06 { 0 } else { 10 },
        data: Bounded::new(vec![1, 2, 3]).unwrap(),
        signature: (version == EntryPointVersion::V09).then(|| Bounded::new(vec![0xdd; 65]).unwrap()),
    }
}

/// Combines those frames into a batch.
pub fn batch(frames: &[Vec<u8>]) -> Batch {
    let frames = frames.iter().map(|frame| Bounded::new(frame.clone()).unwrap()).collect();
    Batch { frames: BoundedList::new(frames).unwrap() }
}

/// Commands before and after their approvals.
pub trait Draft: Sized {
    fn user_approves(self, passkey: &Passkey) -> Self;
    fn relay_approves(self, relay: &EthKey) -> Self;
    fn at(self, timestamp: u64) -> Self;

    /// Adds both, the user's first: the relay signs the user's approval too.
    fn approved(self, passkey: &Passkey, relay: &EthKey) -> Self {
        self.user_approves(passkey).relay_approves(relay)
    }
}

pub fn no_approval() -> RelayApproval {
    RelayApproval { nonce: 1, timestamp: NOW, signature: Signature { r: [1; 32], s: [1; 32], v: 27 } }
}

pub fn sponsor(version: EntryPointVersion, account_id: &str, variant: u8) -> Sponsor {
    Sponsor {
        entry_point: entry_point(version),
        account_id: account_id.parse().unwrap(),
        op: op(version, variant),
        terms: terms(version),
        passkey: None,
        approval: no_approval(),
    }
}

pub fn sign(version: EntryPointVersion, account_id: &str, variant: u8) -> SignWithHybridKey {
    SignWithHybridKey {
        entry_point: entry_point(version),
        account_id: account_id.parse().unwrap(),
        op: UserOperation { paymaster: Some(foreign_paymaster(version)), ..op(version, variant) },
        passkey: no_assertion(),
        approval: no_approval(),
    }
}

/// The domain of an account's contract; `variant` changes its contents.
pub fn account_domain(variant: u8) -> AccountDomain {
    AccountDomain {
        name: Bounded::new("Account".into()).unwrap(),
        version: Bounded::new("1".into()).unwrap(),
        chain_id: CHAIN + u64::from(variant / 2),
        verifying_contract: Address([0x11; 20]),
        salt: (variant % 2 == 1).then_some(Hash([variant; 32])),
    }
}

/// As EIP-191.
pub fn message(account_id: &str, text: &[u8]) -> SignMessage {
    SignMessage {
        account_id: account_id.parse().unwrap(),
        message: Bounded::new(text.to_vec()).unwrap(),
        form: MessageForm::Eip191,
        passkey: no_assertion(),
    }
}

/// As `PersonalSign`, in the domain of [`account_domain`].
pub fn personal_sign(account_id: &str, text: &[u8], variant: u8) -> SignMessage {
    SignMessage { form: MessageForm::PersonalSign(account_domain(variant)), ..message(account_id, text) }
}

/// With the approval that the command needs: only the user's.
pub fn message_approved(command: SignMessage, passkey: &Passkey) -> SignMessage {
    SignMessage { passkey: passkey.assert(&command.intent_hash().0), ..command }
}

pub fn no_assertion() -> PasskeyAssertion {
    Passkey::numbered(200).assert(&[0; 32])
}

impl Draft for Sponsor {
    fn user_approves(mut self, passkey: &Passkey) -> Self {
        self.passkey = Some(passkey.assert(&self.intent_hash().0));
        self
    }

    fn relay_approves(mut self, relay: &EthKey) -> Self {
        self.approval.signature = relay.personal(&self.request_digest().0);
        self
    }

    fn at(mut self, timestamp: u64) -> Self {
        self.approval.timestamp = timestamp;
        self
    }
}

impl Draft for SignWithHybridKey {
    fn user_approves(mut self, passkey: &Passkey) -> Self {
        self.passkey = passkey.assert(&self.intent_hash().0);
        self
    }

    fn relay_approves(mut self, relay: &EthKey) -> Self {
        self.approval.signature = relay.personal(&self.request_digest().0);
        self
    }

    fn at(mut self, timestamp: u64) -> Self {
        self.approval.timestamp = timestamp;
        self
    }
}
