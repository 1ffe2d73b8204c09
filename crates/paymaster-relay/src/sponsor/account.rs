//! What an account may know about itself.

use std::sync::Arc;

use proto::command::WalletInfo;

use crate::policy::{Policy, Standing};

/// An account as the TEE and the operator know it.
#[derive(Clone, Debug)]
pub struct AccountInfo {
    /// From the TEE: owner address, scheme, passkeys.
    pub wallet: Arc<WalletInfo>,
    /// From the operator; `None` when the account is not listed and would be refused.
    pub standing: Option<Standing>,
    /// What the policies allow.
    pub policies: Vec<Arc<Policy>>,
}
