//! Signals and limits for the processes that a test started.

use std::fs;

pub use rustix::process::Signal;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, kill_process, prlimit};

use super::eventually;

pub fn signal_process(id: u32, signal: Signal) {
    kill_process(pid(id), signal).unwrap();
}

/// Limits the open files of a running process; `None` restores its initial limit.
pub fn limit_open_files(id: u32, most: Option<u64>) {
    // It inherited the hard limit of its parent.
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(Some(pid(id)), Resource::Nofile, Rlimit { current: most.or(maximum), maximum }).unwrap();
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(id.try_into().unwrap()).unwrap()
}

/// Stops a process, and waits until each of its threads has stopped.
pub async fn freeze(id: u32) {
    signal_process(id, Signal::STOP);
    eventually(async || stands_still(id).then_some(())).await;
}

/// Resumes it.
pub fn thaw(id: u32) {
    signal_process(id, Signal::CONT);
}

fn stands_still(id: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{id}/task")).unwrap();
    let state = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("status")).unwrap_or_default();
    threads.flatten().map(state).all(|status| status.contains("State:\tT (stopped)"))
}
