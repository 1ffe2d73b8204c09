//! Commands of the admin, and the rotation of a relay key. Each is signed as EIP-712 typed data
//! ([`crate::typed_data`]) that names the TEE it is for and shows every field.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::Request;
use crate::bytes::{Bounded, BoundedList};
use crate::entry_point::EntryPoint;
use crate::limits;
use crate::number::Wei;
use crate::primitives::{Address, TeeId};
use crate::signature::Signature;
use crate::signers::Permissions;
use crate::typed_data::TypedData;

/// A command that is signed as typed data, whoever signs it.
pub trait SignedCommand: Request + TypedData {
    /// The only TEE that takes it.
    fn tee_id(&self) -> TeeId;
}

/// A command of the admin.
pub trait AdminRequest: SignedCommand {
    /// The counter it is meant for: one more than `VerifySecurityState` tells. A command that takes
    /// effect moves the counter in the same write, so no signature has an effect twice. After
    /// `StorageFailed` or `CounterFailed` it may have taken effect or not: `VerifySecurityState`
    /// tells.
    fn counter(&self) -> u64;

    /// The admin's, over [`TypedData::digest`].
    fn signature(&self) -> Signature;
}

/// The first command of a new trusted application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provision {
    /// See [`SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// Whose signature admin commands need from now on, this one included.
    pub admin: Address,
    /// Where passkeys may come from.
    pub relying_parties: BoundedList<RelyingParty, { limits::MAX_RELYING_PARTIES }>,
    /// What is never exceeded, whatever host and relay say.
    pub ceilings: Ceilings,
    /// See [`AdminRequest::counter`]. 1: no command came before it.
    pub counter: u64,
    /// By `admin`.
    pub signature: Signature,
}

/// A relying party and the origins its ceremonies run at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelyingParty {
    /// The domain, as the browser hashes it.
    pub id: Bounded<String, { limits::MAX_NAME }>,
    /// Scheme, host and port, compared as they are.
    pub origins: BoundedList<Bounded<String, { limits::MAX_NAME }>, { limits::MAX_RELYING_PARTIES }>,
}

/// Bounds on what the trusted application signs and keeps (property 11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceilings {
    /// The only places it signs for.
    pub deployments: BoundedList<Deployment, { limits::MAX_DEPLOYMENTS }>,
    /// Worst case of one sponsored operation.
    pub max_cost: Wei,
    /// Seconds from the relay's timestamp to `validUntil`.
    pub max_window: u32,
    /// Accounts that may be made; 0 for none.
    pub max_accounts: u32,
}

/// A paymaster of ours and the EntryPoint it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Deployment {
    /// Chain, contract and version.
    pub entry_point: EntryPoint,
    /// The paymaster contract.
    pub paymaster: Address,
}

/// Admits a relay key: makes a record of it, whose number is this command's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizeSigner {
    /// See [`SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// Its address.
    pub signer: Address,
    /// What it may do.
    pub permissions: Permissions,
    /// See [`AdminRequest::counter`].
    pub counter: u64,
    /// By the admin.
    pub signature: Signature,
}

/// Removes the record of a relay key, at once: the key that is in it by then, however often it was
/// rotated since this was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeSigner {
    /// See [`SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// The record's number.
    pub record: u64,
    /// The address that the record was made for. It says to the admin which one it is, and has to
    /// match.
    pub authorised_as: Address,
    /// See [`AdminRequest::counter`].
    pub counter: u64,
    /// By the admin.
    pub signature: Signature,
}

/// Puts a new relay key in the place of another, in the same record. Both keys sign the digest;
/// unless the record has the permission to rotate, the admin signs it too. It counts on the record
/// and not on the admin's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateSigner {
    /// See [`SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// The record's number.
    pub record: u64,
    /// One more than the record's rotations so far.
    pub rotation: u64,
    /// The key that leaves.
    pub current: Address,
    /// The key that takes its place, with the same permissions.
    pub next: Address,
    /// By `current`.
    pub current_signature: Signature,
    /// By `next`.
    pub next_signature: Signature,
    /// By the admin.
    pub admin_signature: Option<Signature>,
}

/// Replaces the ceilings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetCeilings {
    /// See [`SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// The new ones.
    pub ceilings: Ceilings,
    /// See [`AdminRequest::counter`].
    pub counter: u64,
    /// By the admin.
    pub signature: Signature,
}

/// Makes a standby for the paymaster key, in place of an earlier standby. `VerifySecurityState` and
/// `Attest` tell its address, for the contracts to admit before it signs anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparePaymasterKey {
    /// See [`SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// See [`AdminRequest::counter`].
    pub counter: u64,
    /// By the admin.
    pub signature: Signature,
}

/// Has the standby sign for the paymasters from now on. The key before it is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatePaymasterKey {
    /// See [`SignedCommand::tee_id`].
    pub tee_id: TeeId,
    /// The standby's address.
    pub next: Address,
    /// See [`AdminRequest::counter`].
    pub counter: u64,
    /// By the admin.
    pub signature: Signature,
}

macro_rules! signed_commands {
    ($($command:ident),*) => {
        $(impl SignedCommand for $command {
            fn tee_id(&self) -> TeeId {
                self.tee_id
            }
        })*
    };
}

macro_rules! admin_requests {
    ($($command:ident),*) => {
        signed_commands!($($command),*);

        $(impl AdminRequest for $command {
            fn counter(&self) -> u64 {
                self.counter
            }

            fn signature(&self) -> Signature {
                self.signature
            }
        })*
    };
}

admin_requests!(Provision, AuthorizeSigner, RevokeSigner, SetCeilings, PreparePaymasterKey, RotatePaymasterKey);
signed_commands!(RotateSigner);
