//! The connections of one port: a place for each, and what they may cost together. `open` holds
//! them, and decides who has to go when there are too many.

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

/// A connection's place, given back when dropped.
pub(crate) struct Slot {
    table: Arc<Table>,
    id: u64,
    pub(crate) connection: Arc<Connection>,
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

    /// Bytes of memory that are kept for all connections.
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
