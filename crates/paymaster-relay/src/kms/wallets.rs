//! The KMS's wallets, cached for a minute: every approval is checked against one. Unknown ids are
//! cached briefly, so that repeated lookups query the KMS once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::command::{CredentialId, PasskeyInfo, WalletInfo};
use proto::{AccountId, Status};

use super::{Kms, KmsError};
use crate::ports::Clock;
use crate::recent::is_recent;

/// The trusted application decides by its own records, so an old copy can at worst delay a refusal.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// If the limit is reached, all are dropped: that is rare, and simpler than an eviction policy.
const MAX_KEPT: usize = 10_000;
/// Seconds. Another gateway may create the account in the meantime.
const UNKNOWN_FOR: u64 = 2;

/// The wallets of a KMS.
pub(crate) struct Wallets {
    kms: Arc<dyn Kms>,
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<AccountId, Kept>>,
    /// Unknown accounts, with the Unix seconds of the query to the KMS.
    unknown: Mutex<HashMap<AccountId, u64>>,
}

struct Kept {
    since: Instant,
    wallet: Arc<WalletInfo>,
}

impl Wallets {
    pub(crate) fn new(kms: Arc<dyn Kms>, clock: Arc<dyn Clock>) -> Self {
        Self { kms, clock, kept: Mutex::default(), unknown: Mutex::default() }
    }

    /// Whether the KMS has an account with that id.
    ///
    /// # Errors
    /// [`KmsError`] if it does not answer.
    pub(crate) async fn holds(&self, account_id: &AccountId) -> Result<bool, KmsError> {
        match self.of(account_id).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_about_no_account() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A passkey of an account; `None` if the account has another, or does not exist. The KMS is
    /// queried again before `None` is returned, since the passkey may be new.
    ///
    /// # Errors
    /// [`KmsError`]; an unknown account is refused with `account_unknown`.
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

    /// The KMS's wallet, at most a minute old.
    ///
    /// # Errors
    /// Those of [`Self::ask`].
    pub(crate) async fn of(&self, account_id: &AccountId) -> Result<Arc<WalletInfo>, KmsError> {
        match self.kept(account_id) {
            Some(wallet) => Ok(wallet),
            None => self.ask(account_id).await,
        }
    }

    /// The KMS's current wallet.
    ///
    /// # Errors
    /// [`KmsError`]; an account that does not exist, or did not a moment ago, is refused with
    /// `account_unknown`.
    pub(crate) async fn ask(&self, account_id: &AccountId) -> Result<Arc<WalletInfo>, KmsError> {
        let now = self.clock.now();
        if self.is_unknown(account_id, now) {
            return Err(KmsError::from_status(Status::AccountUnknown));
        }
        let asked = self.kms.wallet(account_id).await;
        if asked.as_ref().is_err_and(KmsError::is_about_no_account) && !self.kms.remembers_unknown_accounts() {
            let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
            if unknown.len() >= MAX_KEPT {
                unknown.clear();
            }
            unknown.insert(account_id.clone(), now);
        }
        let wallet = Arc::new(asked?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(account_id.clone(), Kept { since: Instant::now(), wallet: Arc::clone(&wallet) });
        Ok(wallet)
    }

    fn is_unknown(&self, account_id: &AccountId, now: u64) -> bool {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.get(account_id).is_some_and(|asked_at| is_recent(*asked_at, now, UNKNOWN_FOR))
    }

    fn kept(&self, account_id: &AccountId) -> Option<Arc<WalletInfo>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(account_id).filter(|kept| kept.since.elapsed() < KEPT_FOR)?;
        Some(Arc::clone(&found.wallet))
    }
}
