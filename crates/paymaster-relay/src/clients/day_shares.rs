//! A daily quota shared by strangers: no client address may use more of it than it leaves to
//! others.
//!
//! As in [`super::shares`], with a day instead of a rate: the first client gets half, each further
//! one half of the rest. The use is known to this process only: after a start it is 0 for every
//! address, and the remaining quota is unchanged.

use serve::Client;

use super::address_use::AddressUse;

/// The calls of one day by address.
#[derive(Clone, Debug, Default)]
pub(super) struct DayShares {
    day: u64,
    used: AddressUse,
}

impl DayShares {
    /// Whether a client may use one of the remaining calls of that day. A proxy that does not name
    /// its clients may use all of them.
    pub(super) fn allows(&self, client: Client, day: u64, left: u64) -> bool {
        let Client::Address(address) = client else { return left > 0 };
        let used = if day == self.day { self.used.of(address) } else { 0 };
        used < left
    }

    /// Counts a call.
    pub(super) fn count(&mut self, client: Client, day: u64) {
        let Client::Address(address) = client else { return };
        if day != self.day {
            *self = Self { day, used: AddressUse::default() };
        }
        self.used.add(address, 1);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const QUOTA: u64 = 100;

    fn client(number: u32) -> Client {
        Client::Address(IpAddr::from(number.to_be_bytes()))
    }

    fn taken(shares: &mut DayShares, client: Client, day: u64, calls: &mut u64) -> u64 {
        let before = *calls;
        while shares.allows(client, day, QUOTA - *calls) {
            shares.count(client, day);
            *calls += 1;
        }
        *calls - before
    }

    #[test]
    fn an_address_gets_half_of_what_is_left_and_all_of_it_the_next_day() {
        let (mut shares, mut calls) = (DayShares::default(), 0);
        let got: Vec<_> = (0..4).map(|number| taken(&mut shares, client(number), 7, &mut calls)).collect();
        assert_eq!(got, [50, 25, 13, 6]);
        assert_eq!(taken(&mut shares, client(0), 7, &mut calls), 0);
        assert_eq!(taken(&mut shares, client(0), 8, &mut 0), 50);
    }

    #[test]
    fn a_proxy_that_names_nobody_may_have_all_of_it() {
        assert_eq!(taken(&mut DayShares::default(), Client::Untold, 7, &mut 0), QUOTA);
    }
}
