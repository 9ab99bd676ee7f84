//! How many connections each client of a virtual server has, over all workers.
//!
//! Owns [`ClientCounts`]: a table of fixed size that workers change without a lock. A client is an address and the virtual server that it
//! calls; its cell is claimed with its first connection and free again when the last one has ended and its rate has recovered. Where the
//! eight cells that a client could have are others', its connections are not counted, and so not limited: who floods with very many
//! addresses meets the limits of the virtual server instead. Points in time are nanoseconds since the start. Decides about no packet.

use super::intent::VirtualServerId;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets, a power of two.
const BUCKETS: usize = 1 << 14;
/// Cells of each: a client has its place among them.
const CELLS: usize = 8;
/// Bits of each of the two numbers in a cell.
const BITS: u32 = 20;
const MOST: u64 = (1 << BITS) - 1;
/// One second of a rate may begin at once.
const BURST: u64 = 1_000_000_000;

/// Connections, and those of them whose handshake is not finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientUse {
    /// All.
    pub connections: u64,
    /// Half-open ones.
    pub half_open: u64,
    /// When the next one is due: see [`super::connection_limits`].
    pub due: u64,
}

/// What of a client has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientChange {
    /// A connection stands.
    Comes,
    /// One has ended.
    Goes,
    /// One is half-open.
    HalfOpens,
    /// One is so no more.
    HalfEnds,
}

/// The clients of all virtual servers that limit each of theirs.
#[derive(Debug)]
pub struct ClientCounts {
    cells: Box<[Cell]>,
}

#[derive(Debug, Default)]
struct Cell {
    /// From the top: a tag of the client's, how many are half-open, how many connections it has. Zero: nobody's.
    who: AtomicU64,
    due: AtomicU64,
}

/// Where a client's cell is, and what tells it from others there.
#[derive(Clone, Copy)]
struct Place {
    bucket: usize,
    tag: u64,
}

impl Default for ClientCounts {
    fn default() -> ClientCounts {
        ClientCounts { cells: std::iter::repeat_with(Cell::default).take(BUCKETS * CELLS).collect() }
    }
}

impl ClientCounts {
    /// One that has counted the same, and counts for itself from now on.
    pub fn detached(&self) -> ClientCounts {
        let copied = |cell: &AtomicU64| AtomicU64::new(cell.load(Ordering::Relaxed));
        let cells = self.cells.iter().map(|cell| Cell { who: copied(&cell.who), due: copied(&cell.due) });
        ClientCounts { cells: cells.collect() }
    }

    /// What a client has.
    pub fn of(&self, client: Ipv4Addr, server: VirtualServerId) -> ClientUse {
        let Some(cell) = self.find(place(client, server)) else { return ClientUse::default() };
        let word = cell.who.load(Ordering::Relaxed);
        ClientUse { connections: word & MOST, half_open: word >> BITS & MOST, due: cell.due.load(Ordering::Relaxed) }
    }

    /// Counts. What comes claims a cell if there is one; `false`: there is none.
    pub fn count(&self, client: Ipv4Addr, server: VirtualServerId, change: ClientChange, now: u64) -> bool {
        let place = place(client, server);
        let found = match change {
            ClientChange::Comes => self.claim(place, now),
            _ => self.find(place),
        };
        let Some(cell) = found else { return false };
        let next = |word: u64| {
            let (connections, half_open) = (word & MOST, word >> BITS & MOST);
            let (connections, half_open) = match change {
                ClientChange::Comes => ((connections + 1).min(MOST), half_open),
                ClientChange::Goes => (connections.saturating_sub(1), half_open),
                ClientChange::HalfOpens => (connections, (half_open + 1).min(MOST)),
                ClientChange::HalfEnds => (connections, half_open.saturating_sub(1)),
            };
            (tag_of(word) == place.tag).then_some(place.tag << (2 * BITS) | half_open << BITS | connections)
        };
        cell.who.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// A connection has begun, of which there may be one in `interval` nanoseconds; it is counted already.
    pub fn begin(&self, client: Ipv4Addr, server: VirtualServerId, interval: u64, now: u64) {
        if let Some(cell) = self.find(place(client, server)) {
            let next = |due: u64| Some((due.max(now) + interval).min(now + BURST + interval));
            let _ = cell.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        }
    }

    fn bucket(&self, place: Place) -> &[Cell] {
        &self.cells[place.bucket * CELLS..][..CELLS]
    }

    fn find(&self, place: Place) -> Option<&Cell> {
        self.bucket(place).iter().find(|cell| tag_of(cell.who.load(Ordering::Relaxed)) == place.tag)
    }

    /// The client's cell, or one that nobody needs any more.
    fn claim(&self, place: Place, now: u64) -> Option<&Cell> {
        if let Some(cell) = self.find(place) {
            return Some(cell);
        }
        for cell in self.bucket(place) {
            let word = cell.who.load(Ordering::Relaxed);
            let is_free = word << (64 - 2 * BITS) == 0 && cell.due.load(Ordering::Relaxed) <= now;
            let mine = place.tag << (2 * BITS);
            if is_free && cell.who.compare_exchange(word, mine, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                cell.due.store(0, Ordering::Relaxed);
                // Another worker may have claimed one before for the same client.
                return self.find(place);
            }
        }
        None
    }
}

const fn tag_of(word: u64) -> u64 {
    word >> (2 * BITS)
}

/// The finalizer of MurmurHash3, which loses nothing, over address and id.
fn place(client: Ipv4Addr, server: VirtualServerId) -> Place {
    let mut hash = u64::from(client.to_bits()) << 16 | u64::from(server.0);
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ hash >> 33).wrapping_mul(factor);
    }
    hash ^= hash >> 33;
    // A tag is never zero, as nobody's is.
    Place { bucket: hash as usize & (BUCKETS - 1), tag: hash >> (2 * BITS) | 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: VirtualServerId = VirtualServerId(3);

    fn client(number: u32) -> Ipv4Addr {
        Ipv4Addr::from(0x0a00_0000 + number)
    }

    #[test]
    fn each_client_of_each_virtual_server_is_counted_for_itself() {
        let counts = ClientCounts::default();
        for (who, server, times) in [(1, SERVER, 3), (2, SERVER, 1), (1, VirtualServerId(4), 2)] {
            for _ in 0..times {
                assert!(counts.count(client(who), server, ClientChange::Comes, 0));
            }
        }
        counts.count(client(1), SERVER, ClientChange::HalfOpens, 0);
        counts.count(client(1), SERVER, ClientChange::Goes, 0);
        assert_eq!(counts.of(client(1), SERVER), ClientUse { connections: 2, half_open: 1, due: 0 });
        assert_eq!(counts.of(client(1), VirtualServerId(4)).connections, 2);
        assert_eq!(counts.of(client(2), SERVER).connections, 1);
        assert_eq!(counts.of(client(3), SERVER), ClientUse::default());
        for _ in 0..9 {
            counts.count(client(2), SERVER, ClientChange::Goes, 0);
            counts.count(client(2), SERVER, ClientChange::HalfEnds, 0);
        }
        assert_eq!(counts.of(client(2), SERVER), ClientUse::default(), "what was not counted is not taken off");
    }

    #[test]
    fn a_cell_is_free_again_when_its_client_has_nothing_left() {
        let counts = ClientCounts::default();
        for round in 0..4_u64 {
            let now = round * 10 * BURST;
            let all = (0..300_000_u32).map(|number| client(number + 300_000 * round as u32));
            for who in all {
                counts.count(who, SERVER, ClientChange::Comes, now);
                counts.begin(who, SERVER, BURST, now);
                counts.count(who, SERVER, ClientChange::Goes, now);
            }
        }
        let now = 100 * BURST;
        let counted = (0..20_000).filter(|number| counts.count(client(*number), SERVER, ClientChange::Comes, now));
        assert!(counted.count() > 19_990, "clients before them have left");
    }

    /// A rate that has not recovered keeps its client's cell.
    #[test]
    fn who_comes_again_at_once_has_the_rate_that_he_left() {
        let counts = ClientCounts::default();
        counts.count(client(1), SERVER, ClientChange::Comes, 0);
        counts.begin(client(1), SERVER, BURST, 0);
        counts.count(client(1), SERVER, ClientChange::Goes, 0);
        (2..200_000).for_each(|other| _ = counts.count(client(other), SERVER, ClientChange::Comes, 1));
        assert_eq!(counts.of(client(1), SERVER).due, BURST);
    }

    #[test]
    fn workers_that_count_at_the_same_time_lose_nothing() {
        let counts = ClientCounts::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        (0..50).for_each(|who| _ = counts.count(client(who), SERVER, ClientChange::Comes, 0));
                    }
                });
            }
        });
        assert!((0..50).all(|who| counts.of(client(who), SERVER).connections == 4_000));
    }
}
