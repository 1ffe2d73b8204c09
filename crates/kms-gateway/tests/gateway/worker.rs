//! The thread that owns a TEE session, with scripted sessions that die, break, get stuck and come
//! back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kms_gateway::transport::{Asker, Busy, Session, SessionError, TransportError, Worker, WorkerOptions};
use proto::command::{Attest, Echo, GetVersion, Opcode, Protection, Request, VerifySecurityState};
use proto::frame::{encode_refusal, encode_request, split_request};
use proto::{Bounded, Status};
use ta::Core;
use ta::memory::{MemoryDevice, SeededEntropy};
use tokio::task::JoinHandle;

use crate::support::{Gate, OPTIONS, PATIENCE, at_once, platform, showing, until};

/// The outcome of one call.
#[derive(Clone, Copy)]
enum Fate {
    Dead,
    Broken,
    Panic,
}

/// The planned outcomes, and a record of what happened.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Acts>>);

#[derive(Default)]
struct Acts {
    /// Outcomes of the next calls; later calls are answered.
    calls: VecDeque<Fate>,
    /// Number of attempts to open a session that fail.
    failing_opens: usize,
    opens: usize,
    /// Every frame that a session was given.
    seen: Vec<Vec<u8>>,
}

impl Script {
    fn calls(&self, fates: impl IntoIterator<Item = Fate>) {
        self.0.lock().unwrap().calls.extend(fates);
    }

    fn opens_fail(&self, times: usize) {
        self.0.lock().unwrap().failing_opens = times;
    }

    fn opens(&self) -> usize {
        self.0.lock().unwrap().opens
    }

    fn times_seen(&self, frame: &[u8]) -> usize {
        self.0.lock().unwrap().seen.iter().filter(|seen| *seen == frame).count()
    }

    fn frames_seen(&self) -> usize {
        self.0.lock().unwrap().seen.len()
    }

    fn open(&self) -> Result<(), &'static str> {
        let mut acts = self.0.lock().unwrap();
        acts.opens += 1;
        if acts.failing_opens > 0 && acts.opens > 1 {
            acts.failing_opens -= 1;
            return Err("as the script says");
        }
        Ok(())
    }

    /// A session that answers with `answer` once it has passed the gate.
    fn session<F: FnMut(&[u8]) -> Vec<u8>>(&self, gate: Gate, mut answer: F) -> impl Session + use<F> {
        let script = self.clone();
        move |frame: &[u8]| {
            let fate = {
                let mut acts = script.0.lock().unwrap();
                acts.seen.push(frame.to_vec());
                acts.calls.pop_front()
            };
            gate.pass();
            match fate {
                None => Ok(answer(frame)),
                Some(Fate::Dead) => Err(SessionError::Dead("as the script says".into())),
                Some(Fate::Broken) => Err(SessionError::Broken("as the script says".into())),
                Some(Fate::Panic) => panic!("as the script says"),
            }
        }
    }

    /// A worker whose sessions echo every frame.
    fn echo(&self, options: WorkerOptions, gate: &Gate) -> Arc<Worker> {
        let (script, gate) = (self.clone(), gate.clone());
        let worker = Worker::start(options, move || {
            script.open()?;
            let session = script.session(gate.clone(), <[u8]>::to_vec);
            Ok::<_, &'static str>(showing(platform(Protection::None, "1.2.3"), session))
        });
        Arc::new(worker.unwrap())
    }

    /// A worker with the real core, which accepts batches unless it predates them.
    fn core(&self, gate: &Gate, takes_batches: bool) -> Arc<Worker> {
        let (script, gate) = (self.clone(), gate.clone());
        let worker = Worker::start(WorkerOptions { queue_length: 128, batch_length: 32, ..OPTIONS }, move || {
            script.open()?;
            let mut core = core();
            let session = script.session(gate.clone(), move |frame| match split_request(frame) {
                Ok((Opcode::Batch, _)) if !takes_batches => encode_refusal(Status::UnknownCommand),
                _ => core.handle(frame),
            });
            Ok::<_, &'static str>(showing(platform(Protection::None, "1.2.3"), session))
        });
        Arc::new(worker.unwrap())
    }
}

fn core() -> Core<ta::memory::MemoryStore, SeededEntropy, ta::memory::MemoryCounter> {
    let device = MemoryDevice::default();
    let platform = platform(Protection::None, "1.2.3");
    Core::open(device.store(), SeededEntropy::new([7; 32]), device.counter(), platform).unwrap()
}

fn queue(worker: &Arc<Worker>, frame: Vec<u8>) -> JoinHandle<Result<Vec<u8>, TransportError>> {
    let worker = Arc::clone(worker);
    tokio::spawn(async move { worker.invoke(frame, Asker::Anyone).await })
}

/// The same on behalf of this relay key.
fn queue_for(worker: &Arc<Worker>, record: u64, frame: Vec<u8>) -> JoinHandle<Result<Vec<u8>, TransportError>> {
    let worker = Arc::clone(worker);
    tokio::spawn(async move { worker.invoke(frame, Asker::RelayKey { record }).await })
}

/// Queues a frame and returns when a session has it: frames queued later cannot be batched with it.
async fn under_way(script: &Script, worker: &Arc<Worker>) -> JoinHandle<Result<Vec<u8>, TransportError>> {
    let seen = script.frames_seen();
    let first = queue(worker, frame(&GetVersion));
    until(async || script.frames_seen() == seen + 1).await;
    first
}

async fn depth(worker: &Worker, depth: usize) {
    until(async || worker.stats().depth == depth).await;
}

/// A frame of this command, for a session that echoes every frame.
fn frame_of(opcode: Opcode, mark: u8) -> Vec<u8> {
    let mut frame = vec![proto::frame::VERSION];
    frame.extend((opcode as u16).to_be_bytes());
    frame.push(mark);
    frame
}

#[tokio::test]
async fn a_revocation_precedes_sponsorships_and_an_account_follows_them() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(OPTIONS, &gate);
    gate.shut();
    let first = under_way(&script, &worker).await;
    let mut waiting = Vec::new();
    let queued = [Opcode::CreateHybridAccount, Opcode::Sponsor, Opcode::RevokeSigner, Opcode::Sponsor];
    for (number, opcode) in (1..).zip(queued) {
        waiting.push(queue(&worker, frame_of(opcode, number)));
        depth(&worker, 1 + usize::from(number)).await;
    }
    gate.open();
    first.await.unwrap().unwrap();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    let seen: Vec<u8> = script.0.lock().unwrap().seen[1..].iter().map(|frame| frame[3]).collect();
    assert_eq!(seen, [3, 2, 4, 1]);
}

#[tokio::test]
async fn relay_keys_take_turns_and_keyless_callers_count_as_one() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(WorkerOptions { queue_length: 20, ..OPTIONS }, &gate);
    gate.shut();
    let first = under_way(&script, &worker).await;
    let mut waiting = Vec::new();
    // A flood by one key, then two requests of another, a query, and the first request of a third
    // key.
    for (number, key) in (1..).zip([1, 1, 1, 1, 1, 2, 2, 0, 3]) {
        let frame = frame_of(Opcode::Sponsor, number);
        waiting.push(if key == 0 { queue(&worker, frame) } else { queue_for(&worker, key, frame) });
        depth(&worker, 1 + usize::from(number)).await;
    }
    gate.open();
    first.await.unwrap().unwrap();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    let seen: Vec<u8> = script.0.lock().unwrap().seen[1..].iter().map(|frame| frame[3]).collect();
    assert_eq!(seen, [1, 6, 8, 9, 2, 7, 3, 4, 5]);
}

#[tokio::test]
async fn each_relay_key_may_use_half_of_what_the_others_leave() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(WorkerOptions { queue_length: 15, ..OPTIONS }, &gate);
    let sponsor = |record| worker.invoke(frame_of(Opcode::Sponsor, 0), Asker::RelayKey { record });
    for _ in 0..2 {
        gate.shut();
        let mut waiting = Vec::new();
        // Of 16 places, then of 8, of 4, of 2, and the last.
        for (key, places) in [(1, 8), (2, 4), (3, 2), (4, 1), (5, 1)] {
            for _ in 0..places {
                waiting.push(queue_for(&worker, key, frame_of(Opcode::Sponsor, 0)));
                depth(&worker, waiting.len()).await;
            }
            let full = Busy::Full { share: places, queue_length: 15 };
            assert_eq!(at_once(sponsor(key)), Err(TransportError::Busy(full)), "{key}");
        }
        gate.open();
        for answer in waiting {
            answer.await.unwrap().unwrap();
        }
        assert_eq!(worker.stats().depth, 0);
    }
}

#[tokio::test]
async fn accounts_use_at_most_half_of_the_queue_and_the_admin_has_room_when_it_is_full() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(WorkerOptions { queue_length: 3, ..OPTIONS }, &gate);
    gate.shut();
    let mut waiting = vec![under_way(&script, &worker).await];
    for number in 1..3 {
        waiting.push(queue(&worker, frame_of(Opcode::CreateHybridAccount, number)));
        depth(&worker, 1 + usize::from(number)).await;
    }
    let refused = at_once(worker.invoke(frame_of(Opcode::CreateHybridAccount, 3), Asker::Anyone));
    assert_eq!(refused, Err(TransportError::Busy(Busy::Full { share: 2, queue_length: 3 })));
    waiting.push(queue_for(&worker, 4, frame_of(Opcode::Sponsor, 4)));
    depth(&worker, 4).await;
    let refused = at_once(worker.invoke(frame_of(Opcode::Sponsor, 5), Asker::RelayKey { record: 5 }));
    assert_eq!(refused, Err(TransportError::Busy(Busy::Full { share: 0, queue_length: 3 })));
    waiting.push(queue(&worker, frame_of(Opcode::RevokeSigner, 6)));
    depth(&worker, 5).await;
    gate.open();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_flood_of_sponsorships_delays_an_account_but_does_not_block_it() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(WorkerOptions { queue_length: 63, ..OPTIONS }, &gate);
    gate.shut();
    let mut waiting = vec![under_way(&script, &worker).await];
    for number in 1..=32 {
        waiting.push(queue_for(&worker, 1, frame_of(Opcode::Sponsor, number)));
        depth(&worker, 1 + usize::from(number)).await;
    }
    waiting.push(queue(&worker, frame_of(Opcode::CreateHybridAccount, 100)));
    depth(&worker, 34).await;
    gate.open();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    let seen: Vec<u8> = script.0.lock().unwrap().seen[1..].iter().map(|frame| frame[3]).collect();
    assert_eq!(seen.iter().position(|mark| *mark == 100), Some(15), "{seen:?}");
}

#[tokio::test]
async fn a_lost_session_is_reopened_and_its_frame_is_refused_and_not_sent_twice() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(OPTIONS, &gate);
    script.calls([Fate::Dead]);
    gate.shut();
    let under_way = queue(&worker, vec![1]);
    depth(&worker, 1).await;
    let behind = queue(&worker, vec![2]);
    depth(&worker, 2).await;
    gate.open();

    assert_eq!(under_way.await.unwrap(), Err(TransportError::Unavailable));
    // It was never sent, so it waits for the next session.
    assert_eq!(behind.await.unwrap(), Ok(vec![2]));
    assert_eq!(script.times_seen(&[1]), 1);
    assert_eq!(worker.invoke(vec![1], Asker::Anyone).await, Ok(vec![1]));
    let stats = worker.stats();
    assert_eq!((script.opens(), stats.reopened, stats.consecutive_failures), (2, 1, 0));
    assert!(!stats.breaker_open);
}

#[tokio::test]
async fn without_a_session_requests_are_refused_immediately_and_served_once_there_is_one() {
    let script = Script::default();
    let worker = script.echo(OPTIONS, &Gate::default());
    script.calls([Fate::Dead]);
    script.opens_fail(usize::MAX);
    assert_eq!(worker.invoke(vec![1], Asker::Anyone).await, Err(TransportError::Unavailable));
    until(async || script.opens() >= 3).await;
    assert!(worker.stats().breaker_open);
    assert_eq!(at_once(worker.invoke(vec![2], Asker::Anyone)), Err(TransportError::Unavailable));
    assert_eq!(script.times_seen(&[2]), 0);

    script.opens_fail(0);
    until(async || worker.stats().reopened == 1).await;
    assert!(worker.stats().breaker_open, "the new session has not answered yet");
    assert_eq!(worker.invoke(vec![2], Asker::Anyone).await, Ok(vec![2]));
    assert!(!worker.stats().breaker_open);
}

#[tokio::test]
async fn closing_does_not_wait_for_an_unavailable_session() {
    let script = Script::default();
    let worker = script.echo(OPTIONS, &Gate::default());
    script.calls([Fate::Dead]);
    script.opens_fail(usize::MAX);
    assert_eq!(worker.invoke(vec![1], Asker::Anyone).await, Err(TransportError::Unavailable));
    tokio::time::timeout(PATIENCE, worker.close()).await.unwrap();
    assert_eq!(worker.invoke(vec![2], Asker::Anyone).await, Err(TransportError::Unavailable));
}

#[tokio::test]
async fn a_session_that_panics_is_lost_without_affecting_callers() {
    let script = Script::default();
    let worker = script.echo(OPTIONS, &Gate::default());
    script.calls([Fate::Panic]);
    assert_eq!(worker.invoke(vec![1], Asker::Anyone).await, Err(TransportError::Unavailable));
    until(async || worker.stats().reopened == 1).await;
    assert_eq!(worker.invoke(vec![2], Asker::Anyone).await, Ok(vec![2]));
}

#[tokio::test]
async fn a_session_that_fails_occasionally_is_kept_and_one_that_always_fails_is_not() {
    let script = Script::default();
    let worker = script.echo(OPTIONS, &Gate::default());
    script.calls([Fate::Broken, Fate::Broken]);
    for _ in 0..2 {
        assert_eq!(worker.invoke(vec![1], Asker::Anyone).await, Err(TransportError::Unavailable));
    }
    assert_eq!(worker.invoke(vec![1], Asker::Anyone).await, Ok(vec![1]));
    assert_eq!(script.opens(), 1);

    script.calls([Fate::Broken; 3]);
    for _ in 0..3 {
        assert_eq!(worker.invoke(vec![1], Asker::Anyone).await, Err(TransportError::Unavailable));
    }
    until(async || script.opens() == 2).await;
    until(async || worker.stats().reopened == 1).await;
    assert_eq!(worker.invoke(vec![1], Asker::Anyone).await, Ok(vec![1]));
}

/// With a `stuck_after` of 50 ms.
const STUCK: Busy = Busy::Stuck { after: Duration::from_millis(50) };

#[tokio::test]
async fn a_stuck_call_opens_the_breaker_and_one_answered_in_time_closes_it() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(WorkerOptions { stuck_after: Duration::from_millis(50), ..OPTIONS }, &gate);
    gate.shut();
    let stuck = queue(&worker, vec![1]);
    until(async || worker.stats().breaker_open).await;
    assert_eq!(at_once(worker.invoke(vec![2], Asker::Anyone)), Err(TransportError::Busy(STUCK)));

    gate.open();
    assert_eq!(stuck.await.unwrap(), Ok(vec![1]));
    // Half open: one at a time, until one was fast.
    assert!(worker.stats().breaker_open);
    gate.shut();
    let probe = queue(&worker, vec![3]);
    depth(&worker, 1).await;
    assert_eq!(worker.invoke(vec![4], Asker::Anyone).await, Err(TransportError::Busy(Busy::HalfOpen)));
    gate.open();
    assert_eq!(probe.await.unwrap(), Ok(vec![3]));
    until_closed(&worker).await;
    assert_eq!(script.times_seen(&[2]) + script.times_seen(&[4]), 0);
}

#[tokio::test]
async fn others_are_refused_immediately_during_a_slow_quote_and_the_breaker_closes_after_it() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(WorkerOptions { stuck_after: Duration::from_millis(50), ..OPTIONS }, &gate);
    let quote = frame(&Attest { nonce: [1; 32] });
    gate.shut();
    let slow = queue(&worker, quote.clone());
    until(async || worker.stats().breaker_open).await;
    assert_eq!(at_once(worker.invoke(vec![2], Asker::Anyone)), Err(TransportError::Busy(STUCK)));
    gate.open();
    assert_eq!(slow.await.unwrap(), Ok(quote));
    assert!(!worker.stats().breaker_open);
}

/// With probes: on a busy machine one of them may be late too.
async fn until_closed(worker: &Worker) {
    for _ in 0..100 {
        if !worker.stats().breaker_open {
            return;
        }
        worker.invoke(vec![5], Asker::Anyone).await.unwrap();
    }
    panic!("the breaker stays open");
}

#[tokio::test]
async fn closing_does_not_wait_for_a_stuck_call() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(WorkerOptions { stuck_after: Duration::from_millis(20), ..OPTIONS }, &gate);
    gate.shut();
    let stuck = queue(&worker, vec![1]);
    depth(&worker, 1).await;
    tokio::time::timeout(PATIENCE, worker.close()).await.unwrap();
    assert!(worker.stats().closed);
    gate.open();
    assert_eq!(stuck.await.unwrap(), Ok(vec![1]));
}

#[tokio::test]
async fn closing_answers_what_is_queued() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(OPTIONS, &gate);
    gate.shut();
    let mut queued = Vec::new();
    for index in 0..4 {
        queued.push(queue(&worker, vec![index]));
        depth(&worker, usize::from(index) + 1).await;
    }
    let closing = tokio::spawn({
        let worker = Arc::clone(&worker);
        async move { worker.close().await }
    });
    until(async || worker.stats().closed).await;
    gate.open();
    closing.await.unwrap();
    for (index, answer) in (0..).zip(queued) {
        assert_eq!(answer.await.unwrap(), Ok(vec![index]));
    }
    assert_eq!(worker.invoke(vec![9], Asker::Anyone).await, Err(TransportError::Unavailable));
}

#[tokio::test]
async fn an_abandoned_frame_is_not_sent() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(OPTIONS, &gate);
    gate.shut();
    let first = queue(&worker, vec![1]);
    depth(&worker, 1).await;
    let second = queue(&worker, vec![2]);
    depth(&worker, 2).await;
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    gate.open();
    assert_eq!(first.await.unwrap(), Ok(vec![1]));
    assert_eq!(worker.invoke(vec![3], Asker::Anyone).await, Ok(vec![3]));
    assert_eq!((script.times_seen(&[2]), worker.stats().depth), (0, 0));
}

/// Frames of all kinds: echoes, some of them long, a query that no batch accepts, and an invalid
/// frame.
fn mixed_frames() -> Vec<Vec<u8>> {
    let echo = |index: u8, length| frame(&Echo { bytes: Bounded::new(vec![index; length]).unwrap() });
    let mut frames: Vec<_> = (0..12).map(|index| echo(index, usize::from(index) * 80)).collect();
    frames.insert(3, frame(&GetVersion));
    frames.insert(7, frame(&VerifySecurityState));
    frames.insert(9, vec![0xff; 5]);
    frames
}

fn frame<R: Request>(request: &R) -> Vec<u8> {
    encode_request(request).unwrap()
}

/// Makes all of them wait behind one frame, and returns their answers in order.
async fn answers(
    script: &Script,
    worker: &Arc<Worker>,
    gate: &Gate,
    frames: &[Vec<u8>],
) -> Vec<Result<Vec<u8>, TransportError>> {
    gate.shut();
    let first = under_way(script, worker).await;
    let mut queued = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        queued.push(queue(worker, frame.clone()));
        depth(worker, index + 2).await;
    }
    gate.open();
    first.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for answer in queued {
        answers.push(answer.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn in_a_batch_every_frame_gets_the_reply_it_gets_alone() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.core(&gate, true);
    let frames = mixed_frames();
    let mut alone = core();
    let expected: Vec<_> = frames.iter().map(|frame| Ok(alone.handle(frame))).collect();
    assert_eq!(answers(&script, &worker, &gate, &frames).await, expected);
    // The first; the state, which has priority; a batch and its rest, split by the frame that is
    // sent alone.
    assert_eq!(script.frames_seen(), 5);
}

#[tokio::test]
async fn frames_that_do_not_fit_into_one_batch_are_sent_in_several() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.core(&gate, true);
    let frames = vec![frame(&Echo { bytes: Bounded::new(vec![1; 1024]).unwrap() }); 60];
    let answers = answers(&script, &worker, &gate, &frames).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|reply| reply.len() > 1024)));
    // At most 32 frames.
    assert_eq!(script.frames_seen(), 3);
}

#[tokio::test]
async fn a_trusted_application_from_before_batches_gets_the_frames_one_by_one() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.core(&gate, false);
    let frames = vec![frame(&GetVersion); 5];
    let expected = Ok(core().handle(&frames[0]));
    assert_eq!(answers(&script, &worker, &gate, &frames).await, vec![expected; 5]);
    assert_eq!(script.frames_seen(), 1 + 1 + 5);
    // It is not sent a batch again.
    answers(&script, &worker, &gate, &frames).await;
    assert_eq!(script.frames_seen(), 7 + 6);
}

#[tokio::test]
async fn a_session_lost_in_a_batch_refuses_all_of_it_and_resends_nothing() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.core(&gate, true);
    // The first waiting frame is answered, and the following batch dies.
    worker.invoke(frame(&GetVersion), Asker::Anyone).await.unwrap();
    gate.shut();
    let first = under_way(&script, &worker).await;
    let mut queued = Vec::new();
    for count in 2..=5 {
        queued.push(queue(&worker, frame(&GetVersion)));
        depth(&worker, count).await;
    }
    script.calls([Fate::Dead]);
    gate.open();
    first.await.unwrap().unwrap();
    for answer in queued {
        assert_eq!(answer.await.unwrap(), Err(TransportError::Unavailable));
    }
    assert_eq!(script.frames_seen(), 3);
    until(async || worker.stats().reopened == 1).await;
    worker.invoke(frame(&GetVersion), Asker::Anyone).await.unwrap();
}
