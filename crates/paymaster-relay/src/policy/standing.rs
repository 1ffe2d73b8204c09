//! The operator's view of accounts.

use std::collections::HashMap;

use async_trait::async_trait;
use proto::{AccountId, Address, Wei};

use crate::settings::{AccountSettings, Membership, SettingsError, StandingSettings};
use crate::store_error::StoreError;

/// The standing of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is sponsored at all.
    pub active: bool,
    /// Its credit with the operator.
    pub balance: Wei,
    /// Its membership level.
    pub membership: Membership,
}

impl From<StandingSettings> for Standing {
    fn from(settings: StandingSettings) -> Self {
        Self { active: settings.active, balance: settings.balance.into(), membership: settings.membership }
    }
}

/// The operator's records of accounts.
#[async_trait]
pub trait Standings: Send + Sync {
    /// The standing of a listed account; `None` if it is not listed.
    ///
    /// # Errors
    /// [`StoreError`] if the records cannot be read.
    async fn listed(&self, account_id: &AccountId) -> Result<Option<Standing>, StoreError>;

    /// The standing of all others; `None` if they are not sponsored.
    ///
    /// # Errors
    /// [`StoreError`] if the records cannot be read.
    async fn others(&self) -> Result<Option<Standing>, StoreError>;
}

impl dyn Standings {
    /// The standing for a request: the account's if its passkey approved, otherwise the sender's
    /// own, whatever account is named. A sender listed as inactive is inactive for every account.
    ///
    /// # Errors
    /// [`StoreError`] if the records cannot be read.
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

    /// The standing of an account; `None` if it is not listed and there is no default.
    ///
    /// # Errors
    /// [`StoreError`] if the records cannot be read.
    pub async fn of(&self, account_id: &AccountId) -> Result<Option<Standing>, StoreError> {
        match self.listed(account_id).await? {
            Some(own) => Ok(Some(own)),
            None => self.others().await,
        }
    }
}

/// The standings from the settings.
#[derive(Clone, Debug)]
pub struct ListedStandings {
    listed: HashMap<AccountId, Standing>,
    others: Option<Standing>,
}

impl ListedStandings {
    /// From `accounts`, with `default_account` for all others.
    ///
    /// # Errors
    /// [`SettingsError::Duplicate`] for a duplicate account.
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
