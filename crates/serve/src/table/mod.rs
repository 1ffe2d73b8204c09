//! The connections of one port: a slot for each, and their total memory. `open` holds them, and
//! decides which to evict when there are too many.

mod open;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use open::Open;

use crate::bounds::{Bounds, Full};
use crate::connection::Connection;
use crate::tally::{Ended, Occupied, Tally};

/// Host bits of an IPv6 client: a site, or a free tunnel, is given a /48.
const CLIENT_BITS: u32 = 80;

/// Prioritised connections are at most one in this many of a port.
const KEPT_OF_PORT: usize = 2;
/// One address has at most one in this many of a port, and at least one.
const KEPT_OF_ADDRESS: usize = 8;

pub(crate) struct Table {
    bounds: Bounds,
    open: Mutex<Open>,
    /// Bytes of memory held for all connections.
    kept: Arc<AtomicUsize>,
}

/// A connection's slot, released when dropped.
pub(crate) struct Slot {
    table: Arc<Table>,
    id: u64,
    pub(crate) connection: Arc<Connection>,
}

impl Table {
    pub(crate) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, open: Mutex::default(), kept: Arc::default() })
    }

    /// A slot for a connection from that address. At the limit of its address it replaces the
    /// connection of that address that has kept the port waiting longest. At the limit of the port
    /// it replaces, in this order:
    ///
    /// 1. a client whose request is not complete, of the address with most connections, if that has
    ///    more than the newcomer's address will have;
    /// 2. a connection of its own address that is between two requests;
    /// 3. the request served longest of the address with most requests being served, if these are
    ///    more than the connections the newcomer's address will have;
    /// 4. a client whose request is not complete, of its own address or of one with as many
    ///    connections as that will have;
    /// 5. a WebSocket, by the rules of 1 and 4: they have a limit of their own, so they are
    ///    replaced last.
    ///
    /// Within one step and address, the connection that has waited or been silent longest is
    /// replaced first. So no address loses a connection to one that has more, and an address with
    /// many connections cannot keep out one with few. A prioritised connection is only ever
    /// replaced by one of its own address, last of all.
    ///
    /// # Errors
    /// [`Full::Address`] or [`Full::Port`] if the limit is reached and no connection can be
    /// replaced.
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

    /// Lets a connection from that address become a WebSocket. From then on it counts as one;
    /// [`Connection::answered`] undoes that. At the port's limit on WebSockets, the address with
    /// most of them loses the one that has been silent longest, if it has more than the newcomer's
    /// address will have.
    ///
    /// # Errors
    /// [`Full::UpgradesOfAddress`] or [`Full::Upgrades`] if a limit is reached and none can be
    /// replaced.
    pub(crate) fn admit_upgrade(&self, peer: IpAddr, connection: &Connection) -> Result<(), Full> {
        let mut open = self.open();
        open.make_place_for_web_socket(client(peer), self.bounds)
            .inspect_err(|full| open.tally.refused.count(*full))?;
        connection.upgrading();
        Ok(())
    }

    /// Keeps a connection that proved who it is, unless half of the port is already kept, or an
    /// eighth of it for that address: then the other rules apply.
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

    /// Adds an answer of this length for a connection. Above the port's bound, the address with the
    /// highest cost loses its costliest connection.
    pub(crate) fn add_untaken(&self, connection: &Connection, bytes: usize) {
        self.keep_within(connection.add_untaken(bytes));
    }

    /// The same for the bytes of a received request; returns their cost.
    pub(crate) fn hold(&self, connection: &Connection, bytes: usize) -> usize {
        let cost = Connection::cost_of_request(bytes);
        self.keep_within(connection.hold(cost));
        cost
    }

    /// The same for an answer queued for a WebSocket.
    pub(crate) fn hold_answer(&self, connection: &Connection, bytes: usize) -> usize {
        let cost = Connection::cost_of_answer(bytes);
        self.keep_within(connection.hold(cost));
        cost
    }

    /// Bytes of memory held for all connections.
    pub(crate) fn kept(&self) -> usize {
        self.kept.load(Ordering::SeqCst)
    }

    fn keep_within(&self, kept: usize) {
        if kept <= self.bounds.memory {
            return;
        }
        let mut open = self.open();
        while self.kept() > self.bounds.memory && open.end_costliest() {}
    }

    /// Ends the longest-waiting connection of the address with most connections. Used when the
    /// process has run out of descriptors.
    pub(crate) fn make_room(&self) {
        self.open().evict(|waiting| Some((waiting.connection.is_prioritised(), waiting.in_turn())));
    }

    /// Counts a connection that was ended for a missed deadline, of the client or of the service.
    pub(crate) fn count_ended(&self, count: impl FnOnce(&mut Ended) -> &mut u64) {
        *count(&mut self.open().tally.ended) += 1;
    }

    /// Counts of refused and ended connections, by reason.
    pub(crate) fn tally(&self) -> Tally {
        self.open().tally
    }

    /// Counts of connections by state.
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

    /// No panic under the lock can leave the table inconsistent.
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Adds bytes read from a WebSocket.
    pub(crate) fn hold_incomplete(&self, bytes: usize) {
        self.table.keep_within(self.connection.hold_incomplete(Connection::cost_of_request(bytes)));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.table.open().remove(self.id);
        // Notifies tasks that wait for its end. An answer added from now on counts nothing.
        self.connection.end();
    }
}

/// The address that counts as one client's: an IPv4 address, or the /48 of an IPv6 address with the
/// other bits zero.
#[must_use]
pub fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> CLIENT_BITS << CLIENT_BITS)),
        v4 @ IpAddr::V4(_) => v4,
    }
}
