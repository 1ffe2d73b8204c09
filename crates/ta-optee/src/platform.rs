//! What the platform tells of itself, passed on and never improved.

use alloc::format;
use alloc::string::String;
use core::hint::black_box;

use optee_utee::property::{PropertyKey, TeeSystemTimeProtectionLevel, TeeTrustedStorageAntiRollbackProtectionLevel};
use proto::command::Protection;
use proto::{Bounded, Hash};
use ta::Platform;

/// SHA-256 of the ELF as built, with these bytes as they stand here; `scripts/optee/ta` puts it in
/// before it signs. It names the build to whoever trusts this trusted application already, and
/// proves nothing to anyone else: for that the platform has to attest it.
#[used]
static MEASUREMENT: [u8; 32] = *b"super-relay measurement not set.";

/// Whose key signs what is built here, as it stands in the version: `scripts/optee/ta` writes
/// `own-key` there when it is not the kit's, which everybody has. A note for operators: it proves
/// nothing, and OP-TEE loads by its own key.
#[used]
static KEY: [u8; 32] = *b"super-relay key: development-key";
const KEY_PREFIX: &str = "super-relay key: ";

/// Enforced by hardware that the trusted OS controls (GlobalPlatform TEE Internal Core API 1.3,
/// section 4.7). The level below it, 100, is enforced by the normal world: by the attacker.
const LEVEL_TEE_HARDWARE: u32 = 1000;

/// What `VerifySecurityState` reports.
pub(crate) fn describe() -> Platform {
    let rollback = hardware_or(Protection::None, TeeTrustedStorageAntiRollbackProtectionLevel.get().ok());
    Platform {
        version: Bounded::new(version()).unwrap_or_default(),
        // The script writes other bytes there than the compiler sees.
        measurement: Hash(*black_box(&MEASUREMENT)),
        // OP-TEE seals under the device's key; the host can't read or forge it, but put all of it
        // back where nothing keeps it from doing so.
        storage: if rollback == Protection::Hardware { rollback } else { Protection::SecureWorld },
        rollback,
        time: hardware_or(Protection::None, TeeSystemTimeProtectionLevel.get().ok()),
    }
}

/// With the key as build metadata (Semantic Versioning 2.0.0, item 10).
fn version() -> String {
    let key = core::str::from_utf8(black_box(&KEY)).ok().and_then(|key| key.strip_prefix(KEY_PREFIX));
    let for_tests = if cfg!(feature = "for-tests") { ".for-tests" } else { "" };
    format!("{}+{}{for_tests}", env!("CARGO_PKG_VERSION"), key.unwrap_or_default().trim_end())
}

/// A level that can't be read protects nothing.
fn hardware_or(otherwise: Protection, level: Option<u32>) -> Protection {
    match level {
        Some(level) if level >= LEVEL_TEE_HARDWARE => Protection::Hardware,
        _ => otherwise,
    }
}
