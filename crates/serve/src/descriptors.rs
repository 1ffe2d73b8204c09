//! The process's limit on file descriptors: each connection uses one.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors reserved for databases, logs, signals and pools.
const OWN: usize = 128;

/// Raises the soft limit on open files to the hard limit, and returns the resulting limit. `None`
/// means unlimited.
///
/// # Errors
/// If the system refuses.
pub fn raise_limit() -> io::Result<Option<u64>> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(maximum)
}

/// The maximum number of connections for each port with `limit` descriptors, if `reserved` are kept
/// for another port.
///
/// `wanted` pairs the connections of a port with the maximum number of descriptors that each uses:
/// its own, and those opened on behalf of its request. If there are too few, all are reduced in
/// proportion, but never below one.
#[must_use]
pub fn share<const PORTS: usize>(limit: u64, reserved: usize, wanted: [(usize, usize); PORTS]) -> [usize; PORTS] {
    let needed: usize = wanted.iter().map(|(connections, each)| connections.saturating_mul(*each)).sum();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let there = limit.saturating_sub(reserved.saturating_add(OWN));
    wanted.map(|(connections, _)| match needed {
        _ if needed <= there => connections,
        // No product of two of these overflows a u128.
        _ => {
            let part = connections as u128 * there as u128 / needed as u128;
            usize::try_from(part).unwrap_or(connections).max(1)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_cut_in_proportion_where_descriptors_are_few() {
        assert_eq!(share(1_000_000, 64, [(1024, 3), (1024, 2)]), [1024, 1024]);
        assert_eq!(share(1024, 64, [(1024, 3), (1024, 2)]), [166, 166]);
        assert_eq!(share(1024, 64, [(1024, 3), (0, 2)]), [277, 1]);
        assert_eq!(share(10, 64, [(1024, 3), (1024, 2)]), [1, 1]);
    }
}
