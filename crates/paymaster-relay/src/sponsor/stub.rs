//! Stub data: the same size as the final answer, with a signature that never validates.

use proto::{EntryPointVersion, Paymaster, Signature, Terms};

/// As long as a real one and with no more zero bytes, so that calldata is estimated correctly; the
/// contract cannot recover a signer, since r and s exceed the order of the curve.
pub(super) const INERT: Signature = Signature { r: [0xff; 32], s: [0xff; 32], v: 28 };

/// Paymaster fields for an estimate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    /// The fields.
    pub paymaster: Paymaster,
    /// The EntryPoint version, which decides their layout.
    pub version: EntryPointVersion,
}

impl Stub {
    pub(super) fn of(terms: &Terms, version: EntryPointVersion) -> Self {
        Self { paymaster: terms.signed(version, &INERT), version }
    }
}
