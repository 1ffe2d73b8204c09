//! Wallets that the KMS told of, kept for a minute: every approval is held against one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::command::{CredentialId, PasskeyInfo, WalletInfo};
use proto::{AccountId, Status};

use super::{Kms, KmsError};

/// The trusted application decides by its own records, so an old copy can at worst refuse too late.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// When they are all there, they are all forgotten: rare, and simpler than choosing.
const MAX_KEPT: usize = 10_000;

/// The wallets of a KMS.
pub(crate) struct Wallets {
    kms: Arc<dyn Kms>,
    kept: Mutex<HashMap<AccountId, Kept>>,
}

struct Kept {
    since: Instant,
    wallet: Arc<WalletInfo>,
}

impl Wallets {
    pub(crate) fn new(kms: Arc<dyn Kms>) -> Self {
        Self { kms, kept: Mutex::default() }
    }

    /// Whether the KMS has an account of that id.
    ///
    /// # Errors
    /// [`KmsError`] when it does not say.
    pub(crate) async fn holds(&self, account_id: &AccountId) -> Result<bool, KmsError> {
        match self.of(account_id).await {
            Ok(_) => Ok(true),
            Err(KmsError::Refused { reason, .. }) if reason == Status::AccountUnknown.reason() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A passkey of an account; `None` when the account has another, or no such account exists. Asks again before it says
    /// so, since the passkey may be new.
    ///
    /// # Errors
    /// [`KmsError`]; an account that does not exist is refused as `account_unknown`.
    pub(crate) async fn passkey(
        &self,
        account_id: &AccountId,
        credential_id: &CredentialId,
    ) -> Result<Option<PasskeyInfo>, KmsError> {
        let find = |wallet: &WalletInfo| {
            wallet.passkeys.iter().find(|passkey| passkey.credential_id == *credential_id).cloned()
        };
        if let Some(found) = self.kept(account_id).as_deref().and_then(find) {
            return Ok(Some(found));
        }
        Ok(find(&*self.ask(account_id).await?))
    }

    async fn of(&self, account_id: &AccountId) -> Result<Arc<WalletInfo>, KmsError> {
        match self.kept(account_id) {
            Some(wallet) => Ok(wallet),
            None => self.ask(account_id).await,
        }
    }

    /// The wallet as the KMS has it now.
    ///
    /// # Errors
    /// [`KmsError`]; an account that does not exist is refused as `account_unknown`.
    pub(crate) async fn ask(&self, account_id: &AccountId) -> Result<Arc<WalletInfo>, KmsError> {
        let wallet = Arc::new(self.kms.wallet(account_id).await?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(account_id.clone(), Kept { since: Instant::now(), wallet: Arc::clone(&wallet) });
        Ok(wallet)
    }

    fn kept(&self, account_id: &AccountId) -> Option<Arc<WalletInfo>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(account_id).filter(|kept| kept.since.elapsed() < KEPT_FOR)?;
        Some(Arc::clone(&found.wallet))
    }
}
