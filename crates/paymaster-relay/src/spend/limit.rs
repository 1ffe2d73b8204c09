//! The limits of one policy, and the charges of a sponsorship under them.

use proto::Address;

use super::charge::{Charge, Unit};
use super::window::around;
use crate::budget::Charged;
use crate::gwei::Gwei;
use crate::principal::Principal;
use crate::settings::{Per, SettingsError, SpendLimitSettings, Window};

/// Counters are 63-bit integers: the sum of a counter and one more amount has to fit.
const LARGEST: u64 = i64::MAX.unsigned_abs() / 4;

/// The limits on what a policy spends over time.
#[derive(Clone, Debug, Default)]
pub struct SpendLimits(Vec<SpendLimit>);

#[derive(Clone, Copy, Debug)]
struct SpendLimit {
    per: Per,
    window: Window,
    unit: Unit,
    max: u64,
}

/// Who spends.
#[derive(Clone, Copy, Debug)]
pub struct Spender<'a> {
    /// Principal, account and API key.
    pub charged: Charged<'a>,
    /// The smart account.
    pub sender: Address,
    /// Whether a server's API key presented the request.
    pub by_server: bool,
}

/// What a sponsorship costs at worst.
#[derive(Clone, Copy, Debug)]
pub struct Amounts {
    /// EIP-155 id of the chain that it is paid on.
    pub chain_id: u64,
    /// The worst-case cost.
    pub cost: Gwei,
    /// The sum of its gas limits.
    pub gas: u128,
    /// Micro-dollars for one coin of the chain, if a limit needs the price.
    pub price: Option<u64>,
}

impl From<&[SpendLimitSettings]> for SpendLimits {
    fn from(settings: &[SpendLimitSettings]) -> Self {
        let maxima = |limit: &SpendLimitSettings| {
            let gwei = limit.max_wei.map(|max| Gwei::at_most(max.into()).count().unsigned_abs());
            let usd = limit.max_usd.map(|max| max.0);
            [
                (Unit::Gwei, gwei),
                (Unit::MicroUsd, usd),
                (Unit::Operations, limit.max_operations),
                (Unit::Gas, limit.max_gas),
            ]
        };
        let limits = settings.iter().flat_map(|limit| {
            let (per, window) = (limit.per, limit.window);
            maxima(limit)
                .into_iter()
                .filter_map(move |(unit, max)| max.map(|max| SpendLimit { per, window, unit, max: max.min(LARGEST) }))
        });
        Self(limits.collect())
    }
}

impl SpendLimits {
    /// Checks that every limit has a maximum that an operation could meet, and that no two count
    /// the same.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`].
    pub fn check(policy_id: &str, settings: &[SpendLimitSettings]) -> Result<(), SettingsError> {
        let invalid = |key, problem: String| Err(SettingsError::Invalid { key, problem });
        for (index, limit) in settings.iter().enumerate() {
            let place = format!("of policy {policy_id:?}, per {} and {}", limit.per.as_str(), limit.window);
            if settings.iter().take(index).any(|other| (other.per, other.window) == (limit.per, limit.window)) {
                return invalid("policies.limits", format!("duplicate {place}: put their maxima into one"));
            }
            let SpendLimitSettings { max_wei, max_usd, max_operations, max_gas, .. } = limit;
            if max_wei.is_none() && max_usd.is_none() && max_operations.is_none() && max_gas.is_none() {
                let problem =
                    format!("the one {place} has no maximum: set max_wei, max_usd, max_operations or max_gas");
                return invalid("policies.limits", problem);
            }
            if max_wei.is_some_and(|max| max.0 < 1_000_000_000) {
                return invalid("policies.limits.max_wei", format!("must be at least 1 gwei {place}"));
            }
            if max_usd.is_some_and(|max| max.0 == 0) {
                return invalid("policies.limits.max_usd", format!("must be above 0 {place}"));
            }
            for (key, max) in [("policies.limits.max_operations", max_operations), ("policies.limits.max_gas", max_gas)]
            {
                if *max == Some(0) {
                    return invalid(key, format!("must be above 0 {place}"));
                }
            }
        }
        Ok(())
    }

    /// Whether a limit is in US dollars.
    #[must_use]
    pub fn need_price(&self) -> bool {
        self.0.iter().any(|limit| limit.unit == Unit::MicroUsd)
    }

    /// What a sponsorship is counted in at that time (Unix seconds), in the order of the settings.
    #[must_use]
    pub fn charges(&self, spender: &Spender<'_>, amounts: &Amounts, now: u64) -> Vec<Charge> {
        let charge = |limit: &SpendLimit| {
            let SpendLimit { per, window, unit, max } = *limit;
            let (amount, chain_id) = match unit {
                Unit::Gwei => (amounts.cost.count().unsigned_abs(), Some(amounts.chain_id)),
                Unit::MicroUsd => (amounts.micro_usd(), None),
                Unit::Operations => (1, None),
                Unit::Gas => (u64::try_from(amounts.gas).unwrap_or(u64::MAX), None),
            };
            Charge {
                per,
                subject: spender.subject(per),
                window,
                span: around(window, now),
                unit,
                chain_id,
                amount: amount.min(max + 1),
                max,
                is_own: spender.may_know(per),
            }
        };
        self.0.iter().map(charge).collect()
    }
}

impl Amounts {
    /// Rounded up. What the store could not compute in 63 bits (about 9,223 US dollars) is more
    /// than any limit, and so is everything without a price.
    fn micro_usd(&self) -> u64 {
        const GWEI_OF_A_COIN: u64 = 1_000_000_000;
        let product = self.price.and_then(|price| self.cost.count().unsigned_abs().checked_mul(price));
        product
            .filter(|product| *product <= i64::MAX.unsigned_abs() - GWEI_OF_A_COIN)
            .map_or(u64::MAX, |product| product.div_ceil(GWEI_OF_A_COIN))
    }
}

impl Spender<'_> {
    /// Senders and accounts are counted for the principal that names them: anyone can name any
    /// sender, and could otherwise use up what another one has. An account id that nobody vouches
    /// for can be made up for each request, so the sender takes its place.
    fn subject(&self, per: Per) -> String {
        let Charged { principal, account_id, is_vouched, api_key } = self.charged;
        match per {
            Per::Policy => String::new(),
            Per::ApiKey => api_key.map_or_else(|| Principal::Anonymous.to_string(), |key| format!("key:{key}")),
            Per::Account if principal.is_proven() => principal.to_string(),
            Per::Account if is_vouched => format!("{principal}/{account_id}"),
            Per::Account | Per::Sender => format!("{principal}/{}", hex::encode(self.sender.0)),
        }
    }

    /// Only what is the caller's own use: not what the holders of a published key, or callers
    /// without one, use together.
    fn may_know(&self, per: Per) -> bool {
        match per {
            Per::Policy => false,
            Per::ApiKey => self.by_server,
            Per::Sender | Per::Account => self.charged.is_vouched,
        }
    }
}
