//! The critical section that the curve's tables ask for while they are built: there is nothing to
//! keep out.
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
