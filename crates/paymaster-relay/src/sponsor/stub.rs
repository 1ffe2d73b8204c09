//! Stub data: what the final answer will weigh, with a signature that never validates.

use proto::{EntryPointVersion, Paymaster, Signature, Terms};

/// As long as a real one and with no more zero bytes, so that calldata is estimated right; the
/// contract recovers no signer from it, since r and s are beyond the order of the curve.
const INERT: Signature = Signature { r: [0xff; 32], s: [0xff; 32], v: 28 };

/// Paymaster fields for an estimate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    /// The fields.
    pub paymaster: Paymaster,
    /// Whose layout they have.
    pub version: EntryPointVersion,
}

impl Stub {
    pub(super) fn of(terms: &Terms, version: EntryPointVersion) -> Self {
        Self { paymaster: terms.signed(version, &INERT), version }
    }
}
