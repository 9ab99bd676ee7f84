//! How much has been forwarded to each member and from it, and of each virtual server.
//!
//! Owns [`Traffic`]: cells by id, added to by one worker, and read by management at any time. What they were when an id became another's is
//! for the reader to remember: they only grow. What a packet is counted in as it leaves by the fast path: `sums`.

use super::account::Account;
use super::pages::Pages;
use crate::flow::NO_MEMBER;
use crate::policy::Snapshot;
use crate::policy::intent::{MemberId, VirtualServerId};
use std::sync::atomic::{AtomicU64, Ordering};

/// Of an id: packets and bytes to it, packets and bytes from it.
type Row = [AtomicU64; 4];

/// What one worker has forwarded, by whose it is.
#[derive(Default)]
pub struct Traffic {
    members: Table,
    servers: Table,
}

/// Rows by id; the last id there can be is nobody's.
#[derive(Default)]
struct Table(Pages<Row>);

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
        self.members.0.reserve(1);
        self.servers.0.reserve(1);
        self.add(account, [1, bytes]);
    }

    /// Room for all that a snapshot names.
    pub(super) fn reserve(&self, snapshot: &Snapshot) {
        self.members.0.reserve(snapshot.members.bound());
        self.servers.0.reserve(snapshot.virtual_servers.bound());
    }

    /// So many packets leave, and so many bytes.
    pub(super) fn add(&self, account: &Account, counted: [u64; 2]) {
        let Account { member, other, virtual_server, is_from_member } = *account;
        self.members.add(member, is_from_member, counted);
        self.servers.add(virtual_server, is_from_member, counted);
        if other != NO_MEMBER {
            self.members.add(other, !is_from_member, counted);
        }
    }
}

impl Table {
    fn add(&self, id: u16, is_from: bool, [packets, bytes]: [u64; 2]) {
        if let Some(row) = self.row(id) {
            let at = 2 * usize::from(is_from);
            add(&row[at], packets);
            add(&row[at + 1], bytes);
        }
    }

    fn of(&self, id: u16) -> Forwarded {
        let Some(row) = self.row(id) else { return Forwarded::default() };
        let [packets_in, bytes_in, packets_out, bytes_out] = row.each_ref().map(|cell| cell.load(Ordering::Relaxed));
        Forwarded { packets_in, packets_out, bytes_in, bytes_out }
    }

    fn row(&self, id: u16) -> Option<&Row> {
        self.0.at(id).filter(|_| id != NO_MEMBER)
    }
}

/// There is one writer, so no addition of another is lost.
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

    fn room() -> Traffic {
        let traffic = Traffic::default();
        traffic.add(&Account::to(MemberId(3)), [1, 1]);
        assert_eq!(traffic.member(MemberId(3)), Forwarded::default(), "there is no room yet");
        traffic.members.0.reserve(65_535);
        traffic.servers.0.reserve(65_535);
        traffic
    }

    #[test]
    fn each_direction_of_each_id_has_its_own_cells() {
        let traffic = room();
        let service = Account::to(MemberId(3)).of(VirtualServerId(65_534));
        traffic.add(&service, [1, 100]);
        traffic.add(&Account { is_from_member: true, ..service }, [1, 1_000]);
        traffic.add(&Account::from(MemberId(65_534)), [1, 40]);
        traffic.add(&Account::NOBODY, [1, 7]);
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
        let traffic = room();
        let called = Account { other: 1, ..Account::to(MemberId(2)) };
        traffic.add(&called, [1, 60]);
        traffic.add(&Account { is_from_member: true, ..called }, [1, 90]);
        assert_eq!(traffic.member(MemberId(2)), forwarded([1, 60], [1, 90]));
        assert_eq!(traffic.member(MemberId(1)), forwarded([1, 90], [1, 60]));
        assert_eq!(called.virtual_server, NO_VIRTUAL_SERVER);
    }
}
