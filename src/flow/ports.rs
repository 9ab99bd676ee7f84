//! Which inside endpoint holds which outside port of a SNAT address.
//!
//! Owns an allocator for each protocol of each SNAT address, shared by all workers without a lock. A cell is written when a
//! mapping is made or removed, by the worker that does it; the fast path never reads one. Never reads flows: a mapping lives as
//! long as its count of users says.
//!
//! The mapping is endpoint-independent (RFC 4787 REQ-1, RFC 5382 REQ-1, RFC 5508 REQ-1): an inside endpoint has one outside
//! port, whomever it talks to. Who may answer is known for UDP ([`super::remotes`]). Two workers that do so in the same instant
//! can give it a second one; each is still its own alone, which is what correctness needs.

use super::port_cells::{Cell, FREE, PortCells};
use super::port_order::{Range, ReservedPorts};
use super::remotes::Remotes;
use crate::chance;
use crate::wire::{Endpoint, Protocol};
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// How far an existing mapping of an endpoint is looked for. Only an endpoint whose first thousand choices were all taken
/// at once can be further away, which needs more than 99 ports of 100 in use; it then gets a second port.
const SEARCH: u32 = 1024;

/// The ports of one address for one protocol; for ICMP, the identifiers of echo requests.
pub struct PortAllocator {
    /// One cell a port, see [`Cell`]. Written and read by all workers. Every change is a compare-and-swap on that one
    /// cell, and all agree on the order of its changes. Whoever frees the port must see that whoever took it has counted it, or the
    /// count would dip below nothing; whoever sees its new holder must see that another epoch of its remotes has begun.
    cells: PortCells,
    /// Whom the holders of ports talk to, of UDP.
    remotes: Option<Remotes>,
    ranges: &'static [Range],
    /// Ports held, by range. Written by the worker that makes or removes a mapping, read by all: it saves a search that
    /// would find nothing, no more.
    used: [AtomicU32; 2],
    /// How far from its first choice any mapping has ever been. Written before the cell it speaks of, read by all.
    furthest: AtomicU32,
    /// Allocations that found no free port. Written by the worker that asked, read by management.
    exhausted: AtomicU64,
    seed: u64,
}

impl PortAllocator {
    /// One with all ports free: a few kilobytes, and eight more for each 1,024 ports of which one was ever given away. The seed makes
    /// the choice of another port unpredictable (RFC 6056 3.3.3).
    pub fn new(protocol: Protocol, seed: u64) -> PortAllocator {
        let cells = PortCells::new();
        let (used, furthest, exhausted) = Default::default();
        let remotes = (protocol == Protocol::Udp).then(Remotes::new);
        PortAllocator { cells, remotes, ranges: Range::of(protocol), used, furthest, exhausted, seed }
    }

    /// One that has given away the same ports, and knows nothing of what this one does from now on. What workers do meanwhile may be in
    /// it or not, cell by cell.
    pub fn copied(&self) -> PortAllocator {
        let PortAllocator { cells, remotes, ranges, used, furthest, exhausted, seed } = self;
        let copied = |cell: &AtomicU32| AtomicU32::new(cell.load(Relaxed));
        PortAllocator {
            cells: cells.copied(),
            remotes: remotes.as_ref().map(Remotes::copied),
            ranges,
            used: used.each_ref().map(copied),
            furthest: copied(furthest),
            exhausted: AtomicU64::new(exhausted.load(Relaxed)),
            seed: *seed,
        }
    }

    /// The port that [`PortAllocator::allocate`] would give to an inside endpoint now; nothing is given away.
    pub fn preview(&self, inside: Endpoint, reserved: &ReservedPorts) -> Option<u16> {
        let range = self.range_of(inside.port)?;
        let is_held = |port: &u16| self.owner(*port) == Some(inside);
        let held = self.reachable(inside, range, reserved).find(is_held);
        held.or_else(|| {
            let free = |port: &u16| !reserved.contains(*port) && self.cells.load(*port) == FREE;
            self.has_free(range, reserved).then(|| self.choices(inside, range).find(free)).flatten()
        })
    }

    /// The outside port for an inside endpoint, with one more user. An existing mapping is shared; else the port is kept
    /// if it is free; else another one is taken, of the same range and if possible the same parity (RFC 4787 REQ-4), in
    /// an order that only the endpoint and the seed decide (RFC 7857 9: random only where the port has to change).
    ///
    /// `None` if no port of the range is free, or the endpoint has port 0 where that is none.
    pub fn allocate(&self, inside: Endpoint, reserved: &ReservedPorts) -> Option<u16> {
        let range = self.range_of(inside.port)?;
        let port = self.share(inside, range, reserved).or_else(|| self.take(inside, range, reserved));
        if port.is_none() {
            self.exhausted.fetch_add(1, Relaxed);
        }
        port
    }

    /// The inside endpoint uses a port again that it was given by another allocator with this seed, with one more user. `false`, and
    /// nothing changed: somebody else has it, or it is given to nobody any more. Two calls at the same time must not make the
    /// first use of one port.
    pub fn claim(&self, port: u16, inside: Endpoint, reserved: &ReservedPorts) -> bool {
        let range = self.range_of(inside.port).filter(|range| self.ranges[*range].contains(port));
        let Some(range) = range.filter(|_| !reserved.contains(port)) else { return false };
        if self.share_port(port, inside) {
            return true;
        }
        let reach = || self.choices(inside, range).take(SEARCH as usize).position(|choice| choice == port);
        self.cells.load(port) == FREE && self.occupy(port, inside, reach().map_or(SEARCH, |at| at as u32))
    }

    /// Prefetches what is known of a port.
    #[inline]
    pub fn prefetch(&self, port: u16) {
        self.cells.prefetch(port);
        self.remotes.iter().for_each(|remotes| remotes.prefetch(port));
    }

    /// Gives up one use of a port. `false`, and nothing changed, if `inside` does not hold it.
    pub fn release(&self, port: u16, inside: Endpoint) -> bool {
        let fewer = |bits| {
            let held = Cell::of(bits).filter(|held| held.inside == inside)?;
            Some(if held.users == 1 { FREE } else { Cell { users: held.users - 1, ..held }.bits() })
        };
        match self.cells.update(port, fewer) {
            Ok(before) => {
                if Cell::of(before).is_some_and(|held| held.users == 1) {
                    self.count_used(port, |used| used.fetch_sub(1, Relaxed));
                }
                true
            }
            Err(_) => false,
        }
    }

    /// Who holds a port.
    pub fn owner(&self, port: u16) -> Option<Endpoint> {
        Cell::of(self.cells.load(port)).map(|held| held.inside)
    }

    /// The holder of the port has begun a flow to `remote`, which may answer from its other ports from now on. To be called
    /// after [`PortAllocator::allocate`]. `true`: as it talks to more than four addresses, whoever sends to the port is let in.
    pub fn enter(&self, port: u16, remote: Ipv4Addr) -> bool {
        self.remotes.as_ref().is_some_and(|remotes| remotes.enter(port, remote))
    }

    /// Such a flow is no more, or one that was let in. To be called before [`PortAllocator::release`].
    pub fn leave(&self, port: u16, remote: Ipv4Addr, was_admitted: bool) {
        self.remotes.iter().for_each(|remotes| remotes.leave(port, remote, was_admitted));
    }

    /// A datagram of no flow has come from `remote`. If it may (RFC 4787 REQ-8: filtering is address-dependent), whom it is for;
    /// the port then has one more user, and `remote` one more flow that it was let in by.
    pub fn admit(&self, port: u16, remote: Ipv4Addr) -> Option<Endpoint> {
        let remotes = self.remotes.as_ref()?;
        let inside = self.owner(port)?;
        let admission = remotes.admit(port, remote)?;
        if self.share_port(port, inside) {
            if remotes.is_current(port, admission) {
                return Some(inside);
            }
            self.release(port, inside);
        }
        remotes.leave(port, remote, true);
        None
    }

    /// As [`PortAllocator::enter`], for a flow that was let in before. It counts as long as there is one that the holder has begun.
    pub fn readmit(&self, port: u16, remote: Ipv4Addr) {
        self.remotes.iter().for_each(|remotes| _ = remotes.admit(port, remote));
    }

    /// How many ports are held. While workers allocate and release, a number of a moment ago.
    pub fn used(&self) -> usize {
        self.ranges.iter().map(|range| self.used_in(*range)).sum()
    }

    /// How many ports of a range are held, likewise. The range is one of [`Range::of`] the table's protocol.
    pub fn used_in(&self, range: Range) -> usize {
        self.range_of(range.first).map_or(0, |at| self.used[at].load(Relaxed) as usize)
    }

    /// How many allocations found no free port, since it was made.
    pub fn exhausted(&self) -> u64 {
        self.exhausted.load(Relaxed)
    }

    /// How many ports there are, reserved ones included.
    pub fn capacity(&self) -> usize {
        self.ranges.iter().map(|range| range.size()).sum()
    }

    /// One more user for the mapping that the endpoint has already. Looks beyond free cells: what was in them when the
    /// mapping was made may be gone.
    fn share(&self, inside: Endpoint, range: usize, reserved: &ReservedPorts) -> Option<u16> {
        self.reachable(inside, range, reserved).find(|&port| self.share_port(port, inside))
    }

    /// Where a mapping that the endpoint has already may be.
    fn reachable(&self, inside: Endpoint, range: usize, reserved: &ReservedPorts) -> impl Iterator<Item = u16> {
        let reach = self.furthest.load(Relaxed).min(SEARCH) as usize + 1;
        self.choices(inside, range).take(reach).filter(|&port| !reserved.contains(port))
    }

    fn has_free(&self, range: usize, reserved: &ReservedPorts) -> bool {
        let available = self.ranges[range].size() - reserved.count_in(self.ranges[range]);
        (self.used[range].load(Relaxed) as usize) < available
    }

    /// One more user for the mapping of the port, if it is the endpoint's.
    fn share_port(&self, port: u16, inside: Endpoint) -> bool {
        let more = |bits| {
            let held = Cell::of(bits).filter(|held| held.inside == inside)?;
            // A mapping with 65,535 users takes no more; the endpoint gets a second port rather than a wrong count.
            Some(Cell { users: held.users.checked_add(1)?, ..held }.bits())
        };
        self.cells.update(port, more).is_ok()
    }

    /// The first free port in the endpoint's order.
    fn take(&self, inside: Endpoint, range: usize, reserved: &ReservedPorts) -> Option<u16> {
        if !self.has_free(range, reserved) {
            return None;
        }
        let choices = self.choices(inside, range).enumerate().filter(|&(_, port)| !reserved.contains(port));
        for (distance, port) in choices {
            if self.cells.load(port) == FREE && self.occupy(port, inside, distance as u32) {
                return Some(port);
            }
        }
        None
    }

    /// Takes one free cell, or shares it if another worker took it for the same endpoint in this instant.
    fn occupy(&self, port: u16, inside: Endpoint, distance: u32) -> bool {
        if distance > self.furthest.load(Relaxed) {
            self.furthest.fetch_max(distance, Relaxed);
        }
        self.remotes.iter().for_each(|remotes| remotes.begin(port));
        let taken = |bits| match Cell::of(bits) {
            None => Some(Cell { inside, users: 1 }.bits()),
            Some(held) if held.inside == inside => Some(Cell { users: held.users.checked_add(1)?, ..held }.bits()),
            Some(_) => None,
        };
        match self.cells.update(port, taken) {
            Ok(FREE) => {
                self.count_used(port, |used| used.fetch_add(1, Relaxed));
                true
            }
            Ok(_) => true,
            Err(_) => false,
        }
    }

    /// The place of a port's range.
    fn range_of(&self, port: u16) -> Option<usize> {
        self.ranges.iter().position(|range| range.contains(port))
    }

    fn count_used(&self, port: u16, change: impl FnOnce(&AtomicU32) -> u32) {
        if let Some(range) = self.range_of(port) {
            change(&self.used[range]);
        }
    }

    /// Every port of a range once, in the order that is the endpoint's.
    fn choices(&self, inside: Endpoint, range: usize) -> impl Iterator<Item = u16> + use<> {
        let draw = chance::number(self.seed ^ Cell { inside, users: 0 }.bits(), 1);
        self.ranges[range].choices(inside.port, draw)
    }
}

#[cfg(test)]
mod tests;
