//! The open connections of one port, and who has to go when there are too many.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::bounds::{Bounds, Full};
use crate::connection::Connection;
use crate::occupancy::Occupied;

/// The host bits of what one client of IPv6 is given.
const HOST_BITS: u32 = 64;

pub(crate) struct Table {
    bounds: Bounds,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, (IpAddr, Arc<Connection>)>,
    per_address: HashMap<IpAddr, usize>,
}

/// A connection's place, given back when dropped.
pub(crate) struct Slot {
    table: Arc<Table>,
    id: u64,
    pub(crate) connection: Arc<Connection>,
}

impl Table {
    pub(crate) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, open: Mutex::default() })
    }

    /// A place for a connection from there. Where a limit is reached, whoever has kept us waiting longest within that limit
    /// goes in its favour; where all are being served, one of the address that has most of the port does.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Slot, Full> {
        let Bounds { total, per_address, upgraded, upgraded_per_address, .. } = self.bounds;
        let address = client(peer);
        let mut open = self.open();
        if open.per_address.get(&address).is_some_and(|count| *count >= per_address) {
            let is_evicted = open.evict(|other| other == address, upgraded_per_address);
            is_evicted.then_some(()).ok_or(Full::Address { limit: per_address })?;
        }
        if open.connections.len() >= total {
            let has_room = open.evict(|_| true, upgraded) || open.outrank(address);
            has_room.then_some(()).ok_or(Full::Port { limit: total })?;
        }
        let (id, connection) = (open.next, Arc::new(Connection::new(self.bounds)));
        open.next += 1;
        open.connections.insert(id, (address, Arc::clone(&connection)));
        *open.per_address.entry(address).or_default() += 1;
        Ok(Slot { table: Arc::clone(self), id, connection })
    }

    /// Whether a connection from there may be upgraded. Those that were asked about at once may together be too many: they
    /// are the first to go.
    pub(crate) fn check_upgrade(&self, peer: IpAddr) -> Result<(), Full> {
        let Bounds { upgraded, upgraded_per_address, .. } = self.bounds;
        let address = client(peer);
        let open = self.open();
        if open.upgraded(|other| other == address) >= upgraded_per_address {
            return Err(Full::UpgradesOfAddress { limit: upgraded_per_address });
        }
        if open.upgraded(|_| true) >= upgraded {
            return Err(Full::Upgrades { limit: upgraded });
        }
        Ok(())
    }

    /// Ends whoever has kept us waiting longest. For when the process has run out of descriptors.
    pub(crate) fn make_room(&self) {
        self.open().evict(|_| true, self.bounds.upgraded);
    }

    /// How many connections are doing what.
    pub(crate) fn occupied(&self) -> Occupied {
        let mut occupied = Occupied::default();
        for (_, connection) in self.open().connections.values() {
            let count = match (connection.is_upgraded(), connection.serving_since()) {
                (true, _) => &mut occupied.upgraded,
                (false, Some(_)) => &mut occupied.serving,
                (false, None) => &mut occupied.waiting,
            };
            *count += 1;
        }
        occupied
    }

    /// Nothing that is done under the lock can leave the table half changed.
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Upgraded connections go first while there are more than their share, and last otherwise.
    fn evict(&mut self, among: impl Fn(IpAddr) -> bool, share: usize) -> bool {
        let is_over = self.upgraded(&among) > share;
        let waiting = self.connections.iter().filter(|(_, (address, _))| among(*address));
        let waiting = waiting.filter_map(|(id, (_, connection))| Some((connection.patience()?, *id)));
        let longest = waiting.filter(|((is_upgraded, _), _)| !is_over || *is_upgraded).min();
        let Some((_, id)) = longest else { return false };
        if let Some(connection) = self.remove(id) {
            connection.evicted.cancel();
        }
        true
    }

    /// Ends the request that has been served longest of the address that has most of them being served, in favour of one from
    /// an address that has fewer connections even then.
    fn outrank(&mut self, newcomer: IpAddr) -> bool {
        let mut serving = HashMap::<IpAddr, (usize, Instant, u64)>::new();
        for (id, (address, connection)) in &self.connections {
            let Some(since) = connection.serving_since() else { continue };
            let (count, longest, of) = serving.entry(*address).or_insert((0, since, *id));
            *count += 1;
            if since < *longest {
                (*longest, *of) = (since, *id);
            }
        }
        let fewer = self.per_address.get(&newcomer).copied().unwrap_or_default() + 1;
        let most = serving.into_values().max_by_key(|(count, longest, id)| (*count, Reverse((*longest, *id))));
        let Some((_, _, id)) = most.filter(|(count, ..)| *count > fewer) else { return false };
        if let Some(connection) = self.remove(id) {
            connection.outranked.cancel();
        }
        true
    }

    fn upgraded(&self, among: impl Fn(IpAddr) -> bool) -> usize {
        let connections = self.connections.values().filter(|(address, _)| among(*address));
        connections.filter(|(_, connection)| connection.is_upgraded()).count()
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Connection>> {
        let (address, connection) = self.connections.remove(&id)?;
        if let Some(count) = self.per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
        Some(connection)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.table.open().remove(self.id);
        // For those who wait for its end.
        self.connection.evicted.cancel();
    }
}

/// The address that counts as one client's.
#[must_use]
pub fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> HOST_BITS << HOST_BITS)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(total: usize, per_address: usize) -> Arc<Table> {
        Table::new(Bounds { total, per_address, ..Bounds::default() })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn whoever_has_kept_us_waiting_longest_goes_first() {
        let table = table(2, 2);
        let first = table.admit(address("192.0.2.1")).unwrap();
        let second = table.admit(address("192.0.2.2")).unwrap();
        first.connection.answered();
        let _third = table.admit(address("192.0.2.3")).unwrap();
        assert!(second.connection.evicted.is_cancelled());
        assert!(!first.connection.evicted.is_cancelled());
    }

    #[test]
    fn a_request_that_is_being_served_is_never_ended_for_another() {
        let table = table(1, 1);
        let serving = table.admit(address("192.0.2.1")).unwrap();
        serving.connection.serving();
        assert_eq!(table.admit(address("192.0.2.2")).err(), Some(Full::Port { limit: 1 }));
        assert_eq!(table.admit(address("192.0.2.1")).err(), Some(Full::Address { limit: 1 }));
        assert!(!serving.connection.evicted.is_cancelled());
        drop(serving);
        assert!(table.admit(address("192.0.2.2")).is_ok());
    }

    #[test]
    fn a_port_that_is_all_being_served_has_room_for_an_address_with_less_of_it() {
        let table = table(4, 4);
        let serve = |from| {
            let slot = table.admit(address(from))?;
            slot.connection.serving();
            Ok(slot)
        };
        let many: Vec<_> = (0..4).map(|_| serve("192.0.2.1").unwrap()).collect();
        let outranked = || many.iter().filter(|slot| slot.connection.outranked.is_cancelled()).count();
        let _others = [serve("192.0.2.2").unwrap(), serve("192.0.2.2").unwrap()];
        assert_eq!(outranked(), 2);
        assert!(many[0].connection.outranked.is_cancelled(), "who was served longest goes first");
        // Each has half of it now.
        assert_eq!(serve("192.0.2.1").err(), Some(Full::Port { limit: 4 }));
        assert_eq!(serve("192.0.2.2").err(), Some(Full::Port { limit: 4 }));
        assert_eq!(outranked(), 2);
        assert_eq!(table.occupied(), Occupied { serving: 4, ..Occupied::default() });
    }

    #[test]
    fn an_address_at_its_limit_costs_nobody_else_a_connection() {
        let table = table(10, 1);
        let honest = table.admit(address("192.0.2.1")).unwrap();
        let floods: Vec<_> = (0..20).map(|_| table.admit(address("192.0.2.2")).unwrap()).collect();
        assert!(!honest.connection.evicted.is_cancelled());
        assert!(floods[..19].iter().all(|flood| flood.connection.evicted.is_cancelled()));
    }

    #[test]
    fn sessions_go_after_clients_who_send_no_request() {
        let table = table(2, 2);
        let session = table.admit(address("192.0.2.1")).unwrap();
        session.connection.upgraded();
        let idle = table.admit(address("192.0.2.2")).unwrap();
        let next = table.admit(address("192.0.2.3")).unwrap();
        assert!(idle.connection.evicted.is_cancelled());
        next.connection.serving();
        let _last = table.admit(address("192.0.2.4")).unwrap();
        assert!(session.connection.evicted.is_cancelled());
    }

    #[test]
    fn web_sockets_above_their_share_go_before_clients_who_are_about_to_send_a_request() {
        let table = Table::new(Bounds { total: 4, per_address: 4, upgraded: 1, ..Bounds::default() });
        let http = table.admit(address("192.0.2.1")).unwrap();
        let sessions: Vec<_> = (0..3).map(|_| table.admit(address("192.0.2.2")).unwrap()).collect();
        sessions.iter().for_each(|session| session.connection.upgraded());
        let _next: Vec<_> = (0..2).map(|_| table.admit(address("192.0.2.3")).unwrap()).collect();
        let evicted: Vec<_> = sessions.iter().map(|session| session.connection.evicted.is_cancelled()).collect();
        assert_eq!((evicted, http.connection.evicted.is_cancelled()), (vec![true, true, false], false));
        let _last = table.admit(address("192.0.2.3")).unwrap();
        assert!(http.connection.evicted.is_cancelled());
    }

    #[test]
    fn web_sockets_have_a_share_of_the_port_and_of_the_address() {
        let bounds = Bounds { upgraded: 3, upgraded_per_address: 2, ..Bounds::default() };
        let table = Table::new(bounds);
        let mut sessions = Vec::new();
        let mut open = |from| {
            table.check_upgrade(address(from))?;
            let session = table.admit(address(from)).unwrap();
            session.connection.upgraded();
            sessions.push(session);
            Ok(())
        };
        assert_eq!((open("192.0.2.1"), open("192.0.2.1")), (Ok(()), Ok(())));
        assert_eq!(open("192.0.2.1"), Err(Full::UpgradesOfAddress { limit: 2 }));
        assert_eq!(open("192.0.2.2"), Ok(()));
        assert_eq!(open("192.0.2.2"), Err(Full::Upgrades { limit: 3 }));
        sessions.pop();
        assert_eq!(table.check_upgrade(address("192.0.2.2")), Ok(()));
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_a_64_of_ipv6() {
        assert_eq!(client(address("::ffff:192.0.2.1")), address("192.0.2.1"));
        assert_eq!(client(address("2001:db8::1")), client(address("2001:db8::ffff:1")));
        assert_ne!(client(address("2001:db8::1")), client(address("2001:db8:0:1::1")));
    }

    #[test]
    fn places_are_given_back() {
        let table = table(1, 1);
        for _ in 0..3 {
            let slot = table.admit(address("192.0.2.1")).unwrap();
            slot.connection.serving();
        }
        assert!(table.open().per_address.is_empty());
    }
}
