//! Whether the trusted application's relay keys and ceilings suffice for everything that the
//! settings allow.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use proto::command::Ceilings;
use proto::signers::AuthorisedSigner;
use proto::{Address, Permissions};

use super::missing::{AdminOf, Missing};
use crate::catalogue::Catalogue;
use crate::error::RelayError;
use crate::kms::KmsSigners;
use crate::policy::Policy;
use crate::relay_key::{KeyRecord, OpenRotation};

/// For `authorize`, whose default lacks the last one.
const WITH_ALL_PERMISSIONS: &str = " --permissions sponsor,sign_user_operation,rotate,sponsor_without_passkey";

/// The ceilings, if the KMS reports them.
pub(super) fn told(signers: &Result<KmsSigners, RelayError>) -> Option<&Ceilings> {
    signers.as_ref().ok()?.ceilings.as_ref()
}

/// The record in which this relay's key was seen, for keys that were not made for a record: the
/// first one in its file.
#[derive(Debug, Default)]
pub(super) struct SeenRecord(Mutex<Option<(Address, KeyRecord)>>);

impl SeenRecord {
    fn note(&self, address: Address, seen: KeyRecord) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((address, seen));
    }

    /// Where the key was seen.
    pub(super) fn of(&self, address: Address) -> Option<KeyRecord> {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.filter(|(of, _)| *of == address).map(|(_, record)| record)
    }
}

/// This relay's key.
pub(super) struct OwnKey<'a> {
    pub(super) address: Address,
    /// The record that a rotation made it for.
    pub(super) made_for: Option<KeyRecord>,
    pub(super) seen: &'a SeenRecord,
    /// May have replaced the key.
    pub(super) open_rotation: Option<OpenRotation>,
}

impl OwnKey<'_> {
    /// What became of the key's record, if the TEE knows the key no longer, and no rotation of this
    /// relay explains it.
    fn fate(&self, signers: &KmsSigners) -> Option<Fate> {
        let may_be_own = |now| match self.open_rotation {
            Some(OpenRotation::To(next)) => now == next,
            Some(OpenRotation::ToUnread) => true,
            None => false,
        };
        let known = [self.seen.of(self.address), self.made_for];
        let known = || known.iter().flatten().filter(|known| known.tee_id == signers.tee_id).map(|known| known.record);
        let is_own = |record: &&AuthorisedSigner| {
            record.authorised_as == self.address || known().any(|known| known == record.record)
        };
        match signers.signers.iter().find(is_own) {
            Some(record) if may_be_own(record.address) => None,
            Some(&AuthorisedSigner { record, authorised_as, address: now, .. }) => {
                Some(Fate::Replaced { record, authorised_as, now })
            }
            None => known().next().map(|record| Fate::Revoked { record }),
        }
    }
}

enum Fate {
    /// Another key is in the record.
    Replaced { record: u64, authorised_as: Address, now: Address },
    /// There is no such record any more.
    Revoked { record: u64 },
}

/// Checks that the relay key has all permissions that the policies need.
pub(super) fn relay_key(
    signers: &KmsSigners,
    kms: Option<String>,
    own: &OwnKey<'_>,
    policies: &[Arc<Policy>],
) -> Result<(), Missing> {
    let address = own.address;
    let without_passkey: Vec<_> = policies.iter().filter(|policy| policy.allows_without_passkey()).collect();
    let admin = AdminOf { kms };
    let Some(record) = signers.record_of(address) else {
        let permissions = if without_passkey.is_empty() { "" } else { WITH_ALL_PERMISSIONS };
        return Err(match own.fate(signers) {
            Some(Fate::Replaced { record, authorised_as, now }) => {
                Missing::RelayKeyReplaced { record, address, authorised_as, now, admin }
            }
            Some(Fate::Revoked { record }) => Missing::RelayKeyRevoked { record, address, admin, permissions },
            None if own.open_rotation.is_some() => Missing::RotationOpen { address },
            None => Missing::RelayKey { address, admin, permissions },
        });
    };
    own.seen.note(address, KeyRecord { tee_id: signers.tee_id, record: record.record });
    let permissions = record.permissions;
    let mut needed = Permissions::SPONSOR;
    if !without_passkey.is_empty() {
        needed = needed | Permissions::SPONSOR_WITHOUT_PASSKEY;
    }
    let wanted = (permissions | needed).names().collect::<Vec<_>>().join(",");
    if !permissions.contains(Permissions::SPONSOR) {
        return Err(Missing::MayNotSponsor { address, admin, wanted });
    }
    if !permissions.contains(needed) {
        let policies = listed(without_passkey.iter().map(|policy| format!("policy {:?}", policy.id())));
        return Err(Missing::WithoutPasskey { policies, address, admin, wanted });
    }
    Ok(())
}

/// Checks that the KMS and the relay's pages use the same relying party.
pub(super) fn relying_party(signers: &KmsSigners, catalogue: &Catalogue) -> Result<(), Missing> {
    match &signers.rp_id {
        Some(found) if *found != catalogue.rp_id => {
            Err(Missing::OtherRelyingParty { found: found.clone(), wanted: catalogue.rp_id.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

/// Checks that the ceilings name every deployment, and the costs of every policy are within them.
/// All problems are reported, because one command replaces all ceilings. If a KMS does not report
/// its ceilings, nothing can be checked.
pub(super) fn ceilings(ceilings: Option<&Ceilings>, catalogue: &Catalogue) -> Result<(), String> {
    let Some(ceilings) = ceilings else { return Ok(()) };
    let problems: Vec<_> = [deployments(ceilings, catalogue), costs(ceilings, catalogue)]
        .into_iter()
        .filter_map(|outcome| outcome.err().map(|missing| missing.to_string()))
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

/// Checks that every window that the relay may request is within the ceilings.
pub(super) fn window(ceilings: Option<&Ceilings>, wanted: u64) -> Result<(), Missing> {
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
    let missing = catalogue.deployments().filter(|known| !named(known.entry_point, known.paymaster));
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
