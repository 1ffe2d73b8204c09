//! Commands of the admin, each signed elsewhere as EIP-712 typed data, and the rotation of a relay
//! key, grouped by what they change.

mod allowance;
mod paymaster_key;
mod setup;
mod signers;

use serde::{Deserialize, Serialize};

pub use allowance::*;
pub use paymaster_key::*;
pub use setup::*;
pub use signers::*;

/// The command took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Always true.
    pub success: bool,
}

/// Conversions in both directions for commands with the same fields as the trusted application's.
macro_rules! same_fields {
    ($($command:ident { $($field:ident),* })*) => {
        $(
            impl From<&command::$command> for $command {
                fn from(command: &command::$command) -> Self {
                    Self { $($field: command.$field),* }
                }
            }

            impl From<$command> for command::$command {
                fn from(body: $command) -> Self {
                    Self { $($field: body.$field),* }
                }
            }
        )*
    };
}
use same_fields;
