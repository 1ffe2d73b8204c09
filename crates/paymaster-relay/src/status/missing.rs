//! Problems that prevent sponsorships, as texts for operators.

use std::fmt;

use proto::{Address, EntryPointVersion, Wei};
use thiserror::Error;

use crate::error::RelayError;

/// A problem that prevents sponsorships.
#[derive(Debug, Error)]
pub(super) enum Missing {
    #[error("{}", _0.in_full())]
    Part(#[from] RelayError),
    #[error("the node at {keys}.rpc_url serves chain {served}, and {keys}.chain_id is {configured}")]
    OtherChain { keys: &'static str, served: u64, configured: u64 },
    #[error("chain {chain_id} has no contract at {address}, which relay.deployments names as {role}")]
    NoContract { chain_id: u64, address: Address, role: &'static str },
    #[error(
        "the EntryPoint {address} does not hash operations as version {version} does, which relay.deployments names for it: \
         nothing that is signed for it would be valid"
    )]
    OtherVersion { address: Address, version: EntryPointVersion },
    #[error("the KMS's clock is {seconds} s {direction} this host's")]
    KmsClock { seconds: u64, direction: &'static str },
    #[error("the TEE does not authorise the relay key {address} to sponsor: {admin} authorize {address}{permissions}")]
    RelayKey { address: Address, admin: AdminOf, permissions: &'static str },
    #[error(
        "the TEE does not authorise the relay key {address}, and a rotation of it is not over: the KMS may have accepted the next \
         key, and is asked again every few seconds"
    )]
    RotationOpen { address: Address },
    #[error(
        "record {record} of the TEE was this relay's, and another key was put in place of {address}: {now}. Unless somebody of \
         yours did that, the relay's key is stolen: {admin} revoke {authorised_as} --record {record}, and authorise a new key \
         (another relay.relay_key.file), not {address} again"
    )]
    RelayKeyReplaced { record: u64, address: Address, authorised_as: Address, now: Address, admin: AdminOf },
    #[error(
        "record {record} of the TEE, which had the relay key {address}, was revoked. If that key was stolen, or somebody had \
         replaced it: use a new one (another relay.relay_key.file); otherwise {admin} authorize {address}{permissions}"
    )]
    RelayKeyRevoked { record: u64, address: Address, admin: AdminOf, permissions: &'static str },
    #[error(
        "the TEE authorises the relay key {address} without the permission sponsor: {}",
        admin.anew(*address, wanted)
    )]
    MayNotSponsor { address: Address, admin: AdminOf, wanted: String },
    #[error(
        "allow_without_passkey of {policies} needs the permission sponsor_without_passkey, which the TEE does not grant the \
         relay key {address}: remove the setting from the policy, or {}",
        admin.anew(*address, wanted)
    )]
    WithoutPasskey { policies: String, address: Address, admin: AdminOf, wanted: String },
    #[error(
        "the deployments of the TEE's ceilings lack {deployments}, which relay.deployments names: add what is missing \
         (super-relay admin set-ceilings)"
    )]
    Deployments { deployments: String },
    #[error(
        "max_cost_per_operation of {policies} is above what the TEE signs, {found} (its ceiling maxCost): lower it to {found}, \
         or raise the ceiling (super-relay admin set-ceilings)"
    )]
    TeeCost { policies: String, found: Wei },
    #[error(
        "the TEE has no allowance: what it signs is bounded by the paymasters' deposits only. Set one for each deployment (super-relay \
         admin set-allowance), or accept that: relay.require_allowances = false"
    )]
    NoAllowance,
    #[error(
        "{remaining} remain of the TEE's allowance for chain {chain_id}, EntryPoint {entry_point}, paymaster {paymaster}, and the \
         largest max_cost_per_operation of the policies is {largest}: raise the total (super-relay admin set-allowance)"
    )]
    AllowanceLow { chain_id: u64, entry_point: Address, paymaster: Address, remaining: Wei, largest: Wei },
    #[error("the paymaster {paymaster} does not admit the TEE's signer {signer}: propose and activate it")]
    SignerNotAdmitted { paymaster: Address, signer: Address },
    #[error(
        "the paymaster {paymaster} does not admit the TEE's signer {signer} yet: it is proposed and can be activated {}: \
         activateSigner({signer})",
        when(*activatable_at, *wait)
    )]
    SignerProposed { paymaster: Address, signer: Address, activatable_at: u64, wait: u64 },
    #[error(
        "the paymaster {paymaster} accepts windows of maxWindow = {found} s, and relay.max_window_seconds is {wanted}: lower it to \
         {found}, or deploy the contract with {wanted}"
    )]
    ContractWindow { paymaster: Address, found: u32, wanted: u64 },
    #[error(
        "the TEE signs windows of {found} s (its ceiling maxWindow), and relay.max_window_seconds is {wanted}: lower it to \
         {found}, or raise the ceiling (super-relay admin set-ceilings)"
    )]
    TeeWindow { found: u32, wanted: u64 },
    #[error("the paymaster {paymaster} is paused: its owner can unpause() it")]
    Paused { paymaster: Address },
    #[error(
        "the paymaster {paymaster} has a deposit of {deposit} gwei, of which {reserved} gwei are reserved: the rest does \
         not cover the largest max_cost_per_operation of the policies, {largest}: deposit() more"
    )]
    DepositLow { paymaster: Address, deposit: i64, reserved: i64, largest: Wei },
    #[error(
        "the deposit of the paymaster {paymaster} lasts {hours:.1} hours at the rate of the last 24, and \
         relay.ledger.min_hours_left is {wanted}: deposit() more"
    )]
    DepositShort { paymaster: Address, hours: f64, wanted: u64 },
    #[error("passkeys of the KMS belong to the relying party {found:?} (kms.rp_id), and relay.rp_id is {wanted:?}")]
    OtherRelyingParty { found: String, wanted: String },
    #[error(
        "the paymaster {paymaster} has a deposit of {deposit} gwei, and {percent} percent of it \
         (relay.reservations.max_percent_unproven) do not cover the largest max_cost_per_operation of the policies with \
         allow_without_passkey, {largest}"
    )]
    UnprovenShareLow { paymaster: Address, deposit: i64, percent: u8, largest: Wei },
    #[error("unknown: it could not be read from the chain, see chain")]
    ChainUnknown,
    #[error("unknown: the TEE's signers and ceilings could not be read, see tee")]
    TeeUnknown,
}

/// The beginning of an admin command. The TEE's ID is the one that the admin keeps: an ID reported
/// by a gateway may belong to another TEE.
#[derive(Clone, Debug)]
pub(super) struct AdminOf {
    pub(super) kms: Option<String>,
}

impl AdminOf {
    /// Commands to change the permissions of an authorised key, which cannot be authorised twice.
    fn anew(&self, address: Address, permissions: &str) -> String {
        format!("{self} revoke {address}, then {self} authorize {address} --permissions {permissions}")
    }
}

impl fmt::Display for AdminOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "super-relay admin --kms {} --tee-id ID", self.kms.as_deref().unwrap_or("URL"))
    }
}

/// A Unix time, and how far it is ahead of the chain.
fn when(activatable_at: u64, wait: u64) -> String {
    match wait {
        0 => "now".to_owned(),
        _ => format!("in {wait} s (at Unix time {activatable_at})"),
    }
}

pub(super) fn in_words(outcome: Result<(), Missing>) -> Result<(), String> {
    outcome.map_err(|missing| missing.to_string())
}
