//! Sends the frames recorded from the core's property tests: OP-TEE must give the same replies,
//! byte for byte. Only a trusted application built for tests lets the host set its entropy and
//! write failures.

use std::collections::HashMap;
use std::time::Instant;

use optee_teec::raw::{TEEC_ERROR_TARGET_DEAD, TEEC_SUCCESS};
use proto::command::Hello;
use ta::memory::Fault;

use crate::storage::{self, Files};
use crate::support::tape::{Chapter, Event, Recording, Tape};
use crate::tee::Tee;

/// Recorded by the host's tests (`crates/ta/tests/properties/recording.rs`).
const RECORDING: &str = "/guest/recording";

const PANIC: u32 = 1;
const SEED: u32 = 2;
const FAIL: u32 = 3;

pub fn run() {
    let Recording(chapters) = Recording::decode(&std::fs::read(RECORDING).unwrap());
    let (mut player, started) = (Player::default(), Instant::now());
    for chapter in &chapters {
        player.play(chapter);
    }
    println!("{} in {:.1} s: all of them", player.total, started.elapsed().as_secs_f64());
    let Tally { worlds, instances, faults, frames, .. } = player.total;
    assert!(worlds > 300 && instances > 20 && faults > 100 && frames > 5000);
}

#[derive(Clone, Copy, Default)]
struct Tally {
    worlds: u32,
    starts: u32,
    instances: u32,
    faults: u32,
    frames: u32,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.starts += other.starts;
        self.instances += other.instances;
        self.faults += other.faults;
        self.frames += other.frames;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { worlds, starts, instances, faults, frames } = self;
        write!(f, "{worlds} worlds, {starts} starts, {instances} of another instance, {faults} faults, {frames} frames")
    }
}

#[derive(Default)]
struct Player {
    /// Set while the trusted application runs.
    tee: Option<Tee>,
    /// By the number of the tape that begins with them.
    kept: HashMap<u32, Files>,
    tally: Tally,
    total: Tally,
}

impl Player {
    fn play(&mut self, Chapter { name, tapes }: &Chapter) {
        let started = Instant::now();
        self.tally = Tally::default();
        self.kept.clear();
        for (number, tape) in tapes.iter().enumerate() {
            self.hold(name, number, tape);
        }
        println!("{} in {:.1} s: {name}", self.tally, started.elapsed().as_secs_f64());
        self.total.add(&self.tally);
    }

    fn hold(&mut self, name: &str, number: usize, tape: &Tape) {
        self.tally.worlds += 1;
        for (at, event) in tape.iter().enumerate() {
            match event {
                Event::Empty => storage::put_back(&Files::default()),
                Event::Restore(kept) => {
                    storage::put_back(&self.kept.remove(kept).expect("it was kept before"));
                }
                Event::Keep(kept) => drop(self.kept.insert(*kept, storage::keep())),
                Event::Open { seed } => {
                    let is_in_use = tape[..at].iter().any(|event| matches!(event, Event::Open { .. }));
                    self.start(seed, is_in_use);
                }
                Event::Fail { after, fault } => self.plan(*after, *fault),
                Event::Frame { frame, reply } => {
                    self.tally.frames += 1;
                    let answered = self.tee().handle(frame);
                    assert!(
                        answered == *reply,
                        "{name}, world {number}, event {at}:\nframe  {}\nmemory {}\nOP-TEE {}",
                        hex(frame),
                        hex(reply),
                        hex(&answered),
                    );
                }
            }
        }
    }

    /// A core with its storage opened. A core in use is dropped, sometimes with its whole instance,
    /// as at a power-off; a new world only needs another core.
    fn start(&mut self, seed: &[u8; 32], is_in_use: bool) {
        if is_in_use
            && self.tally.starts.is_multiple_of(4)
            && let Some(mut tee) = self.tee.take()
        {
            assert_eq!(tee.handle_as(PANIC, &[]), TEEC_ERROR_TARGET_DEAD);
            self.tally.instances += 1;
        }
        self.tally.starts += 1;
        let tee = self.tee.get_or_insert_with(|| Tee::open().unwrap());
        assert_eq!(tee.handle_as(SEED, seed), TEEC_SUCCESS, "is it built for tests?");
        tee.call(&Hello).unwrap();
    }

    fn plan(&mut self, after: u64, fault: Fault) {
        self.tally.faults += 1;
        let kind = match fault {
            Fault::Before => 0,
            Fault::After => 1,
            Fault::Refused => 2,
            Fault::Torn => panic!("OP-TEE's storage never writes half a record"),
        };
        let plan = [&after.to_be_bytes()[..], &[kind]].concat();
        assert_eq!(self.tee().handle_as(FAIL, &plan), TEEC_SUCCESS);
    }

    fn tee(&mut self) -> &mut Tee {
        self.tee.as_mut().expect("it was started")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
