//! What a frame carries: the number of a command, and the types that go with it.

use serde::Serialize;
use serde::de::DeserializeOwned;

macro_rules! opcodes {
    ($($(#[$doc:meta])* $code:literal $name:ident,)*) => {
        /// Which command a frame carries.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Opcode {
            $($(#[$doc])* $name = $code,)*
        }

        impl Opcode {
            /// Every opcode, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The opcode of a number, if it has one.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

opcodes! {
    /// Wire version and limits.
    0 Hello,
    /// The bytes given, back again.
    1 Echo,
    /// Id, version and measurement of the trusted application.
    2 GetVersion,
    /// Owner address and passkeys of an account.
    14 GetWalletInfo,
    /// A wallet and its first passkey, in one step.
    20 CreateHybridAccount,
    /// The account's signature over an operation as given.
    21 SignWithHybridKey,
    /// Phase, counters, signers, ceilings and the platform's protection levels.
    22 VerifySecurityState,
    /// The paymaster's signature, and the account's with it.
    30 Sponsor,
    /// The admin, the relying parties and the first ceilings.
    40 Provision,
    /// A relay key and what it may do.
    41 AuthorizeSigner,
    /// No longer that record of a relay key.
    42 RevokeSigner,
    /// A new relay key in place of another.
    43 RotateSigner,
    /// Other ceilings.
    44 SetCeilings,
    /// A standby for the paymaster key. 45 to 47 are kept for commands about accounts.
    48 PreparePaymasterKey,
    /// The standby in place of the paymaster key.
    49 RotatePaymasterKey,
    /// Several frames, with a reply for each.
    50 Batch,
    /// What the platform vouches for: which keys live in which code.
    60 Attest,
}

/// A command with its fields, and the type of its reply.
pub trait Request: Serialize + DeserializeOwned {
    /// The number in the frame.
    const OPCODE: Opcode;
    /// What a reply of status `Ok` carries.
    type Reply: Serialize + DeserializeOwned;
}
