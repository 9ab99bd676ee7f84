//! For whom a packet is counted that leaves.
//!
//! Owns [`Account`], and how a flow says whose its packets are. Counts nothing: see `sums`. What takes the slow path: `accounting`.

use super::connection_counts::owners;
use crate::flow::{Direction, Flow, NO_MEMBER, NO_VIRTUAL_SERVER, PathKind};
use crate::policy::Snapshot;
use crate::policy::intent::{MemberId, VirtualServerId};
use crate::policy::snapshot::AddressClass;
use std::net::Ipv4Addr;

/// For whom a packet is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// The id of the member that it goes to or comes from; [`NO_MEMBER`]: none.
    pub member: u16,
    /// The id of the member at the other end, as of a hairpin; [`NO_MEMBER`]: none.
    pub other: u16,
    /// The id of the virtual server whose service it is of; [`NO_VIRTUAL_SERVER`]: none.
    pub virtual_server: u16,
    /// `member` has sent it; else it goes there.
    pub is_from_member: bool,
}

impl Account {
    /// Nobody's.
    pub const NOBODY: Account =
        Account { member: NO_MEMBER, other: NO_MEMBER, virtual_server: NO_VIRTUAL_SERVER, is_from_member: false };

    /// Of what goes to `member`.
    pub const fn to(member: MemberId) -> Account {
        Account { member: member.0, ..Account::NOBODY }
    }

    /// Of what `member` sends.
    pub const fn from(member: MemberId) -> Account {
        Account { member: member.0, is_from_member: true, ..Account::NOBODY }
    }

    /// The same, of a service of this virtual server.
    #[must_use]
    pub const fn of(self, server: VirtualServerId) -> Account {
        Account { virtual_server: server.0, ..self }
    }

    /// Of what this side of a flow sends, as the snapshot has it.
    pub(super) fn of_flow(snapshot: &Snapshot, flow: &Flow, side: Direction) -> Account {
        let (member, other) = match flow.path {
            PathKind::Service | PathKind::Outbound => (flow.member, NO_MEMBER),
            PathKind::Hairpin => (flow.member, flow.opener),
            // A marker stays where the id of whom the visitor calls has become another's; nothing is translated, so his address says who it is.
            PathKind::Routed => {
                let visited = member_at(snapshot, flow.key(flow.inside).src.addr);
                (visited.map_or(NO_MEMBER, |id| id.0), NO_MEMBER)
            }
        };
        let virtual_server = match (owners(snapshot, flow).1, flow.path) {
            (Some(id), _) => id.0,
            // It counts for no limit: its member has begun it, its client at another virtual address, or the virtual server that it was
            // begun with is gone.
            (None, PathKind::Service | PathKind::Hairpin) => {
                // Its member's end, as it is known outside.
                let outer = flow.key(flow.inside.other()).dst;
                let service = snapshot.service_at(flow.protocol(), outer);
                service.map_or(NO_VIRTUAL_SERVER, |service| service.virtual_server.0)
            }
            (None, PathKind::Outbound | PathKind::Routed) => NO_VIRTUAL_SERVER,
        };
        Account { member, other, virtual_server, is_from_member: side == flow.inside }
    }
}

/// The member that has this address.
pub(super) fn member_at(snapshot: &Snapshot, address: Ipv4Addr) -> Option<MemberId> {
    if let AddressClass::Member(id, _) = snapshot.class(address) { Some(id) } else { None }
}
