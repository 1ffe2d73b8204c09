//! The platform's own claims about its protection, reported unchanged.

use alloc::format;
use alloc::string::String;
use core::hint::black_box;

use optee_utee::property::{PropertyKey, TeeSystemTimeProtectionLevel, TeeTrustedStorageAntiRollbackProtectionLevel};
use proto::command::Protection;
use proto::{Bounded, Hash};
use ta::Platform;

/// SHA-256 of the ELF as built, with this placeholder in place; `scripts/optee/ta` inserts it
/// before signing. It identifies the build to those who already trust this trusted application, and
/// proves nothing to anyone else: that requires attestation by the platform.
#[used]
static MEASUREMENT: [u8; 32] = *b"super-relay measurement not set.";

/// Which key signs this build, as shown in the version: `scripts/optee/ta` writes `own-key` here
/// unless the key is the kit's public one. It is a note for operators and proves nothing: OP-TEE
/// verifies with its own key.
#[used]
static KEY: [u8; 32] = *b"super-relay key: development-key";
const KEY_PREFIX: &str = "super-relay key: ";

/// Enforced by hardware that the trusted OS controls (GlobalPlatform TEE Internal Core API 1.3,
/// section 4.7). The next lower level, 100, is enforced by the normal world, which the attacker may
/// control.
const LEVEL_TEE_HARDWARE: u32 = 1000;

/// The facts that `VerifySecurityState` reports.
pub(crate) fn describe() -> Platform {
    let rollback = hardware_or(Protection::None, TeeTrustedStorageAntiRollbackProtectionLevel.get().ok());
    Platform {
        version: Bounded::new(version()).unwrap_or_default(),
        // The script replaces these bytes after compilation.
        measurement: Hash(*black_box(&MEASUREMENT)),
        // OP-TEE seals under the device's key. The host cannot read or forge records, but can
        // restore an older state of all of them unless rollback protection prevents it.
        storage: if rollback == Protection::Hardware { rollback } else { Protection::SecureWorld },
        rollback,
        time: hardware_or(Protection::None, TeeSystemTimeProtectionLevel.get().ok()),
    }
}

/// The version with the key as build metadata (Semantic Versioning 2.0.0, item 10).
fn version() -> String {
    let key = core::str::from_utf8(black_box(&KEY)).ok().and_then(|key| key.strip_prefix(KEY_PREFIX));
    let for_tests = if cfg!(feature = "for-tests") { ".for-tests" } else { "" };
    format!("{}+{}{for_tests}", env!("CARGO_PKG_VERSION"), key.unwrap_or_default().trim_end())
}

/// A level that cannot be read counts as no protection.
fn hardware_or(otherwise: Protection, level: Option<u32>) -> Protection {
    match level {
        Some(level) if level >= LEVEL_TEE_HARDWARE => Protection::Hardware,
        _ => otherwise,
    }
}
