//! The thread that owns a TEE session, under load with sessions that fail at random: every frame
//! gets one answer and is sent at most once, and afterwards everything recovers. Behind the
//! sessions is the real core.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kms_gateway::transport::{Asker, SessionError, TransportError, Worker, WorkerOptions};
use proto::command::{Batch, Echo, Opcode, Protection};
use proto::frame::{decode_payload, decode_reply, encode_request, split_request};
use proto::{Bounded, Hash};
use ta::memory::{MemoryDevice, SeededEntropy};
use ta::{Core, Platform};

use crate::support::{Gate, OPTIONS, PATIENCE, showing, until};

const CLIENTS: u64 = 8;
const FRAMES_OF_A_CLIENT: u64 = 100;
/// Less than the number of clients, so that some are refused.
const QUEUE_LENGTH: usize = 5;
const STUCK_AFTER: Duration = Duration::from_millis(20);

/// Decides what fails, and records what was sent.
struct Trouble {
    /// `None` when the failures are over.
    seed: Option<u64>,
    sent: HashMap<Vec<u8>, u32>,
    batches: u32,
    lost: u32,
}

type Shared = Arc<Mutex<Trouble>>;

/// Uniform from 0 to 99 (a step of SplitMix64); always 99 when the failures are over.
fn dice(trouble: &Shared) -> u64 {
    let mut trouble = trouble.lock().unwrap();
    let Some(seed) = &mut trouble.seed else { return 99 };
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % 100
}

fn start(trouble: &Shared, batch_length: usize) -> Arc<Worker> {
    let trouble = Arc::clone(trouble);
    let options = WorkerOptions { queue_length: QUEUE_LENGTH, stuck_after: STUCK_AFTER, batch_length, ..OPTIONS };
    let mut is_first = true;
    let worker = Worker::start(options, move || {
        if dice(&trouble) < 10 && !std::mem::take(&mut is_first) {
            return Err("no session at random");
        }
        let (trouble, device) = (Arc::clone(&trouble), MemoryDevice::default());
        let mut core = Core::open(device.store(), SeededEntropy::new([7; 32]), device.counter(), platform()).unwrap();
        let session = move |frame: &[u8]| {
            note(&trouble, frame);
            let fate = dice(&trouble);
            if fate < 9 {
                trouble.lock().unwrap().lost += 1;
            }
            match fate {
                0..3 => Err(SessionError::Dead("at random".into())),
                3..6 => Err(SessionError::Broken("at random".into())),
                6..9 => panic!("at random"),
                9..12 => {
                    std::thread::sleep(STUCK_AFTER * 2);
                    Ok(core.handle(frame))
                }
                _ => Ok(core.handle(frame)),
            }
        };
        Ok(showing(platform(), session))
    });
    Arc::new(worker.unwrap())
}

fn platform() -> Platform {
    Platform {
        version: Bounded::new("0.0.0".to_owned()).unwrap(),
        measurement: Hash::default(),
        storage: Protection::None,
        rollback: Protection::None,
        time: Protection::None,
    }
}

/// Counts sent frames, including those in batches.
fn note(trouble: &Shared, frame: &[u8]) {
    let (opcode, payload) = split_request(frame).unwrap();
    let frames: Vec<Vec<u8>> = match opcode {
        Opcode::Batch => decode_payload::<Batch>(payload).unwrap().frames.iter().map(|frame| frame.to_vec()).collect(),
        _ => vec![frame.to_vec()],
    };
    let mut trouble = trouble.lock().unwrap();
    trouble.batches += u32::from(opcode == Opcode::Batch);
    for frame in frames {
        *trouble.sent.entry(frame).or_default() += 1;
    }
}

/// Retries until there is a reply, each time with another frame; the result of each attempt is
/// compared with what was sent.
async fn persist(worker: &Worker, trouble: &Shared, client: u64, number: u64) {
    for attempt in 0_u64.. {
        let bytes = Bounded::new([client, number, attempt].map(u64::to_be_bytes).concat()).unwrap();
        let frame = encode_request(&Echo { bytes: bytes.clone() }).unwrap();
        let answer = worker.invoke(frame.clone(), Asker::Anyone).await;
        let sent = trouble.lock().unwrap().sent.get(&frame).copied().unwrap_or_default();
        match answer {
            Ok(reply) => {
                assert_eq!(sent, 1);
                return assert_eq!(decode_reply::<Echo>(&reply).unwrap().unwrap().bytes, bytes);
            }
            Err(TransportError::Busy(_)) => assert_eq!(sent, 0, "a frame that is refused as busy was not sent"),
            Err(TransportError::Unavailable) => assert!(sent <= 1),
            Err(TransportError::NotAdmitted(why)) => panic!("{why}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn through_trouble(seed: u64, batch_length: usize) {
    let trouble = Trouble { seed: Some(seed), sent: HashMap::new(), batches: 0, lost: 0 };
    let trouble: Shared = Arc::new(Mutex::new(trouble));
    let worker = start(&trouble, batch_length);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (worker, trouble) = (Arc::clone(&worker), Arc::clone(&trouble));
            tokio::spawn(async move {
                for number in 0..FRAMES_OF_A_CLIENT {
                    persist(&worker, &trouble, client, number).await;
                }
            })
        })
        .collect();
    for client in clients {
        tokio::time::timeout(PATIENCE, client).await.unwrap().unwrap();
    }
    assert!(trouble.lock().unwrap().lost > 0, "nothing failed");
    assert!(worker.stats().reopened > 0, "no session was lost");
    assert_eq!(trouble.lock().unwrap().batches > 0, batch_length > 1);

    trouble.lock().unwrap().seed = None;
    // A busy machine may make a call late, and another one has to show that this was the cause.
    for number in 0.. {
        persist(&worker, &trouble, CLIENTS, number).await;
        if !worker.stats().breaker_open {
            break;
        }
    }
    let stats = worker.stats();
    assert_eq!((stats.depth, stats.consecutive_failures), (0, 0));
    tokio::time::timeout(PATIENCE, worker.close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn despite_failures_every_frame_is_answered_and_sent_at_most_once() {
    through_trouble(1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn despite_failures_every_frame_of_a_batch_is_answered_and_sent_at_most_once() {
    through_trouble(2, 32).await;
}

#[tokio::test]
async fn a_session_that_never_reopens_counts_as_a_call_in_progress_and_closing_does_not_wait_for_it() {
    // As with OP-TEE when its supplicant is gone.
    let gate = Gate::default();
    let options = WorkerOptions { stuck_after: Duration::from_millis(20), ..OPTIONS };
    let worker = {
        let gate = gate.clone();
        Worker::start(options, move || {
            gate.pass();
            Ok::<_, SessionError>(showing(platform(), |_: &[u8]| Err(SessionError::Dead("as it may".into()))))
        })
    };
    let worker = worker.unwrap();
    gate.shut();
    assert_eq!(worker.invoke(vec![1], Asker::Anyone).await, Err(TransportError::Unavailable));
    until(async || worker.stats().in_call_for >= Some(options.stuck_after)).await;
    tokio::time::timeout(PATIENCE, worker.close()).await.expect("still waiting for a session");
    gate.open();
}
