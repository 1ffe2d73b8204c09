//! Whether what the trusted application says of relay keys and ceilings suffices for all that the
//! settings allow.

use std::fmt::Display;
use std::sync::Arc;

use proto::command::Ceilings;
use proto::{Address, Permissions};

use super::missing::Missing;
use crate::catalogue::Catalogue;
use crate::kms::KmsSigners;
use crate::policy::Policy;

/// Whether the relay key may do all that the policies allow.
pub(super) fn relay_key(signers: &KmsSigners, address: Address, policies: &[Arc<Policy>]) -> Result<(), Missing> {
    let permissions = signers.record_of(address).ok_or(Missing::RelayKey { address })?.permissions;
    let without_passkey: Vec<_> = policies.iter().filter(|policy| policy.allows_without_passkey()).collect();
    let mut needed = Permissions::SPONSOR;
    if !without_passkey.is_empty() {
        needed = needed | Permissions::SPONSOR_WITHOUT_PASSKEY;
    }
    let wanted = (permissions | needed).names().collect::<Vec<_>>().join(",");
    if !permissions.contains(Permissions::SPONSOR) {
        return Err(Missing::MayNotSponsor { address, wanted });
    }
    if !permissions.contains(needed) {
        let policies = listed(without_passkey.iter().map(|policy| format!("policy {:?}", policy.id())));
        return Err(Missing::WithoutPasskey { policies, address, wanted });
    }
    Ok(())
}

/// Whether the ceilings name every deployment, and the costs of every policy are within them. All
/// that is not is told of: one command replaces all ceilings. Of a KMS that does not tell its
/// ceilings nothing can be said.
pub(super) fn ceilings(ceilings: Option<&Ceilings>, catalogue: &Catalogue) -> Result<(), String> {
    let Some(ceilings) = ceilings else { return Ok(()) };
    let problems: Vec<_> = [deployments(ceilings, catalogue), costs(ceilings, catalogue)]
        .into_iter()
        .filter_map(|outcome| outcome.err().map(|missing| missing.to_string()))
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

/// Whether every window that the relay may ask for is within the ceilings.
pub(super) fn window(ceilings: Option<&Ceilings>, catalogue: &Catalogue) -> Result<(), Missing> {
    let wanted = catalogue.validity.ceiling;
    match ceilings {
        Some(&Ceilings { max_window: found, .. }) if u64::from(found) < wanted => {
            Err(Missing::TeeWindow { found, wanted })
        }
        Some(_) | None => Ok(()),
    }
}

fn deployments(ceilings: &Ceilings, catalogue: &Catalogue) -> Result<(), Missing> {
    let named =
        |entry_point, paymaster| ceilings.deployments.contains(&proto::command::Deployment { entry_point, paymaster });
    let missing = catalogue.deployments().iter().filter(|known| !named(known.entry_point, known.paymaster));
    let missing: Vec<_> = missing
        .map(|deployment| {
            let entry_point = deployment.entry_point;
            format!(
                "chain {}, EntryPoint {} of version {}, paymaster {}",
                entry_point.chain_id, entry_point.address, entry_point.version, deployment.paymaster
            )
        })
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Missing::Deployments { deployments: listed(missing) }) }
}

fn costs(ceilings: &Ceilings, catalogue: &Catalogue) -> Result<(), Missing> {
    let found = ceilings.max_cost;
    let above: Vec<_> = catalogue
        .policies()
        .iter()
        .filter(|policy| policy.max_cost() > found)
        .map(|policy| format!("policy {:?} ({})", policy.id(), policy.max_cost()))
        .collect();
    if above.is_empty() { Ok(()) } else { Err(Missing::TeeCost { policies: listed(above), found }) }
}

fn listed(items: impl IntoIterator<Item = impl Display>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(" and ")
}
