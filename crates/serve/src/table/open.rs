//! The open connections, and which to evict.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::bounds::{Bounds, Full};
use crate::connection::{Connection, Patience};
use crate::tally::Tally;

#[derive(Default)]
pub(super) struct Open {
    pub(super) next: u64,
    pub(super) connections: HashMap<u64, (IpAddr, Arc<Connection>)>,
    pub(super) per_address: HashMap<IpAddr, usize>,
    pub(super) tally: Tally,
}

/// A connection that keeps the port waiting.
pub(super) struct Waiting<'a> {
    address: IpAddr,
    /// Number of connections of its address.
    held: usize,
    pub(super) connection: &'a Connection,
    patience: Patience,
}

impl Waiting<'_> {
    /// Sorts by the number of connections of the address, most first, then by the longest wait.
    pub(super) fn in_turn(&self) -> (Reverse<usize>, Patience) {
        (Reverse(self.held), self.patience)
    }
}

impl Open {
    pub(super) fn make_place(&mut self, newcomer: IpAddr, bounds: Bounds) -> Result<(), Full> {
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

    pub(super) fn make_place_for_web_socket(&mut self, newcomer: IpAddr, bounds: Bounds) -> Result<(), Full> {
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

    /// Ends the waiting connection with the lowest rank; `None` excludes a connection.
    pub(super) fn evict<R: Ord>(&mut self, rank: impl Fn(&Waiting<'_>) -> Option<R>) -> bool {
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

    /// Ends the longest-served request of the address with most requests being served, if these are
    /// more than `held`.
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

    /// Ends the costliest connection of the address with the highest total cost. Connections whose
    /// client is still sending a request go first, so that no request of that address that is being
    /// served is ended for them.
    pub(super) fn end_costliest(&mut self) -> bool {
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

    /// Number of connections of an address.
    fn held(&self, address: IpAddr) -> usize {
        self.per_address.get(&address).copied().unwrap_or_default()
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Arc<Connection>> {
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
