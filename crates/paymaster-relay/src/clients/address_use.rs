//! The use of a shared resource, by client address.

use std::collections::HashMap;
use std::net::IpAddr;

/// Maximum number of tracked addresses. Beyond it the one with the least use is dropped.
const MOST: usize = 4096;

/// Use by address, in the sharer's unit.
#[derive(Clone, Debug, Default)]
pub(super) struct AddressUse(HashMap<IpAddr, u64>);

impl AddressUse {
    pub(super) fn of(&self, address: IpAddr) -> u64 {
        self.0.get(&address).copied().unwrap_or_default()
    }

    pub(super) fn add(&mut self, address: IpAddr, used: u64) {
        if self.0.len() >= MOST && !self.0.contains_key(&address) {
            let least = self.0.iter().min_by_key(|(_, used)| **used).map(|(address, _)| *address);
            least.and_then(|least| self.0.remove(&least));
        }
        *self.0.entry(address).or_default() += used;
    }

    /// Updates the use of every address; addresses without use are dropped.
    pub(super) fn change(&mut self, change: impl Fn(u64) -> u64) {
        self.0.retain(|_, used| {
            *used = change(*used);
            *used > 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_there_are_few_are_remembered_and_who_used_most_is() {
        let mut used = AddressUse::default();
        let address = |number: u32| IpAddr::from(number.to_be_bytes());
        used.add(address(0), 1000);
        for number in 1..10_000 {
            used.add(address(number), 1);
        }
        assert_eq!((used.0.len(), used.of(address(0))), (MOST, 1000));
        used.change(|used| used / 2);
        assert_eq!((used.0.len(), used.of(address(0))), (1, 500));
    }
}
