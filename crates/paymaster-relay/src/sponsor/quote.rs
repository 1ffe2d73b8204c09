//! What an operation costs at worst and on what terms, held against the chain: the account and the deposit.

use proto::json::GasFields;
use proto::{EntryPointVersion, Terms, Wei, worst_case_cost};

use super::request::DraftRequest;
use super::validation::{check_account, check_gas};
use crate::error::RelayError;
use crate::relay::Relay;

/// Seconds that a window begins in the past: bundlers refuse one that has not begun by their clock.
const BEGUN_SINCE: u64 = 60;

/// A request whose cost is known.
pub(super) struct Quote {
    pub(super) terms: Terms,
    /// Wei. The most the EntryPoint can charge our paymaster.
    pub(super) cost: Wei,
    /// Wei. The paymaster's, in the EntryPoint.
    pub(super) deposit: Wei,
}

/// Terms and chain, in one go. Charges nothing.
pub(super) async fn quote(relay: &Relay, draft: &DraftRequest, gas: GasFields) -> Result<Quote, RelayError> {
    check_gas(&draft.op, gas)?;
    let terms = terms(draft, relay.clock.now())?;
    let facts = relay.chain.facts(&draft.deployment, &draft.op).await?;
    check_account(&draft.deployment, &draft.op, &facts)?;
    if facts.paymaster.paused {
        return Err(RelayError::PaymasterPaused);
    }
    Ok(Quote { cost: cost(draft, &terms), terms, deposit: facts.paymaster.deposit })
}

/// Worst case under these terms; what is beyond 128 bits counts as all there is, which no policy allows.
pub(super) fn cost(draft: &DraftRequest, terms: &Terms) -> Wei {
    worst_case_cost(&draft.op, draft.deployment.entry_point.version, terms).unwrap_or(Wei(u128::MAX))
}

/// The paymaster's side of the bargain, for a window that begins before `now`.
fn terms(draft: &DraftRequest, now: u64) -> Result<Terms, RelayError> {
    let (valid_until, valid_after) = echoed_window(draft, now)
        .unwrap_or_else(|| (now.saturating_add(draft.validity.most), now.saturating_sub(BEGUN_SINCE)));
    Ok(Terms {
        paymaster: draft.deployment.paymaster,
        verification_gas_limit: verification_gas(draft)?,
        post_op_gas_limit: 0,
        valid_until,
        valid_after,
    })
}

/// What the client echoes has gone into the bundler's estimate, and on v0.9 into the user's signature; zero means that
/// it left the choice to us.
fn verification_gas(draft: &DraftRequest) -> Result<u128, RelayError> {
    let deployment = &draft.deployment;
    let (least, most) = (deployment.min_verification_gas_limit, deployment.verification_gas_limit);
    let Some(echo) = &draft.echo else {
        return Ok(most);
    };
    if echo.post_op_gas_limit != 0 {
        return Err(RelayError::PostOpGasNotNeeded { given: echo.post_op_gas_limit });
    }
    match echo.verification_gas_limit {
        0 => Ok(most),
        given if (least..=most).contains(&given) => Ok(given),
        given => Err(RelayError::PaymasterGasOutOfRange { least, most, given }),
    }
}

/// On v0.9 the user may have signed already: the hash covers the window, not the paymaster's signature. A window of
/// ours that a fresh request could still get is kept.
fn echoed_window(draft: &DraftRequest, now: u64) -> Option<(u64, u64)> {
    if draft.deployment.entry_point.version != EntryPointVersion::V09 {
        return None;
    }
    let (valid_until, valid_after) = Terms::window_from(&draft.echo.as_ref()?.data)?;
    let remaining = valid_until.checked_sub(now)?;
    let fits = (draft.validity.least..=draft.validity.most).contains(&remaining) && valid_after <= now;
    fits.then_some((valid_until, valid_after))
}
