//! How much of a deposit may be reserved at once, and by whom. Pure: the store counts, this module
//! defines the counters and limits.

mod limit;
mod scope;

use proto::{AccountId, Wei};

pub use limit::{Bound, Counter, Excess, Limit, Totals};
pub use scope::Scope;

use crate::clients::ApiKeyId;
use crate::gwei::Gwei;
use crate::principal::Principal;
use crate::settings::{ReservationSettings, SettingsError, WeiAmount};
use limit::{Cap, Most, Rules};

/// The subjects that a reservation is counted for.
#[derive(Clone, Copy, Debug)]
pub struct Charged<'a> {
    /// Its principal.
    pub principal: &'a Principal,
    /// The named account.
    pub account_id: &'a AccountId,
    /// Whether the account id is vouched for: by its passkey, or by the server that holds the API
    /// key.
    pub is_vouched: bool,
    /// The API key that presented it.
    pub api_key: Option<&'a ApiKeyId>,
}

impl Charged<'_> {
    /// Counters that anyone could name could be filled by anyone.
    fn account(&self) -> Option<String> {
        let Self { principal, account_id, is_vouched, .. } = self;
        is_vouched.then(|| match principal {
            Principal::Account(_) => principal.to_string(),
            Principal::ApiKey(_) | Principal::Anonymous => format!("{principal}/{account_id}"),
        })
    }
}

/// A cap: its settings, and the subject of its counter.
struct Row {
    scope: Scope,
    rules: Rules,
    open: fn(&ReservationSettings) -> u32,
    /// The cap in wei, given the worst-case cost of the largest operation that a policy allows.
    wei: fn(&ReservationSettings, Wei) -> Option<WeiAmount>,
    percent: fn(&ReservationSettings) -> u8,
    /// `None` if it is not counted there.
    subject: fn(&Charged<'_>) -> Option<String>,
}

/// Every cap, in the order of checking. The deposit itself is checked last.
const ROWS: [Row; 5] = [
    Row {
        scope: Scope::ApiKey,
        rules: Rules {
            open: "reservations.max_per_api_key",
            wei: "reservations.max_wei_per_api_key",
            percent: "reservations.max_percent_per_api_key",
        },
        open: |settings| settings.max_per_api_key,
        wei: |settings, _| settings.max_wei_per_api_key,
        percent: |settings| settings.max_percent_per_api_key,
        subject: |charged| charged.api_key.map(ToString::to_string),
    },
    Row {
        scope: Scope::Account,
        rules: Rules {
            open: "reservations.max_per_account",
            wei: "reservations.max_wei_per_account",
            percent: "reservations.max_percent_per_account",
        },
        open: |settings| settings.max_per_account,
        wei: |settings, _| settings.max_wei_per_account,
        percent: |settings| settings.max_percent_per_account,
        subject: |charged| charged.account(),
    },
    Row {
        scope: Scope::UnprovenCaller,
        rules: Rules {
            open: "reservations.max_unproven_per_caller",
            wei: "reservations.max_wei_unproven_per_caller",
            percent: "reservations.max_percent_unproven_per_caller",
        },
        open: |settings| settings.unproven_per_caller(),
        wei: |settings, largest| settings.wei_unproven_per_caller(largest),
        percent: |settings| settings.percent_unproven_per_caller(),
        subject: |charged| (!charged.principal.is_proven()).then(|| charged.principal.to_string()),
    },
    Row {
        scope: Scope::UnprovenPublic,
        rules: Rules {
            open: "reservations.max_unproven_public",
            wei: "reservations.max_wei_unproven_public",
            percent: "reservations.max_percent_unproven_public",
        },
        open: |settings| settings.unproven_public(),
        wei: |settings, largest| settings.wei_unproven_public(largest),
        percent: |settings| settings.percent_unproven_public(),
        subject: |charged| (!charged.principal.is_proven() && !charged.is_vouched).then(String::new),
    },
    Row {
        scope: Scope::Unproven,
        rules: Rules {
            open: "reservations.max_unproven",
            wei: "reservations.max_wei_unproven",
            percent: "reservations.max_percent_unproven",
        },
        open: |settings| settings.max_unproven,
        wei: |settings, _| settings.max_wei_unproven,
        percent: |settings| settings.max_percent_unproven,
        subject: |charged| (!charged.principal.is_proven()).then(String::new),
    },
];

/// The caps of a relay, one per row.
#[derive(Clone, Copy, Debug)]
pub struct Caps([Cap; ROWS.len()]);

impl Caps {
    /// Creates the caps from settings.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] for a cap that is too small for any operation, or for the largest
    /// one that a policy allows.
    pub fn new(settings: &ReservationSettings, largest: Wei) -> Result<Self, SettingsError> {
        let largest_in_gwei = Gwei::at_least(largest).map_or(largest, Gwei::to_wei);
        let caps = ROWS.map(|row| Cap {
            scope: row.scope,
            rules: row.rules,
            max_open: (row.open)(settings).into(),
            max_sum: (row.wei)(settings, largest_in_gwei).map(|amount| Gwei::at_most(amount.into())),
            max_percent: (row.percent)(settings),
        });
        caps.iter().try_for_each(|cap| cap.check_settings(largest))?;
        Ok(Self(caps))
    }

    /// The maximum percentage of a deposit for a single operation without a passkey.
    #[must_use]
    pub fn percent_unproven(&self) -> u8 {
        let unproven = self.0.iter().find(|cap| cap.scope == Scope::Unproven);
        unproven.map_or(100, |cap| cap.max_percent)
    }

    /// The limits that a reservation is counted in and checked against, given a deposit.
    #[must_use]
    pub fn limits(&self, charged: &Charged<'_>, deposit: Gwei) -> Vec<Limit> {
        let capped = ROWS.iter().zip(&self.0).filter_map(|(row, cap)| {
            let subject = (row.subject)(charged)?;
            Some(Limit { counter: Counter { scope: row.scope, subject }, most: Most::Cap { cap: *cap, deposit } })
        });
        let all = Counter { scope: Scope::Deployment, subject: String::new() };
        capped.chain([Limit { counter: all, most: Most::Deposit(deposit) }]).collect()
    }
}

impl Cap {
    fn check_settings(&self, largest: Wei) -> Result<(), SettingsError> {
        let invalid = |key, problem: &str| Err(SettingsError::Invalid { key, problem: problem.to_owned() });
        if self.max_open == 0 {
            return invalid(self.rules.open, "must be above 0");
        }
        if !(1..=100).contains(&self.max_percent) {
            return invalid(self.rules.percent, "must be from 1 to 100");
        }
        match self.max_sum {
            Some(max) if max.to_wei() < largest => {
                invalid(self.rules.wei, "must not be below the largest max_cost_per_operation of the policies")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
