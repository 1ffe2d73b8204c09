//! The thread that owns a TEE session, with scripted sessions that die, break, get stuck and come
//! back.

mod batches;
mod queue;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kms_gateway::transport::{Asker, Busy, Session, SessionError, TransportError, Worker, WorkerOptions};
use proto::Status;
use proto::command::{Attest, GetVersion, Opcode, Protection, Request};
use proto::frame::{encode_refusal, encode_request, split_request};
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

fn frame<R: Request>(request: &R) -> Vec<u8> {
    encode_request(request).unwrap()
}
