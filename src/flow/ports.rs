//! Which inside endpoint holds which outside port of a SNAT address.
//!
//! Owns the claim tables, shared by all workers without a lock. A cell is written when a mapping is born or dies, by the
//! worker that bears or buries it; the hit path never reads one. Never reads flows: a mapping lives as long as its count
//! of users says.
//!
//! The mapping is endpoint-independent (RFC 4787 REQ-1, RFC 5382 REQ-1, RFC 5508 REQ-1): an inside endpoint has one
//! outside port, whomever it talks to. Two workers that bear and bury in the same instant can give it a second one; each
//! is still its own alone, which is what correctness needs.

use super::key::spread;
use crate::wire::{Endpoint, Protocol};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Ports that are never handed out: those of the services on the address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReservedPorts {
    /// In order, each once.
    ports: Box<[u16]>,
}

impl ReservedPorts {
    /// The set of these ports.
    pub fn new(ports: impl IntoIterator<Item = u16>) -> ReservedPorts {
        let mut ports: Vec<u16> = ports.into_iter().collect();
        ports.sort_unstable();
        ports.dedup();
        ReservedPorts { ports: ports.into() }
    }

    /// The port is one of them.
    pub fn contains(&self, port: u16) -> bool {
        self.ports.binary_search(&port).is_ok()
    }

    /// How many lie in a range.
    fn count_in(&self, range: &Range) -> usize {
        self.ports.iter().filter(|&&port| range.contains(port)).count()
    }
}

/// Ports that stand for each other: a port is replaced by one of its own range only (RFC 4787 REQ-3a).
struct Range {
    first: u16,
    last: u16,
    /// Mappings alive. Written by the worker that bears or buries one, read by all: a guess that saves a search, no more.
    used: AtomicU32,
}

impl Range {
    const fn new(first: u16, last: u16) -> Range {
        Range { first, last, used: AtomicU32::new(0) }
    }

    const fn contains(&self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    const fn len(&self) -> usize {
        (self.last - self.first) as usize + 1
    }
}

/// How far an existing mapping of an endpoint is looked for. Only an endpoint whose first thousand choices were all taken
/// at once can be further away, which needs more than 99 ports of 100 in use; it then gets a second port.
const SEARCH: u32 = 1024;

/// The ports of one address for one protocol; for ICMP, the identifiers of echo requests.
pub struct ClaimTable {
    /// One cell a port, see [`Cell`]. Nothing else is published through a cell, and every change is a compare-and-swap
    /// on that one cell, so relaxed ordering is enough: all workers agree on the order of its changes.
    cells: Box<[AtomicU64]>,
    ranges: Box<[Range]>,
    /// How far from its first choice any mapping has ever been. Written before the cell it speaks of, read by all.
    furthest: AtomicU32,
    seed: u64,
}

impl ClaimTable {
    /// A table with no port claimed: half a megabyte. The seed makes the choice of another port unpredictable (RFC 6056
    /// 3.3.3).
    pub fn new(protocol: Protocol, seed: u64) -> ClaimTable {
        let ranges: Box<[Range]> = match protocol {
            Protocol::Icmp => Box::new([Range::new(0, u16::MAX)]),
            Protocol::Tcp | Protocol::Udp => Box::new([Range::new(1, 1023), Range::new(1024, u16::MAX)]),
        };
        let cells = (0..=u16::MAX).map(|_| AtomicU64::new(Cell::FREE)).collect();
        ClaimTable { cells, ranges, furthest: AtomicU32::new(0), seed }
    }

    /// The outside port for an inside endpoint, with one more user. An existing mapping is shared; else the port is kept
    /// if it is free; else another one is taken, of the same range and if possible the same parity (RFC 4787 REQ-4), in
    /// an order that only the endpoint and the seed decide (RFC 7857 9: random only where the port has to change).
    ///
    /// `None` if no port of the range is free, or the endpoint has port 0 where that is none.
    pub fn claim(&self, inside: Endpoint, reserved: &ReservedPorts) -> Option<u16> {
        let range = self.range(inside.port)?;
        self.share(inside, range, reserved).or_else(|| self.take(inside, range, reserved))
    }

    /// Gives up one use of a port. `false`, and nothing changed, if `inside` does not hold it.
    pub fn release(&self, port: u16, inside: Endpoint) -> bool {
        let cell = &self.cells[port as usize];
        let fewer = |bits| {
            let held = Cell::of(bits).filter(|held| held.inside == inside)?;
            Some(if held.users == 1 { Cell::FREE } else { Cell { users: held.users - 1, ..held }.bits() })
        };
        match cell.fetch_update(Relaxed, Relaxed, fewer) {
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
        Cell::of(self.cells[port as usize].load(Relaxed)).map(|held| held.inside)
    }

    /// How many ports are held. While workers claim and release, a number of a moment ago.
    pub fn used(&self) -> usize {
        self.ranges.iter().map(|range| range.used.load(Relaxed) as usize).sum()
    }

    /// How many ports there are, reserved ones included.
    pub fn capacity(&self) -> usize {
        self.ranges.iter().map(Range::len).sum()
    }

    /// One more user for the mapping that the endpoint has already. Looks beyond free cells: what stood in them when the
    /// mapping was made may have died since.
    fn share(&self, inside: Endpoint, range: &Range, reserved: &ReservedPorts) -> Option<u16> {
        let reach = self.furthest.load(Relaxed).min(SEARCH) as usize + 1;
        let more = |bits| {
            let held = Cell::of(bits).filter(|held| held.inside == inside)?;
            // A mapping with 65,535 users takes no more; the endpoint gets a second port rather than a wrong count.
            Some(Cell { users: held.users.checked_add(1)?, ..held }.bits())
        };
        self.choices(inside, range)
            .take(reach)
            .filter(|&port| !reserved.contains(port))
            .find(|&port| self.cells[port as usize].fetch_update(Relaxed, Relaxed, more).is_ok())
    }

    /// The first free port in the endpoint's order.
    fn take(&self, inside: Endpoint, range: &Range, reserved: &ReservedPorts) -> Option<u16> {
        let available = range.len() - reserved.count_in(range);
        if range.used.load(Relaxed) as usize >= available {
            return None;
        }
        let choices = self.choices(inside, range).enumerate().filter(|&(_, port)| !reserved.contains(port));
        for (distance, port) in choices {
            if self.cells[port as usize].load(Relaxed) == Cell::FREE && self.occupy(port, inside, distance as u32) {
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
        let taken = |bits| match Cell::of(bits) {
            None => Some(Cell { inside, users: 1 }.bits()),
            Some(held) if held.inside == inside => Some(Cell { users: held.users.checked_add(1)?, ..held }.bits()),
            Some(_) => None,
        };
        match self.cells[port as usize].fetch_update(Relaxed, Relaxed, taken) {
            Ok(Cell::FREE) => {
                self.count_used(port, |used| used.fetch_add(1, Relaxed));
                true
            }
            Ok(_) => true,
            Err(_) => false,
        }
    }

    fn range(&self, port: u16) -> Option<&Range> {
        self.ranges.iter().find(|range| range.contains(port))
    }

    fn count_used(&self, port: u16, change: impl FnOnce(&AtomicU32) -> u32) {
        if let Some(range) = self.range(port) {
            change(&range.used);
        }
    }

    /// Every port of the range once, in the endpoint's order: its own, then those of its parity, then the others.
    fn choices(&self, inside: Endpoint, range: &Range) -> impl Iterator<Item = u16> + use<> {
        let mixed = spread(self.seed ^ Cell { inside, users: 0 }.bits(), 1);
        let own = inside.port;
        let same = Walk::new(range, own & 1, mixed);
        let other = Walk::new(range, own & 1 ^ 1, mixed.rotate_left(32));
        std::iter::once(own).chain(same.filter(move |&port| port != own)).chain(other)
    }
}

/// What stands in a cell: inside address (32 bits), inside port (16), users (16). 0 users: the port is free.
struct Cell {
    inside: Endpoint,
    users: u16,
}

impl Cell {
    const FREE: u64 = 0;

    fn bits(&self) -> u64 {
        u64::from(self.inside.addr.to_bits()) << 32 | u64::from(self.inside.port) << 16 | u64::from(self.users)
    }

    /// `None`: the port is free.
    fn of(bits: u64) -> Option<Cell> {
        let inside = Endpoint::new(Ipv4Addr::from_bits((bits >> 32) as u32), (bits >> 16) as u16);
        (bits as u16 != 0).then_some(Cell { inside, users: bits as u16 })
    }
}

/// Every port of one parity in a range once, by an even stride from a start (RFC 6056 3.3.4 in spirit): blocks of kept
/// ports, which is how hosts use them, do not send all who must move to the same neighbour.
struct Walk {
    first: u32,
    count: u32,
    stride: u32,
    at: u32,
    left: u32,
}

/// Primes that divide none of the counts of ports of a parity (512, 511, 32256, 32768), so a stride meets every port.
const STRIDES: [u32; 16] = [113, 151, 199, 257, 331, 421, 547, 701, 907, 1171, 1511, 1949, 2503, 3217, 4133, 5309];

impl Walk {
    fn new(range: &Range, parity: u16, mixed: u64) -> Walk {
        let first = u32::from(range.first) + u32::from((range.first & 1) ^ parity);
        let count = (u32::from(range.last) - first) / 2 + 1;
        let stride = STRIDES[(mixed & 15) as usize] % count;
        Walk { first, count, stride, at: (mixed >> 8) as u32 % count, left: count }
    }
}

impl Iterator for Walk {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        self.left = self.left.checked_sub(1)?;
        let port = self.first + 2 * self.at;
        self.at += self.stride;
        if self.at >= self.count {
            self.at -= self.count;
        }
        Some(port as u16)
    }
}

/// The claim tables of all SNAT addresses. A copy is a handle to the same tables.
#[derive(Clone)]
pub struct Claims {
    tables: Arc<[(Ipv4Addr, Arc<[ClaimTable; 3]>)]>,
    seed: u64,
}

impl Claims {
    /// Empty tables for these addresses.
    pub fn new(addresses: impl IntoIterator<Item = Ipv4Addr>, seed: u64) -> Claims {
        Claims { tables: Arc::new([]), seed }.renewed(addresses)
    }

    /// The tables for another list of addresses. An address that stays keeps its tables and what is claimed in them.
    pub fn renewed(&self, addresses: impl IntoIterator<Item = Ipv4Addr>) -> Claims {
        let mut addresses: Vec<Ipv4Addr> = addresses.into_iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        let tables = addresses.into_iter().map(|address| (address, self.tables_of(address)));
        Claims { tables: tables.collect(), seed: self.seed }
    }

    /// The table of an address and protocol; `None` if nothing is translated to that address.
    pub fn table(&self, address: Ipv4Addr, protocol: Protocol) -> Option<&ClaimTable> {
        let at = self.tables.binary_search_by_key(&address, |(address, _)| *address).ok()?;
        Some(&self.tables[at].1[place(protocol)])
    }

    fn tables_of(&self, address: Ipv4Addr) -> Arc<[ClaimTable; 3]> {
        let kept = self.tables.iter().find(|(kept, _)| *kept == address).map(|(_, tables)| tables.clone());
        kept.unwrap_or_else(|| {
            Arc::new([Protocol::Icmp, Protocol::Tcp, Protocol::Udp].map(|protocol| {
                let seed = spread(self.seed ^ u64::from(address.to_bits()), place(protocol) as u64 + 1);
                ClaimTable::new(protocol, seed)
            }))
        })
    }
}

const fn place(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Icmp => 0,
        Protocol::Tcp => 1,
        Protocol::Udp => 2,
    }
}
