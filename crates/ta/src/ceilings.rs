//! The bounds set by the admin. They hold regardless of what the host and the relay say.

use proto::command::{Ceilings, Deployment, RelyingParty};
use proto::limits::MAX_RELYING_PARTIES_RECORD;
use proto::paymaster::{MAX_TIMESTAMP, WINDOW_SLACK};
use proto::{Address, EntryPoint, Status, Terms, UserOperation, Wei, frame, worst_case_cost};

/// Refuses ceilings that allow nothing or contradict themselves.
pub(crate) fn validate(ceilings: &Ceilings) -> Result<(), Status> {
    let deployments = &*ceilings.deployments;
    let unambiguous = pairs(deployments).all(|(one, other)| {
        let (a, b) = (&one.entry_point, &other.entry_point);
        let same_contract = a.chain_id == b.chain_id && a.address == b.address;
        !same_contract || a.version == b.version && one.paymaster != other.paymaster
    });
    // With the zero address as paymaster the EntryPoint charges the account.
    let exist = deployments.iter().all(|deployment| {
        deployment.paymaster != Address::default() && deployment.entry_point.address != Address::default()
    });
    let bounded = ceilings.max_window > 0 && ceilings.max_cost.0 > 0;
    (!deployments.is_empty() && unambiguous && exist && bounded).then_some(()).ok_or(Status::CeilingsInvalid)
}

/// Refuses relying parties that cannot have passkeys, and duplicates.
pub(crate) fn validate_relying_parties(parties: &[RelyingParty]) -> Result<(), Status> {
    let usable = |party: &RelyingParty| {
        !party.id.is_empty() && !party.origins.is_empty() && party.origins.iter().all(|origin| !origin.is_empty())
    };
    let distinct = pairs(parties).all(|(one, other)| one.id != other.id);
    if parties.is_empty() || !parties.iter().all(usable) || !distinct {
        return Err(Status::CeilingsInvalid);
    }
    if frame::encode_record(&parties)?.len() > MAX_RELYING_PARTIES_RECORD {
        return Err(Status::TooLarge);
    }
    Ok(())
}

/// Refuses an EntryPoint (chain, address and version) that no deployment lists.
pub(crate) fn check_entry_point(ceilings: &Ceilings, entry_point: &EntryPoint) -> Result<(), Status> {
    ceilings
        .deployments
        .iter()
        .any(|deployment| deployment.entry_point == *entry_point)
        .then_some(())
        .ok_or(Status::DeploymentNotAllowed)
}

/// The worst case of a sponsorship. Refuses one outside the ceilings: deployment, window and
/// worst-case cost.
pub(crate) fn check_sponsorship(
    ceilings: &Ceilings,
    entry_point: &EntryPoint,
    op: &UserOperation,
    terms: &Terms,
    timestamp: u64,
) -> Result<Wei, Status> {
    let deployment = Deployment { entry_point: *entry_point, paymaster: terms.paymaster };
    if !ceilings.deployments.contains(&deployment) {
        return Err(Status::DeploymentNotAllowed);
    }
    check_window(terms, timestamp, ceilings.max_window)?;
    match worst_case_cost(op, entry_point.version, terms) {
        Some(cost) if cost <= ceilings.max_cost => Ok(cost),
        _ => Err(Status::CostAboveCeiling),
    }
}

/// There is no clock here, so the window is checked against the timestamp the relay signed. That
/// timestamp can be any time, so the width is bounded too: otherwise the holder of a relay key
/// could obtain signatures for years ahead at once.
fn check_window(terms: &Terms, timestamp: u64, max_window: u32) -> Result<(), Status> {
    // An EntryPoint reads a validUntil of 0 as forever.
    let in_order = terms.valid_until > 0
        && terms.valid_until <= MAX_TIMESTAMP
        && terms.valid_after <= timestamp
        && timestamp <= terms.valid_until;
    if !in_order {
        return Err(Status::WindowInvalid);
    }
    let max_window = u64::from(max_window);
    let latest = timestamp.saturating_add(max_window);
    let widest = terms.valid_after.saturating_add(max_window.saturating_add(WINDOW_SLACK));
    if terms.valid_until > latest.min(widest) {
        return Err(Status::WindowTooWide);
    }
    Ok(())
}

fn pairs<T>(items: &[T]) -> impl Iterator<Item = (&T, &T)> {
    items.iter().enumerate().flat_map(move |(index, item)| items.iter().take(index).map(move |earlier| (earlier, item)))
}
