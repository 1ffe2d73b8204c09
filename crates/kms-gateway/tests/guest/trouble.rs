//! Accounts and signers are created while the gateway, the supplicant or the trusted application is
//! killed, or the power is cut; afterwards everything acknowledged is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::kms::{Kms, NoAnswer};
use crate::ledger::{Account, Ledger, request};
use crate::machine::Machine;

const POWER_CUTS: u32 = 10;
/// Minimum number of failures of each kind within one boot.
const TIMES: usize = 10;
/// A slow machine takes longer than usual, but a stopped one never finishes: this is the limit.
const PATIENCE: Duration = Duration::from_secs(600);
/// One changes signers, one has operations sponsored, the others create accounts.
const WRITERS: usize = 4;
/// The reason given by a gateway that has just started: it does not know earlier registrations.
const NEW_GATEWAY: &[&str] = &["registration_unknown"];
/// Without a supplicant OP-TEE has no memory to share with it, and may report that it has none.
const WITHOUT_SUPPLICANT: &[&str] = &["registration_unknown", "storage_failed"];
/// Minimum number of acknowledgements in that time.
const PROGRESS: usize = 5;

/// Failures of the power, the gateway, the supplicant.
pub async fn crashes(machine: &Machine) {
    let running = machine.boot("steady");
    let ledger = Arc::new(Mutex::new(Ledger::begin(&Kms::at(&running.url)).await));
    drop(running);
    for cut in 0..POWER_CUTS {
        let running = machine.boot("steady");
        ledger.lock().await.check(&Kms::at(&running.url)).await;
        let writers = Writers::start(&running.url, &ledger, &[]);
        tokio::time::sleep(Duration::from_millis(600 + u64::from(cut) * 173)).await;
        drop(running);
        writers.stop().await;
    }
    tell("the power was cut in the middle of writes", POWER_CUTS as usize, &ledger).await;

    under_trouble(machine, "kill-gateway", "killed the gateway", NEW_GATEWAY, &ledger).await;
    under_trouble(machine, "kill-supplicant", "killed the supplicant", WITHOUT_SUPPLICANT, &ledger).await;
    finish(machine, &ledger).await;
}

/// Panics of the trusted application itself, in a test build that panics on command.
pub async fn panics(machine: &Machine) {
    let running = machine.boot("steady");
    let kms = Kms::at(&running.url);
    let ledger = Arc::new(Mutex::new(Ledger::begin(&kms).await));
    drop(running);
    let running = machine.boot("panic");
    let writers = Writers::start(&running.url, &ledger, &[]);
    let panics = often_enough(|| machine.secure_world_said("[TA] panic at"), &ledger).await;
    let hung_up = writers.stop().await;
    assert_eq!(hung_up, 0, "the gateway keeps running, and reports that the TEE failed");
    let kms = Kms::at(&running.url);
    let reopened = wait_for(&kms, "/QueueStatus").await["reopened"].as_u64().unwrap();
    assert!(reopened >= 5, "the gateway opened {reopened} sessions again");
    drop(running);
    tell("the trusted application panicked", panics, &ledger).await;
    finish(machine, &ledger).await;
}

async fn under_trouble(
    machine: &Machine,
    word: &str,
    said: &str,
    expected: &'static [&'static str],
    ledger: &Arc<Mutex<Ledger>>,
) {
    let running = machine.boot(word);
    let writers = Writers::start(&running.url, ledger, expected);
    let times = often_enough(|| machine.said(said), ledger).await;
    writers.stop().await;
    let removals = machine.secure_world_said("Remove corrupt file");
    drop(running);
    let running = machine.boot("steady");
    ledger.lock().await.check(&Kms::at(&running.url)).await;
    tell(said, times, ledger).await;
    say(&format!("  during which OP-TEE would have removed its directory {removals} times"));
}

/// Waits until there were enough failures and enough acknowledgements: what is never acknowledged
/// cannot be lost.
async fn often_enough(times: impl Fn() -> usize, ledger: &Mutex<Ledger>) -> usize {
    let (began, before) = (Instant::now(), ledger.lock().await.acknowledged());
    loop {
        let progress = ledger.lock().await.acknowledged() - before;
        if times() >= TIMES && progress >= PROGRESS {
            return times();
        }
        assert!(began.elapsed() < PATIENCE, "{} times, {progress} acknowledged within {PATIENCE:?}", times());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn finish(machine: &Machine, ledger: &Arc<Mutex<Ledger>>) {
    let running = machine.boot("steady");
    let kms = Kms::at(&running.url);
    let mut ledger = ledger.lock().await;
    ledger.check(&kms).await;
    ledger.sign_with_all(&kms).await;
    say(&format!("all {} accounts sign", ledger.accounts.len()));
}

/// Background writers, until stopped.
struct Writers {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<usize>,
}

impl Writers {
    /// The expected refusals, those for the TEE's state and hang-ups are retried; others are
    /// failures.
    fn start(url: &str, ledger: &Arc<Mutex<Ledger>>, expected: &'static [&'static str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for writer in 0..WRITERS {
            let (kms, ledger, stop) = (Kms::at(url), Arc::clone(ledger), Arc::clone(&stop));
            tasks.spawn(async move {
                let mut hung_up = 0;
                while !stop.load(Ordering::SeqCst) {
                    let outcome = match writer {
                        0 => ledger.lock().await.change_signers(&kms).await,
                        1 => sponsor(&kms, &ledger).await,
                        _ => make_account(&kms, &ledger).await,
                    };
                    match outcome {
                        Ok(()) => continue,
                        Err(NoAnswer::Retryable(code)) => {
                            assert!(code.starts_with("tee_") || expected.contains(&code.as_str()), "{code}");
                        }
                        Err(NoAnswer::HungUp) => hung_up += 1,
                        Err(NoAnswer::Refused(status, code)) => {
                            assert!(expected.contains(&code.as_str()), "refused: {status} {code}");
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                hung_up
            });
        }
        Self { stop, tasks }
    }

    /// The number of their requests that nobody answered.
    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.tasks.join_all().await.into_iter().sum()
    }
}

async fn make_account(kms: &Kms, ledger: &Mutex<Ledger>) -> Result<(), NoAnswer> {
    let (passkey, registration) = kms.register().await?;
    let outcome = kms.create_account(&registration).await;
    let mut ledger = ledger.lock().await;
    match outcome {
        Ok(created) => ledger.accounts.push(Account { passkey, created }),
        Err(problem) => {
            ledger.unanswered.push(passkey);
            return Err(problem);
        }
    }
    Ok(())
}

/// Requests a sponsorship of an operation of some account, if there is an account yet.
async fn sponsor(kms: &Kms, ledger: &Mutex<Ledger>) -> Result<(), NoAnswer> {
    static NONCE: AtomicU64 = AtomicU64::new(1 << 32);
    let mut held = ledger.lock().await;
    let Some(Account { passkey, created }) = held.lend() else {
        drop(held);
        tokio::time::sleep(Duration::from_millis(50)).await;
        return Ok(());
    };
    let request = request(passkey, &created, &held.relay, NONCE.fetch_add(1, Ordering::SeqCst));
    drop(held);
    let sponsored = kms.send(request.over_http(kms)).await;
    ledger.lock().await.give_back(Account { passkey: request.passkey, created });
    let sponsored = sponsored?;
    assert!(sponsored["paymasterAndData"].is_string(), "{sponsored}");
    Ok(())
}

async fn wait_for(kms: &Kms, path: &str) -> serde_json::Value {
    for _ in 0..100 {
        if let Ok(answer) = kms.get(path).await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the gateway does not come back");
}

async fn tell(what: &str, times: usize, ledger: &Arc<Mutex<Ledger>>) {
    let ledger = ledger.lock().await;
    say(&format!("{what}: {times} times; {} accounts and {} commands so far", ledger.accounts.len(), ledger.counter));
}

#[expect(clippy::print_stdout, reason = "the outcome of a scenario")]
pub fn say(what: &str) {
    println!("{what}");
}
