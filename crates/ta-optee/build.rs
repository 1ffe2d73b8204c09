//! Writes the header that OP-TEE reads (UUID, flags, stack, heap, version) and passes the kit's
//! linker script to the linker.

use optee_utee_build::{Builder, Error, LinkerType, TaConfig};

const UUID: &str = include_str!("uuid.txt");

// GlobalPlatform TEE Internal Core API 1.3, table 4-11; the bit values are OP-TEE's
// (user_ta_header.h).
const SINGLE_INSTANCE: u32 = 1 << 2;
const MULTI_SESSION: u32 = 1 << 3;
const INSTANCE_KEEP_ALIVE: u32 = 1 << 4;

/// Bytes. The curve's tables are built on the stack before they are moved.
const STACK: u32 = 256 * 1024;
/// Bytes. The largest frame, its parsed form and its reply take less than one MiB, the account
/// cache at most three.
const HEAP: u32 = 4 * 1024 * 1024;
/// Only errors of the libraries used by the trusted application.
const TRACE_LEVEL: i32 = 1;

fn main() -> Result<(), Error> {
    println!("cargo:rerun-if-env-changed=SUPER_RELAY_TEST_TA");
    let for_tests = std::env::var_os("CARGO_FEATURE_FOR_TESTS").is_some();
    if for_tests && std::env::var("SUPER_RELAY_TEST_TA").as_deref() != Ok("1") {
        println!("cargo::error=the feature `for-tests` builds a trusted application that anyone can terminate");
    }
    println!("cargo:rerun-if-changed=uuid.txt");
    let config = TaConfig::new_default_with_cargo_env(UUID)?
        .ta_flags(SINGLE_INSTANCE | MULTI_SESSION | INSTANCE_KEEP_ALIVE)
        .ta_stack_size(STACK)
        .ta_data_size(HEAP)
        .trace_level(TRACE_LEVEL);
    Builder::new(config).linker_type(LinkerType::Cc).build()
}
