//! A lost session whose closing never returns: it is detected, nobody waits for it, and the process
//! can still end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kms_gateway::Settings;
use kms_gateway::transport::{Asker, Session, SessionError, TeeTransport, TransportError, Worker, WorkerOptions};
use proto::Status;
use proto::command::{GetVersion, Protection};
use proto::frame::encode_request;
use ta::Core;
use ta::memory::{MemoryCounter, MemoryDevice, MemoryStore, SeededEntropy};

use crate::support::{Gate, GatedTee, Kms, OPTIONS, PATIENCE, at_once, platform, settings, until};

/// Longer than a busy machine takes for a test's preparations before a call has to become stuck.
const STUCK_AFTER: Duration = Duration::from_secs(3);

/// A session that dies on command, waits at a gate in its calls, and at another one when closed.
struct SlowToClose {
    core: Core<MemoryStore, SeededEntropy, MemoryCounter>,
    dying: Arc<AtomicBool>,
    calls: Gate,
    closing: Gate,
}

impl Session for SlowToClose {
    fn call(&mut self, frame: &[u8]) -> Result<Vec<u8>, SessionError> {
        self.calls.pass();
        match self.dying.swap(false, Ordering::SeqCst) {
            true => Err(SessionError::Dead("as the test says".into())),
            false => Ok(self.core.handle(frame)),
        }
    }
}

impl Drop for SlowToClose {
    fn drop(&mut self) {
        self.closing.pass();
    }
}

#[derive(Default)]
struct Tee {
    dying: Arc<AtomicBool>,
    calls: Gate,
    closing: Gate,
}

impl Tee {
    fn start(&self, options: WorkerOptions) -> Worker {
        let (dying, calls, closing) = (Arc::clone(&self.dying), self.calls.clone(), self.closing.clone());
        let device = MemoryDevice::default();
        let worker = Worker::start(options, move || {
            let platform = platform(Protection::None, "0.1.0");
            let core = Core::open(device.store(), SeededEntropy::new([7; 32]), device.counter(), platform)?;
            let (dying, calls, closing) = (Arc::clone(&dying), calls.clone(), closing.clone());
            Ok::<_, Status>(SlowToClose { core, dying, calls, closing })
        });
        worker.unwrap()
    }
}

fn question() -> Vec<u8> {
    encode_request(&GetVersion).unwrap()
}

#[tokio::test]
async fn callers_are_refused_while_a_lost_session_does_not_close_and_then_served_by_the_next() {
    let tee = Tee::default();
    let worker = Arc::new(tee.start(WorkerOptions { stuck_after: STUCK_AFTER, ..OPTIONS }));
    tee.closing.shut();
    tee.calls.shut();
    let mut waiting = Vec::new();
    for depth in 1..=2 {
        let worker_of_caller = Arc::clone(&worker);
        waiting.push(tokio::spawn(async move { worker_of_caller.invoke(question(), Asker::Anyone).await }));
        until(async || worker.stats().depth == depth).await;
    }
    tee.dying.store(true, Ordering::SeqCst);
    tee.calls.open();
    for caller in waiting {
        let answer = tokio::time::timeout(PATIENCE, caller).await.unwrap().unwrap();
        assert_eq!(answer, Err(TransportError::Unavailable));
    }
    assert_eq!(at_once(worker.invoke(question(), Asker::Anyone)), Err(TransportError::Unavailable));
    assert!(worker.stats().breaker_open);

    tee.closing.open();
    until(async || worker.stats().reopened == 1).await;
    until(async || worker.stats().depth == 0).await;
    worker.invoke(question(), Asker::Anyone).await.unwrap();
}

#[tokio::test]
async fn a_lost_session_that_does_not_close_makes_the_process_unhealthy() {
    let tee = Tee::default();
    let settings = |folder: &Path| Settings { tee_hung_after_seconds: 1, ..settings(folder) };
    let kms = Kms::over_tee_with(settings, Arc::new(GatedTee::from(tee.start(OPTIONS)))).await;
    assert_eq!(kms.gateway.alive(), Ok(()));
    tee.closing.shut();
    tee.dying.store(true, Ordering::SeqCst);
    kms.gateway.security_state().await.unwrap_err();
    until(async || kms.gateway.alive().is_err()).await;
    assert!(kms.gateway.alive().unwrap_err() >= Duration::from_secs(1));
    tee.closing.open();
    until(async || kms.gateway.alive().is_ok()).await;
}

#[tokio::test]
async fn the_process_ends_even_if_a_session_does_not_close() {
    for is_lost in [false, true] {
        let tee = Tee::default();
        let transport = GatedTee::from(tee.start(WorkerOptions { stuck_after: STUCK_AFTER, ..OPTIONS }));
        tee.closing.shut();
        if is_lost {
            tee.dying.store(true, Ordering::SeqCst);
            assert_eq!(transport.invoke(question(), Asker::Anyone).await, Err(TransportError::Unavailable));
        }
        tokio::time::timeout(PATIENCE, transport.close()).await.unwrap();
        assert!(transport.stats().closed);
        tee.closing.open();
    }
}

#[tokio::test]
async fn the_process_ends_even_if_the_tee_queue_is_full() {
    let gate = Gate::default();
    let options = WorkerOptions { longest_closing: Duration::from_millis(200), ..OPTIONS };
    let transport = Arc::new(GatedTee::with_options(options, gate.clone()));
    gate.shut();
    let slow = tokio::spawn({
        let transport = Arc::clone(&transport);
        async move { transport.invoke(question(), Asker::Anyone).await }
    });
    until(async || transport.stats().depth == 1).await;
    tokio::time::timeout(PATIENCE, transport.close()).await.unwrap();
    gate.open();
    slow.await.unwrap().unwrap();
}
