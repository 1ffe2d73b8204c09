//! The account and keys that every mode uses, and what the trusted application reports about
//! itself.

use proto::command::{GetWalletInfo, SecurityState, VerifySecurityState, WalletInfo};

use crate::support::{EthKey, Passkey};
use crate::tee::Tee;

pub const ACCOUNT: &str = "alice";

pub fn admin() -> EthKey {
    EthKey::numbered(0xad)
}

pub fn relay() -> EthKey {
    EthKey::numbered(0x01)
}

pub fn passkey() -> Passkey {
    Passkey::numbered(0x41)
}

pub fn state(tee: &mut Tee) -> SecurityState {
    tee.call(&VerifySecurityState).unwrap()
}

pub fn wallet(tee: &mut Tee) -> WalletInfo {
    tee.call(&GetWalletInfo { account_id: ACCOUNT.parse().unwrap() }).unwrap()
}
