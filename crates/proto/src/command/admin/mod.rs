//! Commands of the admin, and the rotation of a relay key, grouped by what they change. Each is
//! signed as EIP-712 typed data ([`crate::typed_data`]) that names its TEE and shows every field.

mod allowance;
mod paymaster_key;
mod setup;
mod signers;

use alloc::string::String;

use super::Request;
use crate::primitives::{Address, TeeId};
use crate::signature::Signature;
use crate::typed_data::{Field, Kind, TypedData, Value};

pub use allowance::*;
pub use paymaster_key::*;
pub use setup::*;
pub use signers::*;

/// A command signed as typed data, whoever signs it.
pub trait SignedCommand: Request + TypedData {
    /// The only TEE that accepts it.
    fn tee_id(&self) -> TeeId;

    /// The key that the command concerns, for logs and audit rows.
    fn key(&self) -> Option<Address> {
        None
    }
}

/// A command of the admin.
pub trait AdminRequest: SignedCommand {
    /// The counter the command is signed for: one more than `VerifySecurityState` reports. A
    /// command that takes effect increments the counter in the same write, so no signature takes
    /// effect twice. After `StorageFailed` or `CounterFailed` the command may or may not have taken
    /// effect: query `VerifySecurityState`.
    fn counter(&self) -> u64;

    /// The admin's signature over [`TypedData::digest`].
    fn signature(&self) -> Signature;

    /// Replaces the admin's signature.
    fn set_signature(&mut self, signature: Signature);
}

/// `signed_command!(Command, about field)`: `field` holds the key that the command concerns, if
/// any.
macro_rules! signed_command {
    ($command:ident $(, about $key:ident)?) => {
        impl super::SignedCommand for $command {
            fn tee_id(&self) -> TeeId {
                self.tee_id
            }

            $(fn key(&self) -> Option<primitives::Address> {
                Some(self.$key)
            })?
        }
    };
}
use signed_command;

/// The same for a command of the admin.
macro_rules! admin_request {
    ($command:ident $(, about $key:ident)?) => {
        super::signed_command!($command $(, about $key)?);

        impl super::AdminRequest for $command {
            fn counter(&self) -> u64 {
                self.counter
            }

            fn signature(&self) -> Signature {
                self.signature
            }

            fn set_signature(&mut self, signature: Signature) {
                self.signature = signature;
            }
        }
    };
}
use admin_request;

const TEE_ID: Field = field("teeId", Kind::Bytes32);
const COUNTER: Field = field("counter", Kind::Uint(64));

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

fn text(text: &str) -> Value {
    Value::Text(String::from(text))
}

fn number(number: impl Into<u128>) -> Value {
    Value::Uint(number.into())
}
