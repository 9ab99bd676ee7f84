//! For whom a packet is counted that leaves.
//!
//! Owns [`Account`], and how a flow says whose its packets are. Counts nothing. What has no flow, or takes the slow path: `accounting`.

use crate::flow::{Direction, Flow, NO_MEMBER, NO_VIRTUAL_SERVER, PathKind};
use crate::policy::Snapshot;
use crate::policy::intent::{MemberId, VirtualServerId};
use crate::wire::{Endpoint, Protocol};

/// For whom a packet is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// What says for whom a packet is counted.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// Its flow does, in the snapshot that was decided by.
    Flow(Owner, &'a Snapshot),
    /// It is known.
    Known(Account),
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
}

impl Whose<'_> {
    /// For whom it is counted.
    #[inline(always)]
    pub fn account(&self) -> Account {
        match *self {
            Whose::Known(account) => account,
            Whose::Flow(ref owner, snapshot) => owner.account(snapshot),
        }
    }
}

/// What a flow says of a packet's owner: copied, as the flow changes meanwhile. What is not asked for is not even read.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    member: u16,
    opener: u16,
    virtual_server: u16,
    path: PathKind,
    is_from_member: bool,
    protocol: Protocol,
    /// Its member's end, as it is known outside.
    outer: Endpoint,
}

impl Owner {
    /// Of a packet of this side.
    #[inline(always)]
    pub(super) fn of(flow: &Flow, side: Direction) -> Owner {
        let Flow { member, opener, virtual_server, path, inside, .. } = *flow;
        let (is_from_member, outer) = (side == inside, flow.key(inside.other()).dst);
        Owner { member, opener, virtual_server, path, is_from_member, protocol: flow.protocol(), outer }
    }

    #[inline(always)]
    fn account(&self, snapshot: &Snapshot) -> Account {
        let (member, other) = match self.path {
            PathKind::Service | PathKind::Outbound => (self.member, NO_MEMBER),
            PathKind::Hairpin => (self.member, self.opener),
            // A marker belongs to nobody; whom the visitor calls is its opener.
            PathKind::Routed => (self.opener, NO_MEMBER),
        };
        let virtual_server = match self.virtual_server {
            NO_VIRTUAL_SERVER if self.path == PathKind::Service => self.service(snapshot),
            id => id,
        };
        Account { member, other, virtual_server, is_from_member: self.is_from_member }
    }

    /// The virtual server of a flow that counts for no limit: its member has begun it, or its client at another virtual address.
    #[cold]
    #[inline(never)]
    fn service(&self, snapshot: &Snapshot) -> u16 {
        snapshot.service_at(self.protocol, self.outer).map_or(NO_VIRTUAL_SERVER, |service| service.virtual_server.0)
    }
}
