//! How much of a deposit may be reserved at once, and by whom. Pure: the store counts, this says
//! where the limits are.

use proto::Wei;
use thiserror::Error;

use crate::gwei::Gwei;
use crate::settings::{ReservationSettings, SettingsError, WeiAmount};

/// What open reservations are counted by, within one deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The API key that presented the request.
    ApiKey,
    /// The account; without a passkey, the account under the server's API key that named it.
    Account,
    /// What no passkey approved, of one API key, or of everybody without one.
    UnprovenCaller,
    /// What no passkey approved, of all publishable API keys and of everybody without one: what
    /// anybody can fill.
    UnprovenPublic,
    /// Everything that no passkey approved.
    Unproven,
    /// All of it.
    Deployment,
}

impl Scope {
    /// Every scope, from the narrowest to the widest.
    pub const ALL: [Self; 6] =
        [Self::ApiKey, Self::Account, Self::UnprovenCaller, Self::UnprovenPublic, Self::Unproven, Self::Deployment];

    /// Its name in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Account => "account",
            Self::UnprovenCaller => "unproven_caller",
            Self::UnprovenPublic => "unproven_public",
            Self::Unproven => "unproven",
            Self::Deployment => "deployment",
        }
    }

    /// Whose reservations it counts, as clients are told.
    #[must_use]
    pub const fn subject(self) -> &'static str {
        match self {
            Self::ApiKey => "this API key",
            Self::Account => "this account",
            Self::UnprovenCaller => "this caller's requests without a passkey",
            Self::UnprovenPublic => "requests without a passkey by publishable API keys, or without a key",
            Self::Unproven => "requests without a passkey",
            Self::Deployment => "everybody",
        }
    }

    /// The scope of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// What a counter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Open reservations.
    pub open: u64,
    /// Their worst-case costs together.
    pub sum: Gwei,
}

/// A limit on the open reservations of one subject.
#[derive(Clone, Copy, Debug)]
pub struct Cap {
    scope: Scope,
    rules: Rules,
    max_open: u64,
    max_sum: Option<Gwei>,
    max_percent: u8,
}

/// The settings that a cap is made of, by their full names.
#[derive(Clone, Copy, Debug)]
struct Rules {
    open: &'static str,
    wei: &'static str,
    percent: &'static str,
}

/// The caps of a relay.
#[derive(Clone, Copy, Debug)]
pub struct Caps([Cap; 5]);

/// The caps, and the deposit that they are shares of.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    caps: Caps,
    deposit: Gwei,
}

/// Which limit a reservation would exceed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Excess {
    /// A cap.
    #[error("too much is reserved for {}: {limit} ({rule})", scope.subject())]
    Cap {
        /// Whose reservations.
        scope: Scope,
        /// The setting.
        rule: &'static str,
        /// What it allows.
        limit: Limit,
    },
    /// The deposit itself.
    #[error("the deposit is reserved")]
    Deposit {
        /// Reserved by others.
        reserved: Gwei,
    },
}

/// A limit, and how much of it was used before, where saying so tells nothing about the deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Open reservations.
    Open {
        /// At most.
        limit: u64,
        /// Already; `None` for who may not know.
        used: Option<u64>,
    },
    /// Worst-case costs together.
    Wei {
        /// At most.
        limit: Wei,
        /// Already; `None` for who may not know.
        used: Option<Wei>,
    },
    /// Percent of the deposit.
    Percent {
        /// At most.
        limit: u8,
    },
}

impl Limit {
    /// Without how much of it was used.
    #[must_use]
    pub fn alone(self) -> Self {
        match self {
            Self::Open { limit, .. } => Self::Open { limit, used: None },
            Self::Wei { limit, .. } => Self::Wei { limit, used: None },
            Self::Percent { .. } => self,
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open { limit, used: Some(used) } => write!(f, "{used} of {limit} reservations are open"),
            Self::Open { limit, used: None } => write!(f, "at most {limit} reservations may be open"),
            Self::Wei { limit, used: Some(used) } => write!(f, "{used} of {limit} are reserved"),
            Self::Wei { limit, used: None } => write!(f, "at most {limit} may be reserved"),
            Self::Percent { limit } => write!(f, "at most {limit} percent of the deposit"),
        }
    }
}

impl Caps {
    /// From settings.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] for a cap that no operation, or not the largest that a policy
    /// allows, fits into.
    pub fn new(settings: &ReservationSettings, largest: Wei) -> Result<Self, SettingsError> {
        let cap = |scope, rules, max_open: u32, max_wei: Option<WeiAmount>, max_percent| {
            let max_sum = max_wei.map(|amount| Gwei::at_most(amount.into()));
            Cap { scope, rules, max_open: max_open.into(), max_sum, max_percent }
        };
        let largest_in_gwei = Gwei::at_least(largest).map_or(largest, Gwei::to_wei);
        let caps = [
            cap(
                Scope::ApiKey,
                Rules {
                    open: "reservations.max_per_api_key",
                    wei: "reservations.max_wei_per_api_key",
                    percent: "reservations.max_percent_per_api_key",
                },
                settings.max_per_api_key,
                settings.max_wei_per_api_key,
                settings.max_percent_per_api_key,
            ),
            cap(
                Scope::Account,
                Rules {
                    open: "reservations.max_per_account",
                    wei: "reservations.max_wei_per_account",
                    percent: "reservations.max_percent_per_account",
                },
                settings.max_per_account,
                settings.max_wei_per_account,
                settings.max_percent_per_account,
            ),
            cap(
                Scope::UnprovenCaller,
                Rules {
                    open: "reservations.max_unproven_per_caller",
                    wei: "reservations.max_wei_unproven_per_caller",
                    percent: "reservations.max_percent_unproven_per_caller",
                },
                settings.unproven_per_caller(),
                settings.wei_unproven_per_caller(largest_in_gwei),
                settings.percent_unproven_per_caller(),
            ),
            cap(
                Scope::UnprovenPublic,
                Rules {
                    open: "reservations.max_unproven_public",
                    wei: "reservations.max_wei_unproven_public",
                    percent: "reservations.max_percent_unproven_public",
                },
                settings.unproven_public(),
                settings.wei_unproven_public(largest_in_gwei),
                settings.percent_unproven_public(),
            ),
            cap(
                Scope::Unproven,
                Rules {
                    open: "reservations.max_unproven",
                    wei: "reservations.max_wei_unproven",
                    percent: "reservations.max_percent_unproven",
                },
                settings.max_unproven,
                settings.max_wei_unproven,
                settings.max_percent_unproven,
            ),
        ];
        caps.iter().try_for_each(|cap| cap.check_settings(largest))?;
        Ok(Self(caps))
    }

    /// Percent of a deposit that no single operation without a passkey may exceed.
    #[must_use]
    pub fn percent_unproven(&self) -> u8 {
        let unproven = self.0.iter().find(|cap| cap.scope == Scope::Unproven);
        unproven.map_or(100, |cap| cap.max_percent)
    }

    /// The caps beside a deposit.
    #[must_use]
    pub const fn within(self, deposit: Gwei) -> Limits {
        Limits { caps: self, deposit }
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

    /// The totals have the new reservation in them.
    fn check(&self, totals: Totals, cost: Gwei, deposit: Gwei) -> Result<(), Excess> {
        let exceeded = |rule, limit| Err(Excess::Cap { scope: self.scope, rule, limit });
        if totals.open > self.max_open {
            return exceeded(
                self.rules.open,
                Limit::Open { limit: self.max_open, used: Some(totals.open.saturating_sub(1)) },
            );
        }
        if let Some(max) = self.max_sum.filter(|max| totals.sum > *max) {
            let used = Some(totals.sum.less(cost).to_wei());
            return exceeded(self.rules.wei, Limit::Wei { limit: max.to_wei(), used });
        }
        // A share may be smaller than one operation. A single reservation is let through then, or
        // its owner would be shut out for good; what nobody proved to own has no such claim.
        let alone = totals.open == 1 && self.scope != Scope::Unproven;
        // All of the deposit is no share: whether it suffices is asked last.
        let is_share = self.max_percent < 100 && !alone;
        if is_share && totals.sum > deposit.percent(self.max_percent) {
            return exceeded(self.rules.percent, Limit::Percent { limit: self.max_percent });
        }
        Ok(())
    }
}

impl Limits {
    /// Whether a reservation of that cost is within every limit; the totals have it in them.
    ///
    /// # Errors
    /// The first [`Excess`]: the API key's, the account's, that of the caller's unproven requests,
    /// that of what anybody can ask for, that of everything unproven, the deposit.
    pub fn check(&self, totals: &[(Scope, Totals)], cost: Gwei) -> Result<(), Excess> {
        let of = |wanted: Scope| totals.iter().find(|(scope, _)| *scope == wanted).map(|(_, totals)| *totals);
        for cap in &self.caps.0 {
            if let Some(totals) = of(cap.scope) {
                cap.check(totals, cost, self.deposit)?;
            }
        }
        match of(Scope::Deployment) {
            Some(totals) if totals.sum <= self.deposit => Ok(()),
            totals => Err(Excess::Deposit { reserved: totals.map_or(Gwei::default(), |totals| totals.sum.less(cost)) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: u64 = 10;

    fn gwei(count: u64) -> Gwei {
        Gwei::at_least(Wei(u128::from(count) * 1_000_000_000)).unwrap()
    }

    fn check(json: &str, deposit: u64, totals: &[(Scope, u64)]) -> Result<(), Excess> {
        let settings: ReservationSettings = serde_json::from_str(json).unwrap();
        let limits = Caps::new(&settings, Wei(1)).unwrap().within(gwei(deposit));
        let totals: Vec<_> =
            totals.iter().map(|(scope, open)| (*scope, Totals { open: *open, sum: gwei(open * COST) })).collect();
        limits.check(&totals, gwei(COST))
    }

    fn rule(outcome: Result<(), Excess>) -> &'static str {
        match outcome.unwrap_err() {
            Excess::Cap { rule, .. } => rule,
            Excess::Deposit { .. } => "deposit",
        }
    }

    #[test]
    fn the_last_reservation_within_a_limit_passes_and_the_next_names_the_rule() {
        for (scope, json, rule_name, most) in [
            (Scope::Account, r#"{"max_per_account": 3, "max_percent_per_account": 100}"#, "max_per_account", 3),
            (Scope::Account, r#"{"max_wei_per_account": "45000000000"}"#, "max_wei_per_account", 4),
            (Scope::Account, r#"{"max_percent_per_account": 5}"#, "max_percent_per_account", 5),
            (Scope::ApiKey, r#"{"max_per_api_key": 3}"#, "max_per_api_key", 3),
            (Scope::ApiKey, r#"{"max_wei_per_api_key": "30000000000"}"#, "max_wei_per_api_key", 3),
            (Scope::ApiKey, r#"{"max_percent_per_api_key": 50}"#, "max_percent_per_api_key", 50),
            (Scope::UnprovenCaller, r#"{"max_unproven_per_caller": 3}"#, "max_unproven_per_caller", 3),
            (Scope::UnprovenCaller, r#"{"max_unproven": 9}"#, "max_unproven_per_caller", 3),
            (
                Scope::UnprovenCaller,
                r#"{"max_wei_unproven_per_caller": "30000000000"}"#,
                "max_wei_unproven_per_caller",
                3,
            ),
            (Scope::UnprovenCaller, r#"{"max_wei_unproven": "120000000000"}"#, "max_wei_unproven_per_caller", 3),
            (Scope::UnprovenCaller, r#"{"max_percent_unproven_per_caller": 2}"#, "max_percent_unproven_per_caller", 2),
            (Scope::UnprovenCaller, "{}", "max_percent_unproven_per_caller", 3),
            (Scope::UnprovenPublic, r#"{"max_unproven_public": 3}"#, "max_unproven_public", 3),
            (Scope::UnprovenPublic, r#"{"max_unproven": 9}"#, "max_unproven_public", 5),
            (Scope::UnprovenPublic, r#"{"max_wei_unproven": "80000000000"}"#, "max_wei_unproven_public", 4),
            (Scope::UnprovenPublic, "{}", "max_percent_unproven_public", 5),
            (Scope::Unproven, r#"{"max_unproven": 3}"#, "max_unproven", 3),
            (Scope::Unproven, r#"{"max_wei_unproven": "30000000000"}"#, "max_wei_unproven", 3),
            (Scope::Unproven, r#"{"max_percent_unproven": 2}"#, "max_percent_unproven", 2),
        ] {
            let deployment = (Scope::Deployment, most + 1);
            assert_eq!(check(json, 1000, &[deployment, (scope, most)]), Ok(()), "{json}");
            let refused = rule(check(json, 1000, &[deployment, (scope, most + 1)]));
            assert_eq!(refused, format!("reservations.{rule_name}"), "{json}");
        }
    }

    #[test]
    fn one_reservation_is_within_its_owners_share_but_not_within_that_of_nobody() {
        let totals = |scope| [(Scope::Deployment, 1), (scope, 1)];
        for scope in [Scope::Account, Scope::ApiKey, Scope::UnprovenCaller, Scope::UnprovenPublic] {
            assert_eq!(check("{}", COST, &totals(scope)), Ok(()));
        }
        assert_eq!(rule(check("{}", COST, &totals(Scope::Unproven))), "reservations.max_percent_unproven");
        assert_eq!(rule(check("{}", COST - 1, &totals(Scope::Account))), "deposit");
    }

    #[test]
    fn the_quarter_of_an_amount_still_holds_the_largest_operation() {
        let settings: ReservationSettings = serde_json::from_str(r#"{"max_wei_unproven": "20000000000"}"#).unwrap();
        let caps = Caps::new(&settings, gwei(COST).to_wei()).unwrap().within(gwei(1000));
        let totals = |open| {
            [Scope::Deployment, Scope::UnprovenCaller].map(|scope| (scope, Totals { open, sum: gwei(open * COST) }))
        };
        assert_eq!(caps.check(&totals(1), gwei(COST)), Ok(()));
        assert_eq!(rule(caps.check(&totals(2), gwei(COST))), "reservations.max_wei_unproven_per_caller");
    }

    #[test]
    fn a_deposit_without_a_counter_covers_nothing() {
        assert_eq!(rule(check("{}", 1000, &[])), "deposit");
    }

    #[test]
    fn a_cap_that_one_operation_would_not_fit_into_is_refused_by_its_name() {
        for (json, key) in [
            (r#"{"max_per_account": 0}"#, "max_per_account"),
            (r#"{"max_percent_unproven": 0}"#, "max_percent_unproven"),
            (r#"{"max_unproven": 0}"#, "max_unproven"),
            (r#"{"max_unproven_per_caller": 0}"#, "max_unproven_per_caller"),
            (r#"{"max_unproven_public": 0}"#, "max_unproven_public"),
            (r#"{"max_percent_unproven_per_caller": 101}"#, "max_percent_unproven_per_caller"),
            (r#"{"max_wei_unproven_per_caller": "999999999"}"#, "max_wei_unproven_per_caller"),
            (r#"{"max_percent_per_api_key": 101}"#, "max_percent_per_api_key"),
            (r#"{"max_wei_per_account": "999999999"}"#, "max_wei_per_account"),
        ] {
            let settings: ReservationSettings = serde_json::from_str(json).unwrap();
            let error = Caps::new(&settings, Wei(1_000_000_000)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("reservations.{key}: ")), "{error}");
        }
    }
}
