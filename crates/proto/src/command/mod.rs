//! The commands of the trusted application: they carry fields, never a bare hash (protocol, section
//! 6). One table lists them all; each is in the file of its group.

mod account;
mod admin;
mod allowance;
mod attest;
mod batch;
mod message;
mod reply_length;
mod sponsorship;
mod system;

use core::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::typed_data::{StructType, TypedData};

pub use account::{
    CreateHybridAccount, CredentialId, GetWalletInfo, PasskeyInfo, PasskeyPublicKey, Registration, SignatureScheme,
    WalletInfo,
};
pub use admin::*;
pub use allowance::{Allowance, Allowances, GetAllowances, SealAllowances};
pub use attest::{ATTESTATION_DOMAIN, Attest, AttestReply, ProvisionedKeys, Statement};
pub use batch::{Batch, BatchReply};
pub use message::{AccountDomain, MESSAGE_DOMAIN, MessageForm, OPERATION_HASH_LENGTH, SignMessage, SignMessageReply};
pub use sponsorship::{
    PasskeyAssertion, RelayApproval, SignReply, SignWithHybridKey, Sponsor, SponsorReply, user_signature_hash,
};
pub use system::{
    Echo, Echoed, GetVersion, Hello, Phase, Protection, Provisioned, SecurityState, TaHello, TaVersion,
    VerifySecurityState,
};

/// A command with its fields, and the type of its reply.
pub trait Request: Serialize + DeserializeOwned + PartialEq + Debug {
    /// The number in the frame.
    const OPCODE: Opcode;
    /// Payload of a reply with status `Ok`.
    type Reply: Serialize + DeserializeOwned + PartialEq + Debug;
}

/// An operation over the type of a command, for any command ([`Opcode::visit`]).
pub trait Visitor {
    /// Its result.
    type Output;

    /// Called with the type of the command.
    fn visit<R: Request>(self) -> Self::Output;
}

/// The subject of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The trusted application as a whole.
    System,
    /// The records of accounts, and their signatures over messages.
    Account,
    /// Signatures over user operations.
    Operation,
    /// Signed commands that set whom the trusted application trusts, and the ceilings.
    Admin,
}

/// Number, type, name, group and reply of each command. `batched` marks commands that a batch
/// accepts, with the maximum length of their reply after the status, in bytes. A signed command
/// names the trait that provides the signed type.
macro_rules! commands {
    ($(
        $(#[$doc:meta])*
        $code:literal $command:ident $name:ident $group:ident => $reply:ty
        $(, batched $limit:expr)? $(, signed as $signed:path)?;
    )*) => {
        /// The command that a frame carries.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Opcode {
            $($(#[$doc])* $command = $code,)*
        }

        impl Opcode {
            /// Every opcode, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$command),*];

            /// The opcode with this number, if there is one.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$command),)*
                    _ => None,
                }
            }

            /// In snake case, for audit rows.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$command => stringify!($name),)*
                }
            }

            /// The group it belongs to.
            #[must_use]
            pub const fn group(self) -> Group {
                match self {
                    $(Self::$command => Group::$group,)*
                }
            }

            /// Length of the command's longest reply, in bytes; `None` if a batch does not accept
            /// it: signed commands and the creation of accounts, which have permanent effects, a
            /// batch within a batch, and queries about the trusted application as a whole.
            #[must_use]
            pub const fn batched_reply_limit(self) -> Option<usize> {
                match self {
                    $(Self::$command => commands!(@limit $($limit)?),)*
                }
            }

            /// The typed data that is signed for the command, if it is signed.
            #[must_use]
            pub const fn typed_data(self) -> Option<&'static StructType> {
                match self {
                    $(Self::$command => commands!(@typed $command $($signed)?),)*
                }
            }

            /// Calls the visitor with the type of the command.
            pub fn visit<V: Visitor>(self, visitor: V) -> V::Output {
                match self {
                    $(Self::$command => visitor.visit::<$command>(),)*
                }
            }
        }

        $(impl Request for $command {
            const OPCODE: Opcode = Opcode::$command;
            type Reply = $reply;
        })*
    };
    (@limit) => { None };
    (@limit $limit:expr) => { Some(reply_length::STATUS + $limit) };
    (@typed $command:ident) => { None };
    (@typed $command:ident $signed:path) => { Some(<$command as $signed>::TYPE) };
}

commands! {
    /// The wire version and limits.
    0 Hello hello System => TaHello, batched TaHello::LONGEST;
    /// Returns the given bytes.
    1 Echo echo System => Echoed, batched Echoed::LONGEST;
    /// Id, version and measurement of the trusted application.
    2 GetVersion get_version System => TaVersion, batched TaVersion::LONGEST;
    /// Owner address and passkeys of an account.
    14 GetWalletInfo get_wallet_info Account => WalletInfo, batched WalletInfo::LONGEST;
    /// A wallet and its first passkey, in one step.
    20 CreateHybridAccount create_hybrid_account Account => WalletInfo;
    /// The account's signature over an operation as given.
    21 SignWithHybridKey sign_with_hybrid_key Operation => SignReply, batched SignReply::LONGEST;
    /// Phase, counters, signers, ceilings and the platform's protection levels.
    22 VerifySecurityState verify_security_state System => SecurityState;
    /// What may still be signed for each deployment.
    23 GetAllowances get_allowances System => Allowances;
    /// Seals exactly what was spent of the allowances.
    24 SealAllowances seal_allowances System => ();
    /// The paymaster's signature, and the account's with it.
    30 Sponsor sponsor Operation => SponsorReply, batched SponsorReply::LONGEST;
    /// The admin, the relying parties and the first ceilings.
    40 Provision provision Admin => (), signed as TypedData;
    /// A relay key and what it may do.
    41 AuthorizeSigner authorize_signer Admin => (), signed as TypedData;
    /// Removes a relay key record.
    42 RevokeSigner revoke_signer Admin => (), signed as TypedData;
    /// Replaces a relay key.
    43 RotateSigner rotate_signer Admin => (), signed as TypedData;
    /// Replaces the ceilings.
    44 SetCeilings set_ceilings Admin => (), signed as TypedData;
    /// A standby for the paymaster key. 45 to 47 are reserved for commands about accounts.
    48 PreparePaymasterKey prepare_paymaster_key Admin => (), signed as TypedData;
    /// Replaces the paymaster key by the standby.
    49 RotatePaymasterKey rotate_paymaster_key Admin => (), signed as TypedData;
    /// Several frames, with a reply for each.
    50 Batch batch System => BatchReply;
    /// Sets how much may be signed for a deployment in all.
    51 SetAllowance set_allowance Admin => (), signed as TypedData;
    /// The platform's attestation: which keys live in which code.
    60 Attest attest System => AttestReply;
    /// The account's signature over a message, for login.
    61 SignMessage sign_message Account => SignMessageReply, batched SignMessageReply::LONGEST;
}

/// Calls the macro with the commands that only the admin gives to a provisioned TEE, so that hosts
/// can generate code for each.
#[macro_export]
macro_rules! admin_commands {
    ($callback:ident) => {
        $callback! { AuthorizeSigner, RevokeSigner, SetCeilings, PreparePaymasterKey, RotatePaymasterKey, SetAllowance }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_commands_lists_every_admin_command() {
        macro_rules! opcodes {
            ($($command:ident),*) => { [$(Opcode::$command),*] };
        }
        // `Provision` is the first command; relay keys sign `RotateSigner`.
        let others = [Opcode::Provision, Opcode::RotateSigner];
        let signed = Opcode::ALL.iter().filter(|opcode| opcode.group() == Group::Admin && !others.contains(opcode));
        assert!(signed.eq(&admin_commands!(opcodes)));
        assert!(Opcode::ALL.iter().all(|opcode| opcode.typed_data().is_some() == (opcode.group() == Group::Admin)));
    }
}
