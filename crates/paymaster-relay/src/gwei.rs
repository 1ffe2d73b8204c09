//! Amounts as the store counts them: gwei fit the 63 bits of a database integer, wei do not.

use std::fmt;

use proto::Wei;

const WEI: u128 = 1_000_000_000;

/// 10^9 wei, at most 2^63 - 1 of them (more than nine billion ether).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Gwei(i64);

impl Gwei {
    /// Rounded up, for amounts that may be spent; `None` if it does not fit.
    #[must_use]
    pub fn at_least(wei: Wei) -> Option<Self> {
        i64::try_from(wei.0.div_ceil(WEI)).ok().map(Self)
    }

    /// As [`Self::at_least`], capped if it does not fit; and the wei that rounding added, less than
    /// 10^9.
    pub(crate) fn rounded_up(wei: Wei) -> (Self, i64) {
        let Some(gwei) = Self::at_least(wei) else { return (Self(i64::MAX), 0) };
        let added = gwei.to_wei().0.saturating_sub(wei.0);
        (gwei, i64::try_from(added).unwrap_or_default())
    }

    /// Rounded down, for amounts that exist; capped if it does not fit.
    #[must_use]
    pub fn at_most(wei: Wei) -> Self {
        Self(i64::try_from(wei.0 / WEI).unwrap_or(i64::MAX))
    }

    /// As a database integer.
    #[must_use]
    pub const fn count(self) -> i64 {
        self.0
    }

    /// From a database integer; `None` for negative ones, which are never written.
    pub(crate) fn from_count(count: i64) -> Option<Self> {
        (count >= 0).then_some(Self(count))
    }

    /// The difference, at least zero.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// That percentage of it, rounded down.
    #[must_use]
    pub fn percent(self, percent: u8) -> Self {
        Self(i64::try_from(i128::from(self.0) * i128::from(percent) / 100).unwrap_or(i64::MAX))
    }

    /// In wei.
    #[must_use]
    pub fn to_wei(self) -> Wei {
        Wei(u128::from(self.0.unsigned_abs()) * WEI)
    }
}

impl fmt::Display for Gwei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} gwei", self.0)
    }
}
