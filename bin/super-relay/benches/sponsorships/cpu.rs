//! CPU time of a process, as the kernel accounts for it (proc(5), `stat`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Outcome;

/// `USER_HZ`: 100 on every Linux that Rust runs on as a first-class host.
const TICK: Duration = Duration::from_millis(10);

/// CPU time since the process started.
#[derive(Default)]
pub struct Cpu {
    pub user: Duration,
    pub system: Duration,
    /// User and kernel time together, by name of the threads that are still alive.
    threads: BTreeMap<String, Duration>,
}

impl Cpu {
    /// The process's current CPU time.
    pub fn of(process: u32) -> Outcome<Self> {
        let folder = format!("/proc/{process}");
        let (_, user, system) = stat(Path::new(&folder))?;
        let mut threads = BTreeMap::<_, Duration>::new();
        for thread in fs::read_dir(format!("{folder}/task"))? {
            // A thread may end after it was listed.
            if let Ok((name, user, system)) = stat(&thread?.path()) {
                *threads.entry(name).or_default() += user + system;
            }
        }
        Ok(Self { user, system, threads })
    }

    /// The CPU time used since `before`.
    pub fn since(&self, before: &Self) -> Self {
        let earlier = |name: &String| before.threads.get(name).copied().unwrap_or_default();
        let threads = self.threads.iter().map(|(name, now)| (name.clone(), now.saturating_sub(earlier(name))));
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            threads: threads.collect(),
        }
    }

    /// User and kernel time together.
    pub fn total(&self) -> Duration {
        self.user + self.system
    }

    /// The time of threads whose name begins with this prefix.
    pub fn of_threads(&self, prefix: &str) -> Duration {
        self.threads.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, used)| *used).sum()
    }
}

/// Name, user time and system time of a process or thread.
fn stat(folder: &Path) -> Outcome<(String, Duration, Duration)> {
    let line = fs::read_to_string(folder.join("stat"))?;
    // The name is in brackets and may itself contain any character.
    let (head, fields) = line.rsplit_once(") ").ok_or("stat without a name")?;
    let (_, name) = head.split_once('(').ok_or("stat without a name")?;
    let mut ticks = fields.split(' ').skip(11).map(str::parse::<u32>);
    let mut next = || ticks.next().ok_or("stat without times");
    let (user, system) = (next()??, next()??);
    Ok((name.to_owned(), TICK * user, TICK * system))
}
