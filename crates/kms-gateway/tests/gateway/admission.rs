//! The checks on every session when it is opened, before anything is served over it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use kms_gateway::GatewayError;
use kms_gateway::protection::{InsufficientProtection, Level, RequiredProtection};
use kms_gateway::tee::TeeError;
use kms_gateway::transport::{Asker, NotAdmitted, SessionError, StartError, TransportError, Worker, WorkerOptions};
use proto::Status;
use proto::command::{Hello, Opcode, Protection, TaHello};
use proto::frame::{VERSION, encode_refusal, encode_reply, split_request};
use serde_json::json;
use ta::memory::{MemoryDevice, SeededEntropy};
use ta::{Core, Platform};

use crate::support::{ChangingTee, Gate, Kms, OPTIONS, platform, settings, until};

const REQUIRED: RequiredProtection =
    RequiredProtection { storage: Level(Protection::SecureWorld), ..OPTIONS.required_protection };
const STRICT: WorkerOptions = WorkerOptions { required_protection: REQUIRED, ..OPTIONS };
const TOO_LITTLE: InsufficientProtection =
    InsufficientProtection::Level { what: "storage", required: Protection::SecureWorld, reported: Protection::None };

/// The trusted application of a session.
#[derive(Clone, Copy, PartialEq)]
enum With {
    Good,
    LessProtection,
    WireVersion(u8),
    OtherVersionOnly,
    DamagedState,
    Noise,
    Nobody,
}

type Shared<T> = Arc<Mutex<T>>;
/// The frames sent to each session.
type Sent = Vec<Vec<Vec<u8>>>;

fn platform_of(with: With) -> Platform {
    platform(if with == With::LessProtection { Protection::None } else { Protection::SecureWorld }, "0.1.0")
}

/// A worker whose sessions are with the trusted application that `with` names when they are opened,
/// and the frames each was sent. A good one dies at a frame that is not a valid request.
fn worker(with: &Shared<With>, gate: &Gate) -> (Result<Worker, StartError<Status>>, Shared<Sent>) {
    let (with, gate, sent) = (Arc::clone(with), gate.clone(), Shared::<Sent>::default());
    let noted = Arc::clone(&sent);
    let worker = Worker::start(STRICT, move || {
        let with = *with.lock().unwrap();
        let device = MemoryDevice::default();
        let mut core = Core::open(device.store(), SeededEntropy::new([7; 32]), device.counter(), platform_of(with))?;
        let (noted, gate) = (Arc::clone(&noted), gate.clone());
        noted.lock().unwrap().push(Vec::new());
        Ok(move |frame: &[u8]| {
            noted.lock().unwrap().last_mut().unwrap().push(frame.to_vec());
            gate.pass();
            match (with, split_request(frame)) {
                (With::Nobody, _) | (With::Good, Err(_)) => Err(SessionError::Dead("as the test says".into())),
                (With::Noise, _) => Ok(vec![0xff; 3]),
                (With::OtherVersionOnly, _) => Ok(encode_refusal(Status::UnsupportedVersion)),
                (With::DamagedState, _) => Ok(encode_refusal(Status::StorageCorrupt)),
                (With::WireVersion(wire_version), Ok((Opcode::Hello, _))) => {
                    Ok(encode_reply::<Hello>(&TaHello { wire_version, max_frame: 1, max_reply: 1 }).unwrap())
                }
                _ => Ok(core.handle(frame)),
            }
        })
    });
    (worker, sent)
}

const NOT_ADMITTED: [(With, NotAdmitted); 6] = [
    (With::LessProtection, NotAdmitted::Protection(TOO_LITTLE)),
    (With::WireVersion(VERSION + 1), NotAdmitted::WireVersion { theirs: VERSION + 1 }),
    (With::OtherVersionOnly, NotAdmitted::Refused(Status::UnsupportedVersion)),
    (With::DamagedState, NotAdmitted::Refused(Status::StorageCorrupt)),
    (With::Noise, NotAdmitted::Silent),
    (With::Nobody, NotAdmitted::Silent),
];

#[test]
fn a_first_session_that_fails_admission_is_not_used() {
    for (with, expected) in NOT_ADMITTED {
        match worker(&Arc::new(Mutex::new(with)), &Gate::default()).0 {
            Err(StartError::NotAdmitted(why)) => assert_eq!(why, expected),
            Err(other) => panic!("{other}, not {expected}"),
            Ok(_) => panic!("it was admitted in spite of {expected}"),
        }
    }
    assert!(worker(&Arc::new(Mutex::new(With::Good)), &Gate::default()).0.is_ok());
}

#[tokio::test]
async fn waiting_frames_are_not_sent_to_a_session_that_fails_admission() {
    for (other, expected) in NOT_ADMITTED {
        let (with, gate) = (Arc::new(Mutex::new(With::Good)), Gate::default());
        let (worker, sent) = worker(&with, &gate);
        let worker = worker.unwrap();
        *with.lock().unwrap() = other;
        gate.shut();
        let waiting = async {
            until(async || worker.stats().depth == 2).await;
            gate.open();
        };
        let (dying, behind, ()) = tokio::join!(
            worker.invoke(vec![0xff], Asker::Anyone),
            worker.invoke(vec![0, 1, 2], Asker::Anyone),
            waiting
        );
        assert_eq!(dying, Err(TransportError::Unavailable));
        assert_eq!(behind, Err(TransportError::NotAdmitted(expected)));
        until_told(&worker, TransportError::NotAdmitted(expected)).await;
        for frames in sent.lock().unwrap().iter().skip(1) {
            let asked = frames.iter().map(|frame| split_request(frame).unwrap().0);
            assert!(asked.into_iter().all(|opcode| matches!(opcode, Opcode::Hello | Opcode::VerifySecurityState)));
        }
        let stats = worker.stats();
        assert_eq!((stats.reopened, stats.breaker_open), (0, true));
    }
}

async fn until_told(worker: &Worker, expected: TransportError) {
    until(async || worker.invoke(vec![0, 1, 2], Asker::Anyone).await == Err(expected)).await;
}

#[tokio::test]
async fn a_replaced_trusted_application_signs_nothing_until_the_right_one_is_back() {
    let (with, dying) = (Arc::new(Mutex::new(With::Good)), Arc::new(AtomicBool::default()));
    let reports = std::iter::repeat_with({
        let with = Arc::clone(&with);
        move || platform_of(*with.lock().unwrap())
    });
    let tee = Arc::new(ChangingTee::with_options(STRICT, reports, Arc::clone(&dying)));
    let kms = Kms::over_tee_with(settings, tee).await;
    let request = kms.honest_request().await;
    kms.sponsor(&request).await.ok();

    *with.lock().unwrap() = With::LessProtection;
    dying.store(true, Ordering::SeqCst);
    let request = request.next(&kms.relay);
    kms.sponsor(&request).await.refused(503, "tee_unavailable");
    // The only retryable refusal is the one that says there is no session.
    until(async || kms.sponsor(&request).await.body["error"]["code"] != "tee_unavailable").await;
    let answer = kms.sponsor(&request).await;
    assert_eq!(answer.refused(503, "tee_protection_insufficient")["retryable"], false);
    let health = kms.get("/health").await;
    assert_eq!((health.status.as_u16(), &health.body["status"]), (503, &json!("tee_protection_insufficient")));
    assert!(kms.gateway.ready().await.is_err());
    assert_eq!(kms.gateway.queue_stats().reopened, 0);

    *with.lock().unwrap() = With::Good;
    until(async || kms.gateway.queue_stats().reopened > 0).await;
    kms.sponsor(&request.next(&kms.relay)).await.ok();
}

#[test]
fn refusals_say_why_nothing_is_served_and_are_retryable_only_if_it_may_pass() {
    for (why, code, retryable) in [
        (NotAdmitted::Silent, "tee_unavailable", true),
        (NotAdmitted::Refused(Status::StorageFailed), "tee_unavailable", true),
        (NotAdmitted::Refused(Status::StorageCorrupt), "storage_corrupt", false),
        (NotAdmitted::Refused(Status::RollbackDetected), "rollback_detected", false),
        (NotAdmitted::Refused(Status::UnsupportedVersion), "unsupported_version", false),
        (NotAdmitted::WireVersion { theirs: 2 }, "unsupported_version", false),
        (NotAdmitted::Protection(TOO_LITTLE), "tee_protection_insufficient", false),
    ] {
        let told = GatewayError::from(TeeError::NotAdmitted(why));
        assert_eq!((told.reason().as_str(), told.is_retryable()), (code, retryable), "{why}");
    }
}
