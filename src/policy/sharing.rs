//! Which member of a pool of several active ones takes what begins.
//!
//! Owns [`Sharing`]: the members that take new flows now, and the table by which one of them is chosen, worked out whenever the set
//! changes, by management. For rounds it is one round: each member as often as its weight says, as evenly spread as can be. For source
//! addresses it is a Maglev table (Eisenbud and others, "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, 3.4):
//! each member fills its share of the cells in an order of its own, so that every other member keeps nearly all of its cells when one
//! comes or goes. Whoever goes by the number of flows finds in it how many each member has, over all workers, as management has counted
//! them last: with the hints of persistence and what connection limits count the one thing in a snapshot that changes. Remembers no flow
//! and counts no round: that is the worker's.

use super::intent::{MemberId, Mode};
use crate::chance;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

/// Cells of a table for source addresses. So many whatever the number of members: a table of another size would be another order, and
/// a member that comes would move nearly everybody.
const CELLS: usize = 65_537;

/// Pools by source address that have tables of that size; where there are more, each has as few cells as keep shares even.
pub const LARGE_TABLES: usize = 256;

/// A member that takes new flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Who.
    pub member: MemberId,
    /// By which it is known to the table: neither its name nor its place in the file matters.
    pub address: Ipv4Addr,
    /// Its share, relative to those of the others; not zero.
    pub weight: u32,
}

/// The members of a pool that take new flows, and which takes the next.
#[derive(Debug)]
pub struct Sharing {
    mode: Mode,
    /// By address.
    targets: Box<[Target]>,
    /// By place in `targets`.
    table: Box<[u8]>,
    /// By place: flows of all workers, when they were counted last. Written by management, read by workers.
    flows: Box<[AtomicU32]>,
    /// How often they were counted.
    counted: AtomicU32,
}

impl PartialEq for Sharing {
    /// The same members by the same table; how many flows they have is not asked.
    fn eq(&self, other: &Sharing) -> bool {
        self.mode == other.mode && self.targets == other.targets && self.table == other.table
    }
}

impl Eq for Sharing {}

impl Sharing {
    /// The sharing of these members, of which there are at most 256. `cells` is what [`cells`] says.
    pub fn new(mode: Mode, mut targets: Vec<Target>, cells: usize) -> Sharing {
        targets.sort_unstable_by_key(|target| target.address);
        let table = match mode {
            _ if targets.is_empty() => Box::default(),
            Mode::SourceHash => maglev(&targets, cells),
            Mode::ActiveStandby | Mode::RoundRobin | Mode::LeastConnections => round(&targets),
        };
        let flows = targets.iter().map(|_| AtomicU32::new(0)).collect();
        Sharing { mode, targets: targets.into(), table, flows, counted: AtomicU32::new(0) }
    }

    /// How new flows are given away.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Management has counted the flows of all workers: `of` says how many a member has.
    pub fn count(&self, of: impl Fn(MemberId) -> u64) {
        for (target, cell) in self.targets.iter().zip(&self.flows) {
            cell.store(u32::try_from(of(target.member)).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
        self.counted.fetch_add(1, Ordering::Release);
    }

    /// How often that was done.
    #[inline]
    pub fn counted(&self) -> u32 {
        self.counted.load(Ordering::Acquire)
    }

    /// The place of the member that has fewest flows for its weight, those at `also` its place included; of several the next in turn;
    /// of those only that `may`. No allocation, and as many steps as there are members.
    pub fn least(&self, also: impl Fn(usize) -> u64, turn: u32, may: impl Fn(MemberId) -> bool) -> Option<usize> {
        let count = self.targets.len();
        let first = (turn as usize).checked_rem(count)?;
        let load = |at: usize| u64::from(self.flows[at].load(Ordering::Relaxed)) + also(at) + 1;
        let weight = |at: usize| u64::from(self.targets[at].weight);
        let may = |at: &usize| may(self.targets[*at].member);
        (0..count).map(|step| (first + step) % count).filter(may).reduce(|best, at| {
            // Less for each part of its weight: the fractions compared, without a division.
            if load(at) * weight(best) < load(best) * weight(at) { at } else { best }
        })
    }

    /// Another one of these would be the same.
    pub fn is_of(&self, mode: Mode, targets: &[Target], cells: usize) -> bool {
        let is_large = mode != Mode::SourceHash || targets.is_empty() || self.table.len() == cells;
        let is_same = self.targets.len() == targets.len() && targets.iter().all(|target| self.targets.contains(target));
        self.mode == mode && is_large && is_same
    }

    /// The members, by address.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The member takes new flows.
    pub fn holds(&self, member: MemberId) -> bool {
        self.targets.iter().any(|target| target.member == member)
    }

    /// The other members that do, by address, whoever follows `member` first and round again.
    pub fn others(&self, member: MemberId) -> impl Iterator<Item = MemberId> {
        let place = self.targets.iter().position(|target| target.member == member).unwrap_or_default();
        let (before, from) = self.targets.split_at(place);
        from.iter().chain(before).map(|target| target.member).filter(move |other| *other != member)
    }

    /// Nobody does.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Who takes what `source` begins; `turn` is the caller's count of such questions.
    #[inline]
    pub fn choose(&self, source: Ipv4Addr, turn: u32) -> Option<MemberId> {
        match self.mode {
            Mode::SourceHash => self.by_number(source.to_bits().into()),
            Mode::ActiveStandby | Mode::RoundRobin | Mode::LeastConnections => self.at(turn),
        }
    }

    /// Who takes what this number stands for: the same wherever it is asked, as long as the same members take what is new.
    #[inline]
    pub fn by_number(&self, number: u64) -> Option<MemberId> {
        self.at(mix(number) as u32)
    }

    #[inline]
    fn at(&self, cell: u32) -> Option<MemberId> {
        let place = *self.table.get((cell as usize).checked_rem(self.table.len())?)?;
        Some(self.targets.get(usize::from(place))?.member)
    }
}

/// Cells of a pool's table for source addresses, where the file has so many such pools and it so many members: at least a hundred for
/// each (3.4: so shares are even to one in a hundred), and a prime, so that every step reaches all cells.
pub fn cells(pools: usize, members: usize) -> usize {
    if pools <= LARGE_TABLES { CELLS } else { prime_from((100 * members).min(CELLS)) }
}

/// The smallest prime that is not below `least`.
fn prime_from(least: usize) -> usize {
    let is_prime = |number: usize| (2..).take_while(|by| by * by <= number).all(|by| !number.is_multiple_of(by));
    (least.max(2)..).find(|number| is_prime(*number)).unwrap_or(CELLS)
}

/// One round: the next is always who is furthest behind its share.
fn round(targets: &[Target]) -> Box<[u8]> {
    let divisor = common_divisor(targets.iter().map(|target| u64::from(target.weight)));
    let weights: Vec<i64> = targets.iter().map(|target| (u64::from(target.weight) / divisor) as i64).collect();
    let sum: i64 = weights.iter().sum();
    let mut credit = vec![0; targets.len()];
    let next = |_| {
        credit.iter_mut().zip(&weights).for_each(|(credit, weight)| *credit += weight);
        // Of several the first.
        let furthest = credit.iter().enumerate().rev().max_by_key(|(_, credit)| **credit);
        let at = furthest.map_or(0, |(at, _)| at);
        credit[at] -= sum;
        at as u8
    };
    (0..sum).map(next).collect()
}

/// The greatest number by which all parts can be divided; 1 of none.
pub fn common_divisor(parts: impl Iterator<Item = u64>) -> u64 {
    fn of(a: u64, b: u64) -> u64 {
        if b == 0 { a } else { of(b, a % b) }
    }
    parts.fold(0, of).max(1)
}

/// The members take cells in rounds, each the next free one in its own order; one with less weight than the greatest sits rounds out.
fn maglev(targets: &[Target], cells: usize) -> Box<[u8]> {
    const FREE: u16 = u16::MAX;
    let greatest = targets.iter().map(|target| target.weight).max().unwrap_or(1);
    let mut orders: Vec<Order> = targets.iter().map(|target| Order::new(target.address, cells)).collect();
    let mut credit = vec![0; targets.len()];
    let mut table = vec![FREE; cells];
    let mut left = cells;
    while left > 0 {
        for (at, order) in orders.iter_mut().enumerate() {
            credit[at] += targets[at].weight;
            if credit[at] < greatest || left == 0 {
                continue;
            }
            credit[at] -= greatest;
            let mut cell = order.next(cells);
            while table[cell] != FREE {
                cell = order.next(cells);
            }
            table[cell] = at as u16;
            left -= 1;
        }
    }
    table.into_iter().map(|at| at as u8).collect()
}

/// The order in which one member wants the cells: all of them, as their number is a prime and the step is below it.
struct Order {
    next: usize,
    step: usize,
}

impl Order {
    fn new(address: Ipv4Addr, cells: usize) -> Order {
        let hash = mix(u64::from(address.to_bits()) | 1 << 32);
        let (high, low) = ((hash >> 32) as usize, hash as u32 as usize);
        Order { next: high % cells, step: low % (cells - 1) + 1 }
    }

    fn next(&mut self, cells: usize) -> usize {
        let cell = self.next;
        self.next += self.step;
        if self.next >= cells {
            self.next -= cells;
        }
        cell
    }
}

/// All bits of a number mixed: the same on every appliance, so that another one, or this one after a restart, chooses the same member.
fn mix(number: u64) -> u64 {
    chance::number(number, 1)
}

#[cfg(test)]
mod tests;
