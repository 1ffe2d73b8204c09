//! Whether the TEE's allowances cover what the settings allow.

use proto::Wei;
use proto::command::Allowances;

use super::missing::Missing;
use crate::catalogue::Catalogue;
use crate::deployment::Deployment;
use crate::error::RelayError;
use crate::kms::KmsSigners;

/// Checks that each deployment has an allowance, if one is required, and that what remains of it
/// covers the dearest operation of its chain. If the TEE could not be read, nothing can be checked
/// here: the check `tee` says so.
pub(super) fn allowances(signers: &Result<KmsSigners, RelayError>, catalogue: &Catalogue) -> Result<(), String> {
    let Ok(KmsSigners { allowances, .. }) = signers else { return Err(Missing::TeeUnknown.to_string()) };
    let none = Allowances::default();
    let told = allowances.as_ref().unwrap_or(&none);
    if told.allowances.is_empty() {
        return if catalogue.requires_allowances { Err(Missing::NoAllowance.to_string()) } else { Ok(()) };
    }
    let problems: Vec<_> = catalogue
        .chains()
        .iter()
        .flat_map(|chain| chain.deployments().iter().map(|deployment| (deployment, chain.largest_cost())))
        .filter_map(|(deployment, largest)| covers(told, deployment, largest).err())
        .map(|missing| missing.to_string())
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

fn covers(told: &Allowances, deployment: &Deployment, largest: Wei) -> Result<(), Missing> {
    let Deployment { entry_point, paymaster, .. } = *deployment;
    match told.remaining(&proto::command::Deployment { entry_point, paymaster }) {
        Some(remaining) if remaining < largest => Err(Missing::AllowanceLow {
            chain_id: entry_point.chain_id,
            entry_point: entry_point.address,
            paymaster,
            remaining,
            largest,
        }),
        Some(_) | None => Ok(()),
    }
}
