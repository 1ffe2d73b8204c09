//! Property 1: a host that owns everything but the keys, over thousands of random sequences. It replays, mixes, mutates,
//! batches, restarts, makes writes fail, and may have the relays sign what it likes. Every signature in every reply must be one
//! that the model of what was approved allows.

mod host;
mod model;
mod steps;
mod tally;
mod verdict;

use std::cell::RefCell;

use proptest::collection::vec;
use proptest::test_runner::{Config, TestRunner};

use self::host::Host;
use self::steps::step;
use self::tally::Tally;

const SEQUENCES: u32 = 2000;
const STEPS: std::ops::Range<usize> = 4..18;

#[test]
fn nothing_is_signed_that_was_not_approved() {
    let (base, tally) = (Host::new(), RefCell::new(Tally::default()));
    let config = Config { cases: SEQUENCES, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&vec(step(), STEPS), |steps| {
        let mut host = base.fork();
        for step in &steps {
            host.take(step);
        }
        tally.borrow_mut().add(&host.tally);
        Ok(())
    });
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    // A harness that gets nothing signed proves nothing.
    let tally = tally.into_inner();
    assert!(tally.frames > 15_000, "{tally:?}");
    assert!(tally.sponsored > 1_000 && tally.without_passkey > 100 && tally.signed > 300, "{tally:?}");
    assert!(tally.administered > 300 && tally.created > 200 && tally.replayed > 150, "{tally:?}");
    assert!(tally.batched > 1_000, "{tally:?}");
    assert!(tally.refused > tally.frames / 4 && tally.restarts > 400 && tally.faults > 400, "{tally:?}");
}
