//! Fees compared with the chain's current price. Both wait for the chain's facts: until then they
//! are not violated.

/// A rule per row: its module, its setting, the field, what it is compared with, and the violation.
macro_rules! ratios {
    ($(
        $(#[$doc:meta])*
        $rule:ident: $setting:ident, $field:ident, |$market:ident| $price:expr => $violation:ident;
    )+) => {$(
        $(#[$doc])*
        pub(super) mod $rule {
            use crate::policy::rules::{Case, Violation};
            use crate::settings::PolicySettings;

            #[derive(Clone, Debug)]
            pub(in crate::policy::rules) struct Rule {
                percent: Option<u32>,
            }

            impl Rule {
                pub(in crate::policy::rules) const fn of(settings: &PolicySettings) -> Self {
                    Self { percent: settings.$setting }
                }

                pub(in crate::policy::rules) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
                    let (Some(percent), Some($market)) = (self.percent, case.market) else { return Ok(()) };
                    let price: u128 = $price;
                    let (limit, used) = (price.saturating_mul(percent.into()) / 100, case.op.$field);
                    if used <= limit { Ok(()) } else { Err(Violation::$violation { limit, used }) }
                }
            }
        }
    )+};
}

ratios! {
    /// The base fee and the node's suggestion for the tip together: no value of the operation
    /// raises the bound.
    market_fee: max_fee_percent, max_fee_per_gas, |market| market.base_fee.saturating_add(market.tip)
        => FeeAboveMarket;
    /// The tip goes to the bundler: one who bundles its own operations pays it to itself.
    market_priority_fee: max_priority_fee_percent, max_priority_fee_per_gas, |market| market.tip
        => PriorityFeeAboveMarket;
}
