//! The critical section that the curve's tables request while they are built. It does nothing,
//! because there is nothing to exclude.
#![expect(unsafe_code, reason = "the trait is unsafe to implement")]

use critical_section::{Impl, RawRestoreState, set_impl};

struct OneThread;

set_impl!(OneThread);

// SAFETY: a trusted application has one thread and no interrupts of its own, and OP-TEE never runs
// two entry points of one instance at once, so nothing can come in between.
unsafe impl Impl for OneThread {
    unsafe fn acquire() -> RawRestoreState {}

    unsafe fn release(_: RawRestoreState) {}
}
