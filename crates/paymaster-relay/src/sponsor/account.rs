//! The public facts of an account.

use std::sync::Arc;

use proto::command::WalletInfo;

use crate::policy::{Policy, Standing};

/// An account as the TEE and the operator know it.
#[derive(Clone, Debug)]
pub struct AccountInfo {
    /// From the TEE: owner address, scheme, passkeys.
    pub wallet: Arc<WalletInfo>,
    /// From the operator; `None` if the account is not listed and would be refused.
    pub standing: Option<Standing>,
    /// The policies.
    pub policies: Vec<Arc<Policy>>,
}
