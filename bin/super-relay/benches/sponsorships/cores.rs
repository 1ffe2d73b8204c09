//! Who runs on which core: the node has one for itself.

use std::process::{Command, Stdio};

use crate::Outcome;

/// The cores that this run uses.
pub struct Cores {
    /// The node's alone.
    pub node: usize,
    /// For the load, the chain and all else.
    pub load: usize,
}

impl Cores {
    /// Takes two of the cores that this process may use and moves itself, and what it starts from
    /// now on, to one of them.
    pub fn divide() -> Outcome<Self> {
        let allowed = allowed()?;
        let (Some(&load), Some(&node)) = (allowed.first(), allowed.last()) else {
            return Err("there is no core".into());
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
