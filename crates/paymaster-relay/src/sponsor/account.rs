//! What an account may know about itself.

use std::sync::Arc;

use proto::AccountId;
use proto::command::WalletInfo;

use crate::error::RelayError;
use crate::policy::{Policy, Standing};
use crate::relay::Relay;

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

impl Relay {
    /// An account's public facts.
    ///
    /// # Errors
    /// [`RelayError::KmsRefused`] as `account_unknown`; [`RelayError::KmsUnavailable`].
    pub async fn account(&self, account_id: &AccountId) -> Result<AccountInfo, RelayError> {
        Ok(AccountInfo {
            wallet: self.wallets.ask(account_id).await?,
            standing: self.catalogue.standings.of(account_id),
            policies: self.catalogue.policies().to_vec(),
        })
    }
}
