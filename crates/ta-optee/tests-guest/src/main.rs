//! Tests of the trusted application inside OP-TEE. They run in the guest, in one of several modes:
//! with a new trusted application (`first`), one provisioned before a power cycle (`again`), one
//! whose files were `damaged` since, and so on. They fail by panicking; the last line reports
//! success.

mod again;
mod allowance;
mod attestation;
mod conformance;
mod damaged;
mod double_fetch;
mod entry;
mod first;
mod fixtures;
mod inside;
mod rollback;
mod shared;
mod storage;
#[path = "../../../ta/tests/properties/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "shared with the tests of the core, which use more of it")]
mod support;
mod tee;
mod timings;

use std::time::Instant;

use tee::Tee;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("first") => {
            let tee = &mut open();
            first::run(tee);
            entry::run(tee);
            shared::run(tee);
        }
        Some("again") => again::run(&mut open()),
        Some("allowance") => allowance::before(&mut open()),
        Some("allowance-again") => allowance::after(&mut open()),
        Some("timings") => {
            let tee = &mut open();
            timings::run(tee);
            shared::timings();
        }
        Some("inside") => inside::floor(&mut open()),
        Some("room") => inside::room(&mut open()),
        Some("damaged") => damaged::run(),
        Some("attestation") => attestation::run(&mut open()),
        Some("attestation-again") => attestation::again(&mut open()),
        Some("attestation-unavailable") => attestation::unavailable(&mut open()),
        Some("conformance") => conformance::run(),
        Some("double-fetch") => double_fetch::run(&mut open()),
        Some("panic") => panics(&mut open()),
        Some("rollback-before") => rollback::before(&mut open()),
        Some("rollback-after") => rollback::after(&mut open()),
        Some("rollback-accepted") => rollback::accepted(&mut open()),
        Some("rollback-refused") => rollback::refused(),
        Some("rollback-restored") => rollback::restored(&mut open()),
        _ => panic!("usage: guest-tests MODE, see main.rs for the modes"),
    }
    println!("all passed");
}

fn open() -> Tee {
    let started = Instant::now();
    let tee = Tee::open().expect("OP-TEE loads the trusted application");
    println!("session opened in {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    tee
}

/// Ends the instance, if a build for tests has a command for that.
fn panics(tee: &mut Tee) {
    const PANIC: u32 = 1;
    assert_eq!(tee.handle_as(PANIC, &[]), optee_teec::raw::TEEC_ERROR_TARGET_DEAD);
}

/// Runs one test and reports that it passed.
pub(crate) fn rule(name: &str, check: impl FnOnce()) {
    let started = Instant::now();
    check();
    println!("held in {:7.1} ms: {}", started.elapsed().as_secs_f64() * 1e3, name.replace('_', " "));
}

macro_rules! rules {
    ($tee:expr, $($rule:ident),* $(,)?) => { $( crate::rule(stringify!($rule), || $rule($tee)); )* };
}
pub(crate) use rules;
