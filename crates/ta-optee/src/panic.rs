//! A panic ends the instance. Its log line contains the location only, not the message.

use core::panic::PanicInfo;

use optee_utee::raw::{TEE_ERROR_TARGET_DEAD, TEE_Panic};
use optee_utee::trace_println;

/// OP-TEE answers `TARGET_DEAD` in every session; the next session opened gets a fresh instance
/// with the same storage.
#[panic_handler]
#[expect(unsafe_code, reason = "the only way to end a trusted application")]
fn panic(info: &PanicInfo<'_>) -> ! {
    if let Some(place) = info.location() {
        trace_println!("[TA] panic at {}:{}:{}", place.file(), place.line(), place.column());
    }
    // SAFETY: the call takes a number and does not return.
    unsafe { TEE_Panic(TEE_ERROR_TARGET_DEAD) };
    loop {}
}
