//! The fields of layout 2, as the previous release wrote them, and their conversion.

use proto::bytes::BoundedList;
use proto::command::{Ceilings, Deployment, Provisioned, RelyingParty};
use proto::limits::{MAX_DEPLOYMENTS, MAX_RELYING_PARTIES, MAX_SIGNERS};
use proto::signers::AuthorisedSigner;
use proto::{Address, Permissions, TeeId, Wei};
use serde::Deserialize;

use crate::secret::Secret;
use crate::state_record::StateRecord;
use crate::system::SystemRecord;

/// The account ceiling for a system provisioned before that ceiling existed, until the admin sets
/// another.
const MAX_ACCOUNTS: u32 = 10_000;

#[derive(Deserialize)]
pub(crate) struct OlderStateRecord {
    version: u64,
    admin_counter: u64,
    system: Option<OlderSystemRecord>,
}

#[derive(Deserialize)]
struct OlderSystemRecord {
    paymaster_secret: Secret,
    provisioned: OlderProvisioned,
}

#[derive(Deserialize)]
struct OlderProvisioned {
    admin: Address,
    paymaster_signer: Address,
    signers: BoundedList<OlderSigner, MAX_SIGNERS>,
    relying_parties: BoundedList<RelyingParty, MAX_RELYING_PARTIES>,
    ceilings: OlderCeilings,
}

#[derive(Deserialize)]
struct OlderSigner {
    address: Address,
    permissions: Permissions,
}

#[derive(Deserialize)]
struct OlderCeilings {
    deployments: BoundedList<Deployment, MAX_DEPLOYMENTS>,
    max_cost: Wei,
    max_window: u32,
}

impl OlderStateRecord {
    /// The same state, now with a TEE id.
    pub(crate) fn named(self, tee_id: TeeId) -> StateRecord {
        let Self { version, admin_counter, system } = self;
        StateRecord { version, admin_counter, system: system.map(SystemRecord::from), ..StateRecord::new(tee_id) }
    }
}

impl From<OlderSystemRecord> for SystemRecord {
    fn from(older: OlderSystemRecord) -> Self {
        let OlderSystemRecord { paymaster_secret, provisioned } = older;
        // Each signer took its own admin command after `Provision`, so these numbers are below the
        // counter, and every later record gets a number above it.
        let mut record = 0_u64;
        let signers = provisioned.signers.map(|OlderSigner { address, permissions }| {
            record = record.saturating_add(1);
            let (address, permissions) = (*address, *permissions);
            AuthorisedSigner { record, authorised_as: address, address, permissions, rotations: 0 }
        });
        let OlderCeilings { deployments, max_cost, max_window } = provisioned.ceilings;
        Self {
            paymaster_secret,
            standby_secret: None,
            provisioned: Provisioned {
                admin: provisioned.admin,
                paymaster_signer: provisioned.paymaster_signer,
                standby_paymaster_signer: None,
                signers,
                relying_parties: provisioned.relying_parties,
                ceilings: Ceilings { deployments, max_cost, max_window, max_accounts: MAX_ACCOUNTS },
                accounts: 0,
            },
        }
    }
}
