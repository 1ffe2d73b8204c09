//! Assigns cores: the node gets one to itself.

use std::process::{Command, Stdio};

use crate::Outcome;

/// The cores that this run uses.
pub struct Cores {
    /// The node's own core.
    pub node: usize,
    /// The core for the load, the chain and everything else.
    pub load: usize,
}

impl Cores {
    /// Takes two of the cores this process may use, and moves the process, and everything it starts
    /// later, to one of them.
    pub fn divide() -> Outcome<Self> {
        let allowed = allowed()?;
        let (Some(&load), Some(&node)) = (allowed.first(), allowed.last()) else {
            return Err("no core is available".into());
        };
        if load == node {
            return Err("two cores are needed: one for the node, one for the load".into());
        }
        let moved = Command::new("taskset")
            .args(["--all-tasks", "--cpu-list", "--pid", &load.to_string(), &std::process::id().to_string()])
            .stdout(Stdio::null())
            .status()?;
        if moved.success() { Ok(Self { node, load }) } else { Err("taskset did not move this process".into()) }
    }
}

/// From the line `Cpus_allowed_list`, as `0-1,4`.
fn allowed() -> Outcome<Vec<usize>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).ok_or("no list of cores")?;
    let mut cores = Vec::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cores.extend(first.parse::<usize>()?..=last.parse()?);
    }
    Ok(cores)
}
