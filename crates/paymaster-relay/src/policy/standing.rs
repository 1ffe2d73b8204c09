//! How accounts stand with the operator.

use std::collections::HashMap;

use proto::{AccountId, Address, Wei};

use crate::settings::{AccountSettings, Membership, SettingsError, StandingSettings};

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

/// The standing of every account.
#[derive(Clone, Debug)]
pub struct Standings {
    known: HashMap<AccountId, Standing>,
    others: Option<Standing>,
}

impl Standings {
    /// From settings.
    ///
    /// # Errors
    /// [`SettingsError::Duplicate`] for an account that is listed twice.
    pub fn new(accounts: &[AccountSettings], others: Option<StandingSettings>) -> Result<Self, SettingsError> {
        let mut known = HashMap::with_capacity(accounts.len());
        for account in accounts {
            if known.insert(account.id.clone(), account.standing().into()).is_some() {
                return Err(SettingsError::Duplicate { key: "accounts", value: account.id.to_string() });
            }
        }
        Ok(Self { known, others: others.map(Standing::from) })
    }

    /// The standing that a request has: the account's where a passkey of it approved, and otherwise
    /// the sender's own, whatever account is named. A sender that is listed as inactive is so for
    /// every account.
    #[must_use]
    pub fn of_request(&self, account_id: &AccountId, sender: Address, proven: bool) -> Option<Standing> {
        let senders = self.known.get(&AccountId::of_address(&sender)).copied();
        let is_accounts = proven && !account_id.is_address();
        let standing = if is_accounts { self.of(account_id) } else { senders.or(self.others) };
        standing
            .map(|standing| Standing { active: standing.active && senders.is_none_or(|own| own.active), ..standing })
    }

    /// The standing that the operator gave to an account; `None` when it is not listed and there is
    /// no default.
    #[must_use]
    pub fn of(&self, account_id: &AccountId) -> Option<Standing> {
        self.known.get(account_id).copied().or(self.others)
    }
}
