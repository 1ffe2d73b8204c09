//! Property 1: a host that controls everything except the keys, over thousands of random sequences.
//! It replays, mixes, mutates, batches, restarts, makes writes fail, and may have the relays sign
//! anything. Every signature in every reply must be one that the model of approvals allows.

mod host;
mod model;
mod steps;
mod tally;
mod verdict;

use std::cell::RefCell;

use proptest::collection::vec;
use proptest::test_runner::TestRunner;

use self::host::Host;
use self::steps::step;
use self::tally::Tally;
use crate::cases::cases;

const SEQUENCES: u32 = 2000;
/// Sequences in a recording.
pub const RECORDED: u32 = 100;
const STEPS: std::ops::Range<usize> = 4..18;

#[test]
pub fn nothing_is_signed_that_was_not_approved() {
    let (base, tally) = (Host::new(), RefCell::new(Tally::default()));
    let config = cases(SEQUENCES, RECORDED);
    let sequences = config.cases;
    let outcome = TestRunner::new(config).run(&vec(step(), STEPS), |steps| {
        let mut host = base.fork();
        for step in &steps {
            host.take(step);
        }
        tally.borrow_mut().add(&host.tally);
        Ok(())
    });
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    // A harness in which nothing gets signed would prove nothing.
    let tally = tally.into_inner();
    let at_least = |count: u32, in_thousand: u32| assert!(count * 1000 > sequences * in_thousand, "{tally:?}");
    at_least(tally.frames, 7500);
    at_least(tally.sponsored, 500);
    at_least(tally.without_passkey, 50);
    at_least(tally.listed, 150);
    at_least(tally.signed, 150);
    at_least(tally.messages, 50);
    at_least(tally.administered, 150);
    at_least(tally.created, 100);
    at_least(tally.paymaster_keys, 10);
    at_least(tally.replayed, 75);
    at_least(tally.batched, 500);
    at_least(tally.refused, tally.frames * 250 / sequences);
    at_least(tally.restarts, 200);
    at_least(tally.faults, 200);
}
