//! How much has been forwarded to each member and from it, and of each virtual server.
//!
//! Owns [`Traffic`]: cells by id, added to by one worker as packets leave, and read by management at any time. What they were when an id
//! became another's is for the reader to remember: they only grow.

use crate::engine::Account;
use crate::flow::NO_MEMBER;
use crate::policy::intent::{MemberId, VirtualServerId};
use std::sync::atomic::{AtomicU64, Ordering};
use zerocopy::FromZeros;

/// Of an id: packets and bytes of each direction.
const CELLS: usize = 4;
/// All ids there can be, so that none needs to be compared with a bound. That of nobody has cells that nobody reads.
const IDS: usize = 1 << 16;

/// What one worker has forwarded, by whose it is. Its memory comes from the kernel as it is used.
pub struct Traffic {
    members: Table,
    servers: Table,
}

/// Of each id what went to it, then what came from it: packets and bytes.
struct Table(Box<[AtomicU64; CELLS * IDS]>);

/// What was forwarded for a member, or of a virtual server: datagrams, or fragments that were forwarded one by one, as they came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Packets to it: to a virtual server, from clients.
    pub packets_in: u64,
    /// Packets from it.
    pub packets_out: u64,
    /// Bytes of those to it, from the IP header on.
    pub bytes_in: u64,
    /// Bytes of those from it.
    pub bytes_out: u64,
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic { members: Table::new(), servers: Table::new() }
    }
}

impl Traffic {
    /// What was forwarded to a member, and from it.
    pub fn member(&self, id: MemberId) -> Forwarded {
        self.members.of(id.0)
    }

    /// What was forwarded of a virtual server's services.
    pub fn virtual_server(&self, id: VirtualServerId) -> Forwarded {
        self.servers.of(id.0)
    }

    /// The same, for the tests of those who read it.
    #[cfg(test)]
    pub(crate) fn forward(&self, account: &Account, bytes: u64) {
        self.count(account, bytes);
    }

    /// A packet of so many bytes leaves.
    #[inline(always)]
    pub(super) fn count(&self, account: &Account, bytes: u64) {
        let Account { member, other, virtual_server, is_from_member } = *account;
        self.members.add(member, is_from_member, bytes);
        self.servers.add(virtual_server, is_from_member, bytes);
        if other != NO_MEMBER {
            self.members.add(other, !is_from_member, bytes);
        }
    }
}

impl Table {
    fn new() -> Table {
        let cells = <[AtomicU64]>::new_box_zeroed_with_elems(CELLS * IDS).ok().and_then(|cells| cells.try_into().ok());
        // Only where there is no memory, as with any other box.
        Table(cells.unwrap_or_else(|| std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u64; CELLS * IDS]>())))
    }

    #[inline(always)]
    fn add(&self, id: u16, is_from: bool, bytes: u64) {
        let at = CELLS * usize::from(id) + 2 * usize::from(is_from);
        add(&self.0[at], 1);
        add(&self.0[at + 1], bytes);
    }

    fn of(&self, id: u16) -> Forwarded {
        let [packets_in, bytes_in, packets_out, bytes_out] =
            std::array::from_fn(|cell| self.0[CELLS * usize::from(id) + cell].load(Ordering::Relaxed));
        Forwarded { packets_in, packets_out, bytes_in, bytes_out }
    }
}

/// There is one writer, so no addition of another is lost: one instruction, and no locked one.
#[inline(always)]
fn add(cell: &AtomicU64, more: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::NO_VIRTUAL_SERVER;

    fn forwarded(to: [u64; 2], from: [u64; 2]) -> Forwarded {
        Forwarded { packets_in: to[0], bytes_in: to[1], packets_out: from[0], bytes_out: from[1] }
    }

    #[test]
    fn each_direction_of_each_id_has_its_own_cells() {
        let traffic = Traffic::default();
        let service = Account::to(MemberId(3)).of(VirtualServerId(65_534));
        traffic.count(&service, 100);
        traffic.count(&Account { is_from_member: true, ..service }, 1_000);
        traffic.count(&Account::from(MemberId(65_534)), 40);
        traffic.count(&Account::NOBODY, 7);
        assert_eq!(traffic.member(MemberId(3)), forwarded([1, 100], [1, 1_000]));
        assert_eq!(traffic.member(MemberId(65_534)), forwarded([0, 0], [1, 40]));
        assert_eq!(traffic.virtual_server(VirtualServerId(65_534)), forwarded([1, 100], [1, 1_000]));
        for id in [0, 2, 4, 65_533] {
            assert_eq!(traffic.member(MemberId(id)), Forwarded::default(), "{id}");
            assert_eq!(traffic.virtual_server(VirtualServerId(id)), Forwarded::default(), "{id}");
        }
    }

    #[test]
    fn between_two_members_each_has_its_side() {
        let traffic = Traffic::default();
        let called = Account { other: 1, ..Account::to(MemberId(2)) };
        traffic.count(&called, 60);
        traffic.count(&Account { is_from_member: true, ..called }, 90);
        assert_eq!(traffic.member(MemberId(2)), forwarded([1, 60], [1, 90]));
        assert_eq!(traffic.member(MemberId(1)), forwarded([1, 90], [1, 60]));
        assert_eq!(called.virtual_server, NO_VIRTUAL_SERVER);
    }
}
