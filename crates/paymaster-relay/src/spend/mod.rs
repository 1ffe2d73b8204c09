//! What a policy spends over time. Pure: the store counts, this module defines the counters, their
//! windows and their limits.

mod charge;
mod limit;
#[cfg(test)]
mod tests;
mod window;

pub use charge::{Charge, Overspent, Unit, Used};
pub use limit::{Amounts, SpendLimits, Spender};
