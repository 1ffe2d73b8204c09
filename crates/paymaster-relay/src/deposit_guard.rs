//! How long a deposit lasts.

use crate::deployment::Deployment;
use crate::gwei::Gwei;
use crate::store::{Contracts, Store, StoreError};

const SECONDS_AN_HOUR: u64 = 60 * 60;
/// The time over which the rate of spending is measured.
const WINDOW: u64 = 24 * SECONDS_AN_HOUR;

/// Hours that the unreserved part of a deposit lasts at the rate of the last 24 to 25 hours: what
/// the operations cost that were requested since the beginning of the hour 24 hours ago, and are
/// settled. `None` if they cost nothing. `now` is in Unix seconds.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn hours_left(
    store: &dyn Store,
    deployment: &Deployment,
    deposit: Gwei,
    reserved: Gwei,
    now: u64,
) -> Result<Option<f64>, StoreError> {
    let begin = now.saturating_sub(WINDOW);
    let begin = begin - begin % SECONDS_AN_HOUR;
    let spent = store.spent_since(Contracts::from(deployment), begin).await?;
    Ok(lasts(deposit.less(reserved), spent, now - begin))
}

#[expect(clippy::cast_precision_loss, reason = "a forecast: exact amounts are kept as integers")]
fn lasts(left: Gwei, spent: Gwei, seconds: u64) -> Option<f64> {
    let hours = seconds as f64 / SECONDS_AN_HOUR as f64;
    (spent > Gwei::default()).then(|| left.count() as f64 * hours / spent.count() as f64)
}

#[cfg(test)]
mod tests {
    use proto::Wei;

    use super::*;

    #[test]
    fn a_deposit_lasts_as_long_as_the_rate_of_the_last_day_says() {
        let gwei = |gwei: u128| Gwei::at_most(Wei(gwei * 1_000_000_000));
        assert_eq!(lasts(gwei(100), gwei(50), 24 * SECONDS_AN_HOUR), Some(48.0));
        assert_eq!(lasts(gwei(0), gwei(50), 24 * SECONDS_AN_HOUR), Some(0.0));
        assert_eq!(lasts(gwei(100), gwei(0), 24 * SECONDS_AN_HOUR), None);
    }
}
