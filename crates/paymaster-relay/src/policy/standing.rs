//! How accounts stand with the operator.

use std::collections::HashMap;

use async_trait::async_trait;
use proto::{AccountId, Address, Wei};

use crate::settings::{AccountSettings, Membership, SettingsError, StandingSettings};
use crate::store_error::StoreError;

/// How one account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is sponsored at all.
    pub active: bool,
    /// Its credit in the operator's books.
    pub balance: Wei,
    /// Its membership level.
    pub membership: Membership,
}

impl From<StandingSettings> for Standing {
    fn from(settings: StandingSettings) -> Self {
        Self { active: settings.active, balance: settings.balance.into(), membership: settings.membership }
    }
}

/// What the operator's books say of accounts.
#[async_trait]
pub trait Standings: Send + Sync {
    /// How an account stands that the books list; `None` when they don't.
    ///
    /// # Errors
    /// [`StoreError`] when the books can't be read.
    async fn listed(&self, account_id: &AccountId) -> Result<Option<Standing>, StoreError>;

    /// How all others stand; `None` when they are not sponsored.
    ///
    /// # Errors
    /// [`StoreError`] when the books can't be read.
    async fn others(&self) -> Result<Option<Standing>, StoreError>;
}

impl dyn Standings {
    /// The standing that a request has: the account's where a passkey of it approved, and otherwise
    /// the sender's own, whatever account is named. A sender that is listed as inactive is so for
    /// every account.
    ///
    /// # Errors
    /// [`StoreError`] when the books can't be read.
    pub async fn of_request(
        &self,
        account_id: &AccountId,
        sender: Address,
        proven: bool,
    ) -> Result<Option<Standing>, StoreError> {
        let senders = self.listed(&AccountId::of_address(&sender)).await?;
        let is_accounts = proven && !account_id.is_address();
        let standing = match senders {
            _ if is_accounts => self.of(account_id).await?,
            Some(own) => Some(own),
            None => self.others().await?,
        };
        Ok(standing
            .map(|standing| Standing { active: standing.active && senders.is_none_or(|own| own.active), ..standing }))
    }

    /// The standing of an account; `None` when it is not listed and there is no default.
    ///
    /// # Errors
    /// [`StoreError`] when the books can't be read.
    pub async fn of(&self, account_id: &AccountId) -> Result<Option<Standing>, StoreError> {
        match self.listed(account_id).await? {
            Some(own) => Ok(Some(own)),
            None => self.others().await,
        }
    }
}

/// The standings that the settings list.
#[derive(Clone, Debug)]
pub struct ListedStandings {
    listed: HashMap<AccountId, Standing>,
    others: Option<Standing>,
}

impl ListedStandings {
    /// Those of `accounts`, and of all others `default_account`.
    ///
    /// # Errors
    /// [`SettingsError::Duplicate`] for an account that is listed twice.
    pub fn new(accounts: &[AccountSettings], others: Option<StandingSettings>) -> Result<Self, SettingsError> {
        let mut listed = HashMap::with_capacity(accounts.len());
        for account in accounts {
            if listed.insert(account.id.clone(), account.standing().into()).is_some() {
                return Err(SettingsError::Duplicate { key: "accounts", value: account.id.to_string() });
            }
        }
        Ok(Self { listed, others: others.map(Standing::from) })
    }
}

#[async_trait]
impl Standings for ListedStandings {
    async fn listed(&self, account_id: &AccountId) -> Result<Option<Standing>, StoreError> {
        Ok(self.listed.get(account_id).copied())
    }

    async fn others(&self) -> Result<Option<Standing>, StoreError> {
        Ok(self.others)
    }
}
