//! The open connections of one port, and who has to go when there are too many.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::bounds::{Bounds, Full};
use crate::connection::{Connection, Patience};
use crate::tally::{Ended, Occupied, Tally};

/// Bits of an IPv6 address that are the client's own: a site, or a free tunnel, is given a /48.
const CLIENT_BITS: u32 = 80;

/// Prioritised connections are at most this part of a port.
const KEPT_OF_PORT: usize = 2;
/// And at most this part of it, but one, from one address.
const KEPT_OF_ADDRESS: usize = 8;

pub(crate) struct Table {
    bounds: Bounds,
    open: Mutex<Open>,
    /// Bytes of memory that are kept for all connections.
    kept: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, (IpAddr, Arc<Connection>)>,
    per_address: HashMap<IpAddr, usize>,
    tally: Tally,
}

/// A connection's place, given back when dropped.
pub(crate) struct Slot {
    table: Arc<Table>,
    id: u64,
    pub(crate) connection: Arc<Connection>,
}

/// A connection that keeps the port waiting.
struct Waiting<'a> {
    address: IpAddr,
    /// Connections of its address.
    held: usize,
    connection: &'a Connection,
    patience: Patience,
}

impl Table {
    pub(crate) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, open: Mutex::default(), kept: Arc::default() })
    }

    /// A place for a connection from there. At the limit of its address it takes the place of the
    /// one of that address which has kept the port waiting longest. At the limit of the port it
    /// takes the place of, in this order:
    ///
    /// 1. a client whose request is not complete, of the address with most connections, if that has
    ///    more than the newcomer's address will have;
    /// 2. a connection of its own address that is between two requests;
    /// 3. the request served longest of the address that has most of them being served, if these
    ///    are more than the connections the newcomer's address will have;
    /// 4. a client whose request is not complete, of its own address or of one with as many
    ///    connections as that will have;
    /// 5. a WebSocket, by the rules of 1 and 4: they have a share of their own, so they go last.
    ///
    /// Within one step and address, who has waited or been silent longest goes first. So no address
    /// loses a connection to one that has more, and one that holds many cannot keep out one that
    /// holds few. A prioritised connection is only ever ended for one of its own address, last of
    /// all.
    ///
    /// # Errors
    /// [`Full::Address`] or [`Full::Port`] when the limit is reached and nobody has to go.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Slot, Full> {
        let address = client(peer);
        let mut open = self.open();
        open.make_place(address, self.bounds).inspect_err(|full| open.tally.refused.count(*full))?;
        let (id, connection) = (open.next, Arc::new(Connection::new(self.bounds, Arc::clone(&self.kept))));
        open.next += 1;
        open.connections.insert(id, (address, Arc::clone(&connection)));
        *open.per_address.entry(address).or_default() += 1;
        Ok(Slot { table: Arc::clone(self), id, connection })
    }

    /// Lets a connection from there become a WebSocket. From then on it counts as one;
    /// [`Connection::answered`] takes that back. At the port's share for WebSockets, the address
    /// with most of them loses the one that has been silent longest, if it has more than the
    /// newcomer's address will have.
    ///
    /// # Errors
    /// [`Full::UpgradesOfAddress`] or [`Full::Upgrades`] when a share is used up and nobody has to
    /// go.
    pub(crate) fn admit_upgrade(&self, peer: IpAddr, connection: &Connection) -> Result<(), Full> {
        let mut open = self.open();
        open.make_place_for_web_socket(client(peer), self.bounds)
            .inspect_err(|full| open.tally.refused.count(*full))?;
        connection.upgrading();
        Ok(())
    }

    /// Keeps a connection that proved who it is, unless half of the port is kept, or an eighth of
    /// it for that address: the rest goes by the other rules.
    pub(crate) fn prioritise(&self, peer: IpAddr, connection: &Connection) {
        if connection.is_prioritised() {
            return;
        }
        let (address, open) = (client(peer), self.open());
        let kept = open.connections.values().filter(|(_, other)| other.is_prioritised());
        let (mut all, mut of_address) = (0, 0);
        for (other, _) in kept {
            all += 1;
            of_address += usize::from(*other == address);
        }
        let total = self.bounds.total;
        if all < total / KEPT_OF_PORT && of_address < (total / KEPT_OF_ADDRESS).max(1) {
            connection.prioritise();
        }
    }

    /// An answer was made for a connection, of that many bytes. Above the port's bound the address
    /// that costs most loses the connection that costs most.
    pub(crate) fn add_untaken(&self, connection: &Connection, bytes: usize) {
        self.keep_within(connection.add_untaken(bytes));
    }

    /// The same for this many bytes of requests that have come; returns what they cost.
    pub(crate) fn hold(&self, connection: &Connection, bytes: usize) -> usize {
        let cost = Connection::cost_of_request(bytes);
        self.keep_within(connection.hold(cost));
        cost
    }

    /// The same for an answer that waits to be written to a WebSocket.
    pub(crate) fn hold_answer(&self, connection: &Connection, bytes: usize) -> usize {
        let cost = Connection::cost_of_answer(bytes);
        self.keep_within(connection.hold(cost));
        cost
    }

    fn keep_within(&self, kept: usize) {
        if kept <= self.bounds.memory {
            return;
        }
        let mut open = self.open();
        while self.kept.load(Ordering::SeqCst) > self.bounds.memory && open.end_costliest() {}
    }

    /// Ends the waiting connection of the address with most connections that has waited longest.
    /// For when the process has run out of descriptors.
    pub(crate) fn make_room(&self) {
        self.open().evict(|waiting| Some((waiting.connection.is_prioritised(), waiting.in_turn())));
    }

    /// Counts a connection that ended since the port waited for its client, or the client for the
    /// service, too long.
    pub(crate) fn count_ended(&self, count: impl FnOnce(&mut Ended) -> &mut u64) {
        *count(&mut self.open().tally.ended) += 1;
    }

    /// How many were refused or ended by this port, and why.
    pub(crate) fn tally(&self) -> Tally {
        self.open().tally
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

impl Waiting<'_> {
    /// The address with most connections first, and of these who has waited longest.
    fn in_turn(&self) -> (Reverse<usize>, Patience) {
        (Reverse(self.held), self.patience)
    }
}

impl Open {
    fn make_place(&mut self, newcomer: IpAddr, bounds: Bounds) -> Result<(), Full> {
        let Bounds { total, per_address, .. } = bounds;
        let last_of_all = |waiting: &Waiting<'_>| (waiting.connection.is_prioritised(), waiting.patience);
        if self.held(newcomer) >= per_address {
            let is_evicted = self.evict(|waiting| (waiting.address == newcomer).then(|| last_of_all(waiting)));
            is_evicted.then_some(()).ok_or(Full::Address { limit: per_address })?;
        }
        if self.connections.len() < total {
            return Ok(());
        }
        let held = self.held(newcomer) + 1;
        let may_go = |waiting: &Waiting<'_>, at_least: usize| {
            waiting.address == newcomer || (waiting.held >= at_least && !waiting.connection.is_prioritised())
        };
        let has_more = |waiting: &Waiting<'_>| {
            let is_request = !waiting.connection.is_upgraded() && waiting.address != newcomer;
            (is_request && may_go(waiting, held + 1)).then(|| waiting.in_turn())
        };
        let between_requests = |waiting: &Waiting<'_>| {
            let is_idle = waiting.connection.is_idle() && waiting.connection.untaken() == 0;
            (waiting.address == newcomer && is_idle).then(|| last_of_all(waiting))
        };
        let has_as_many = |waiting: &Waiting<'_>| {
            (!waiting.connection.is_upgraded() && may_go(waiting, held)).then(|| last_of_all(waiting))
        };
        let is_session = |waiting: &Waiting<'_>| {
            (waiting.connection.is_upgraded() && may_go(waiting, held)).then(|| waiting.in_turn())
        };
        let has_room = self.evict(has_more)
            || self.evict(between_requests)
            || self.outrank(held)
            || self.evict(has_as_many)
            || self.evict(is_session);
        has_room.then_some(()).ok_or(Full::Port { limit: total })
    }

    fn make_place_for_web_socket(&mut self, newcomer: IpAddr, bounds: Bounds) -> Result<(), Full> {
        let Bounds { upgraded, upgraded_per_address, .. } = bounds;
        let mut per_address = HashMap::<IpAddr, usize>::new();
        for (address, _) in self.connections.values().filter(|(_, connection)| connection.has_web_socket()) {
            *per_address.entry(*address).or_default() += 1;
        }
        let of = |address| per_address.get(&address).copied().unwrap_or_default();
        if of(newcomer) >= upgraded_per_address {
            return Err(Full::UpgradesOfAddress { limit: upgraded_per_address });
        }
        if per_address.values().sum::<usize>() < upgraded {
            return Ok(());
        }
        let has_room = self.evict(|waiting| {
            let sockets = of(waiting.address);
            let is_over = waiting.connection.is_upgraded() && sockets > of(newcomer) + 1;
            is_over.then_some((Reverse(sockets), waiting.patience))
        });
        has_room.then_some(()).ok_or(Full::Upgrades { limit: upgraded })
    }

    /// Ends the waiting connection that ranks lowest; `None` ranks none.
    fn evict<R: Ord>(&mut self, rank: impl Fn(&Waiting<'_>) -> Option<R>) -> bool {
        let waiting = self.connections.iter().filter_map(|(id, (address, connection))| {
            let patience = connection.patience()?;
            let waiting = Waiting { address: *address, held: self.held(*address), connection, patience };
            Some((rank(&waiting)?, *id))
        });
        let Some((_, id)) = waiting.min() else { return false };
        if let Some(connection) = self.remove(id) {
            self.tally.ended.evicted += 1;
            connection.end();
        }
        true
    }

    /// Ends the request that has been served longest of the address that has most of them being
    /// served, if these are more than `held`.
    fn outrank(&mut self, held: usize) -> bool {
        let mut serving = HashMap::<IpAddr, (usize, Instant, u64)>::new();
        for (id, (address, connection)) in &self.connections {
            let Some(since) = connection.serving_since().filter(|_| !connection.is_prioritised()) else { continue };
            let (count, longest, of) = serving.entry(*address).or_insert((0, since, *id));
            *count += 1;
            if since < *longest {
                (*longest, *of) = (since, *id);
            }
        }
        let most = serving.into_values().max_by_key(|(count, longest, id)| (*count, Reverse((*longest, *id))));
        let Some((_, _, id)) = most.filter(|(count, ..)| *count > held) else { return false };
        if let Some(connection) = self.remove(id) {
            self.tally.ended.outranked += 1;
            connection.outranked.cancel();
        }
        true
    }

    /// Of the address whose connections cost most together, ends the one that costs most; first
    /// those whose client is still sending a request, so that nobody of that address who is being
    /// served goes for them.
    fn end_costliest(&mut self) -> bool {
        let mut addresses = HashMap::<IpAddr, (usize, (bool, usize), u64)>::new();
        for (id, (address, connection)) in &self.connections {
            let memory = connection.memory();
            let rank = (connection.is_receiving() && memory > 0, memory);
            let (sum, most, of) = addresses.entry(*address).or_insert((0, rank, *id));
            *sum += memory;
            if rank > *most {
                (*most, *of) = (rank, *id);
            }
        }
        let Some((_, _, id)) = addresses.into_values().filter(|(sum, ..)| *sum > 0).max() else { return false };
        if let Some(connection) = self.remove(id) {
            self.tally.ended.memory += 1;
            connection.end();
        }
        true
    }

    /// Connections of an address.
    fn held(&self, address: IpAddr) -> usize {
        self.per_address.get(&address).copied().unwrap_or_default()
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

impl Slot {
    /// So many bytes of a WebSocket were read.
    pub(crate) fn hold_incomplete(&self, bytes: usize) {
        self.table.keep_within(self.connection.hold_incomplete(Connection::cost_of_request(bytes)));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.table.open().remove(self.id);
        // For those who wait for its end. An answer that is made from now on counts for nothing.
        self.connection.end();
    }
}

/// The address that counts as one client's: an IPv4 address, or the /48 of an IPv6 address with its
/// other bits 0.
#[must_use]
pub fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> CLIENT_BITS << CLIENT_BITS)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use crate::tally::Refused;

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
    fn a_reconnecting_flood_ends_only_connections_of_its_own_addresses() {
        let table = table(40, 16);
        let honest: Vec<_> = (0..6).map(|_| table.admit(address("192.0.2.1")).unwrap()).collect();
        let mut flood = Vec::new();
        for turn in 0..400 {
            flood.push(table.admit(address(&format!("198.51.100.{}", turn % 4))).unwrap());
        }
        let newcomer = table.admit(address("192.0.2.2")).unwrap();
        let evicted = |slots: &[Slot]| slots.iter().filter(|slot| slot.connection.evicted.is_cancelled()).count();
        assert_eq!((evicted(&honest), evicted(&[newcomer])), (0, 0));
        assert_eq!(evicted(&flood), 400 - 33);
        assert_eq!(table.tally().ended, Ended { evicted: 400 - 33, ..Ended::default() });
    }

    #[test]
    fn an_address_that_has_more_gets_no_place_of_one_that_has_less() {
        let table = table(4, 4);
        let few = table.admit(address("192.0.2.1")).unwrap();
        let many: Vec<_> = (0..3).map(|_| table.admit(address("192.0.2.2")).unwrap()).collect();
        many.iter().for_each(|slot| slot.connection.serving());
        assert_eq!(table.admit(address("192.0.2.2")).err(), Some(Full::Port { limit: 4 }));
        assert!(!few.connection.evicted.is_cancelled());
        assert_eq!(table.tally().refused, Refused { port: 1, ..Refused::default() });
    }

    #[test]
    fn one_slow_connection_of_each_of_many_addresses_does_not_lock_the_port() {
        let table = table(8, 8);
        let slow: Vec<_> = (0..8).map(|host| table.admit(address(&format!("198.51.100.{host}"))).unwrap()).collect();
        let _honest = table.admit(address("192.0.2.1")).unwrap();
        assert!(slow[0].connection.evicted.is_cancelled());
    }

    #[test]
    fn requests_that_arrive_together_are_not_ended_for_each_other_while_another_address_has_more_served() {
        let table = table(8, 8);
        let flood: Vec<_> = (0..7).map(|_| table.admit(address("198.51.100.1")).unwrap()).collect();
        flood.iter().for_each(|slot| slot.connection.serving());
        let kept = table.admit(address("192.0.2.1")).unwrap();
        kept.connection.answered();
        let arriving: Vec<_> = (0..3).map(|_| table.admit(address("192.0.2.1")).unwrap()).collect();
        assert!(kept.connection.evicted.is_cancelled(), "its own kept connection goes before a request of anybody");
        assert!(arriving.iter().all(|slot| !slot.connection.evicted.is_cancelled()));
        assert_eq!(table.tally().ended, Ended { evicted: 1, outranked: 2, ..Ended::default() });
    }

    #[test]
    fn a_prioritised_connection_is_ended_only_for_one_of_its_own_address() {
        let table = table(4, 2);
        let relay: Vec<_> = (0..2).map(|_| table.admit(address("192.0.2.1")).unwrap()).collect();
        relay.iter().for_each(|slot| slot.connection.prioritise());
        let admit = |host: u8| table.admit(address(&format!("198.51.100.{host}")));
        let flood: Vec<_> = (0..100).map(|host| admit(host).unwrap()).collect();
        flood.iter().for_each(|slot| slot.connection.serving());
        assert_eq!(admit(100).err(), Some(Full::Port { limit: 4 }));
        assert!(relay.iter().all(|slot| !slot.connection.evicted.is_cancelled()));
        let _own = table.admit(address("192.0.2.1")).unwrap();
        assert!(relay[0].connection.evicted.is_cancelled());
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
    fn sessions_of_one_address_go_after_a_flood_from_many() {
        let table = table(8, 8);
        let sessions: Vec<_> = (0..4).map(|_| table.admit(address("192.0.2.1")).unwrap()).collect();
        sessions.iter().for_each(|session| session.connection.upgraded());
        let flood: Vec<_> = (0..50).map(|host| table.admit(address(&format!("198.51.100.{host}"))).unwrap()).collect();
        assert!(sessions.iter().all(|session| !session.connection.evicted.is_cancelled()));
        // When all else is being served, the most silent of the address with most connections goes.
        flood.iter().for_each(|slot| slot.connection.serving());
        let _next = table.admit(address("192.0.2.2")).unwrap();
        assert!(sessions[0].connection.evicted.is_cancelled());
    }

    #[test]
    fn handshakes_at_once_take_no_more_than_the_share() {
        let table = Table::new(Bounds { upgraded: 2, ..Bounds::default() });
        let slots: Vec<_> = (1..=3).map(|host| table.admit(address(&format!("192.0.2.{host}"))).unwrap()).collect();
        let ask = |slot: usize| table.admit_upgrade(address(&format!("192.0.2.{}", slot + 1)), &slots[slot].connection);
        assert_eq!((ask(0), ask(1), ask(2)), (Ok(()), Ok(()), Err(Full::Upgrades { limit: 2 })));
        assert_eq!(table.tally().refused, Refused { web_sockets: 1, ..Refused::default() });
        // The service answered otherwise.
        slots[0].connection.answered();
        assert_eq!(ask(2), Ok(()));
    }

    #[test]
    fn web_sockets_have_a_share_of_the_port_and_of_the_address() {
        let bounds = Bounds { upgraded: 3, upgraded_per_address: 2, ..Bounds::default() };
        let table = Table::new(bounds);
        let mut sessions = Vec::new();
        let mut open = |from| {
            let session = table.admit(address(from)).unwrap();
            table.admit_upgrade(address(from), &session.connection)?;
            session.connection.upgraded();
            sessions.push(session);
            Ok(())
        };
        assert_eq!((open("192.0.2.1"), open("192.0.2.1")), (Ok(()), Ok(())));
        assert_eq!(open("192.0.2.1"), Err(Full::UpgradesOfAddress { limit: 2 }));
        assert_eq!(open("192.0.2.2"), Ok(()));
        // Both addresses have as many then.
        assert_eq!(open("192.0.2.2"), Err(Full::Upgrades { limit: 3 }));
        sessions.pop();
        let next = table.admit(address("192.0.2.2")).unwrap();
        assert_eq!(table.admit_upgrade(address("192.0.2.2"), &next.connection), Ok(()));
    }

    #[test]
    fn idle_web_sockets_of_few_addresses_keep_no_other_address_from_having_one() {
        let table = Table::new(Bounds { upgraded: 6, upgraded_per_address: 3, ..Bounds::default() });
        let open = |from| {
            let session = table.admit(address(from)).unwrap();
            table.admit_upgrade(address(from), &session.connection).map(|()| {
                session.connection.upgraded();
                session
            })
        };
        let many: Vec<_> = (0..6).map(|turn| open(["192.0.2.1", "192.0.2.2"][turn / 3]).unwrap()).collect();
        let ended = || many.iter().map(|slot| slot.connection.evicted.is_cancelled()).collect::<Vec<_>>();
        let _others = [open("192.0.2.3").unwrap(), open("192.0.2.3").unwrap()];
        assert_eq!(ended(), [true, false, false, true, false, false], "the most silent of each goes");
        // Three addresses have two each.
        assert_eq!(open("192.0.2.3").err(), Some(Full::Upgrades { limit: 6 }));
        assert_eq!(open("192.0.2.4").map(drop), Ok(()));
    }

    #[test]
    fn the_address_that_leaves_most_untaken_loses_what_it_left_most_of() {
        const MIB: usize = 1 << 20;
        let table = Table::new(Bounds { memory: 100 * MIB, ..Bounds::default() });
        let slots =
            ["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.2"].map(|from| table.admit(address(from)).unwrap());
        for (slot, bytes) in slots.iter().zip([40, 10, 25, 20]) {
            table.add_untaken(&slot.connection, bytes * MIB);
        }
        let ended = || slots.iter().map(|slot| slot.connection.evicted.is_cancelled()).collect::<Vec<_>>();
        assert_eq!(ended(), [false; 4]);
        slots[1].connection.take(4 * MIB);
        table.add_untaken(&slots[1].connection, 10 * MIB);
        assert_eq!(ended(), [false, false, true, false]);
        assert_eq!((table.kept.load(Ordering::SeqCst) / MIB, table.tally().ended.memory), (76, 1));
        // What is written has more bytes than the answers, and what is made after the end counts
        // for nothing.
        slots[0].connection.take(1000 * MIB);
        table.add_untaken(&slots[2].connection, 1000 * MIB);
        assert_eq!((table.kept.load(Ordering::SeqCst) / MIB, ended()), (36, vec![false, false, true, false]));
        drop(slots);
        assert_eq!(table.kept.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn many_small_answers_cost_more_than_their_bytes() {
        let table = Table::new(Bounds { memory: 1 << 20, ..Bounds::default() });
        let slot = table.admit(address("192.0.2.1")).unwrap();
        for _ in 0..100 {
            table.add_untaken(&slot.connection, 41);
        }
        assert!(!slot.connection.evicted.is_cancelled());
        // Half of the bytes are half of the cost, and nothing is left of it with the last.
        slot.connection.take(2_050);
        assert_eq!(table.kept.load(Ordering::SeqCst), 50 * (8192 + 41));
        slot.connection.take(2_050);
        assert_eq!(table.kept.load(Ordering::SeqCst), 0);
        for _ in 0..200 {
            table.add_untaken(&slot.connection, 41);
        }
        assert!(slot.connection.evicted.is_cancelled());
    }

    #[test]
    fn requests_cost_four_times_their_length_until_they_are_answered() {
        let table = Table::new(Bounds { memory: 1000, ..Bounds::default() });
        let [large, small] = ["192.0.2.1", "192.0.2.2"].map(|from| table.admit(address(from)).unwrap());
        table.hold(&large.connection, 150);
        table.hold(&small.connection, 50);
        assert_eq!(table.kept.load(Ordering::SeqCst), 800);
        table.hold(&small.connection, 60);
        assert!(large.connection.evicted.is_cancelled() && !small.connection.evicted.is_cancelled());
        // What was ended is not released again.
        large.connection.release(600);
        assert_eq!(table.kept.load(Ordering::SeqCst), 440);
        small.connection.answered();
        assert_eq!(table.kept.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn what_a_web_socket_sent_is_kept_until_it_is_answered() {
        let table = table(1, 1);
        let socket = table.admit(address("192.0.2.1")).unwrap();
        let memory = Memory { table: Arc::clone(&table), connection: Arc::clone(&socket.connection) };
        let kept = || table.kept.load(Ordering::SeqCst);
        socket.hold_incomplete(100);
        socket.hold_incomplete(200);
        assert_eq!(kept(), 1200);
        let mut message = memory.message(250);
        assert_eq!(kept(), 1000);
        socket.hold_incomplete(10);
        message.answered(8);
        assert_eq!(kept(), 1000 + 40 + 8200);
        drop(message);
        assert_eq!(kept(), 40);
        socket.connection.end();
        drop(memory.message(10));
        assert_eq!(kept(), 0);
    }

    #[test]
    fn of_one_address_who_is_still_sending_goes_before_who_is_served() {
        let table = Table::new(Bounds { memory: 1000, ..Bounds::default() });
        let [busy, body, message] = [(); 3].map(|()| table.admit(address("192.0.2.1")).unwrap());
        table.hold(&busy.connection, 200);
        busy.connection.serving();
        body.connection.receiving_body();
        table.hold(&body.connection, 30);
        message.connection.upgraded();
        message.hold_incomplete(60);
        assert!(message.connection.evicted.is_cancelled() && !body.connection.evicted.is_cancelled());
        table.hold(&busy.connection, 25);
        assert!(body.connection.evicted.is_cancelled(), "then the other");
        assert!(!busy.connection.evicted.is_cancelled());
    }

    #[test]
    fn no_address_loses_a_connection_to_one_that_costs_more() {
        let table = Table::new(Bounds { memory: 1000, ..Bounds::default() });
        let costly = [(); 3].map(|()| table.admit(address("192.0.2.1")).unwrap());
        for slot in &costly {
            slot.connection.upgraded();
            slot.hold_incomplete(82);
        }
        let honest = table.admit(address("192.0.2.2")).unwrap();
        honest.connection.receiving_body();
        table.hold(&honest.connection, 60);
        assert!(!honest.connection.evicted.is_cancelled());
        assert_eq!(costly.iter().filter(|slot| slot.connection.evicted.is_cancelled()).count(), 1);
    }

    #[test]
    fn half_of_a_port_is_kept_and_an_eighth_for_one_address() {
        let table = table(16, 16);
        let kept = |from, count: usize| {
            let slots: Vec<_> = (0..count).map(|_| table.admit(address(from)).unwrap()).collect();
            slots.iter().for_each(|slot| table.prioritise(address(from), &slot.connection));
            let is_kept = slots.iter().filter(|slot| slot.connection.is_prioritised()).count();
            (is_kept, slots)
        };
        let (of_one, _one) = kept("192.0.2.1", 4);
        let others = ["192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"].map(|from| kept(from, 2));
        assert_eq!((of_one, others.map(|(count, _)| count)), (2, [2, 2, 2, 0]));
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_a_48_of_ipv6() {
        assert_eq!(client(address("::ffff:192.0.2.1")), address("192.0.2.1"));
        assert_eq!(client(address("2001:db8::1")), client(address("2001:db8:0:ffff::1")));
        assert_ne!(client(address("2001:db8::1")), client(address("2001:db8:1::1")));
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
