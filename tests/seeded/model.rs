//! What the translation is, said as simply as it can be: maps that grow and are never tidied.
//!
//! Knows nothing of workers, tables, epochs or lists; only who is active, who spoke to whom, and which connection is
//! whose (`deployment.md` 1.1 to 1.7).

use crate::lab::*;
use fairlead::wire::{Endpoint, Protocol};
use std::collections::HashMap;

/// Which of the two members, 0 or 1.
pub type Who = usize;

/// A connection, by what its two ends have sent. Side 0 is the client or peer outside, side 1 the member.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub member: Who,
    pub outside: Endpoint,
    /// The member's port, and the port of the virtual address.
    pub ports: (u16, u16),
    /// One past the last octet each side sent.
    pub sent: [u32; 2],
    /// What each side acknowledged last.
    pub acknowledged: [u32; 2],
    pub ended: bool,
    /// Its member was lost while it stood, and both ends were told.
    pub lost: bool,
}

impl Connection {
    /// The handshake is done.
    pub fn open(member: Who, outside: Endpoint, ports: (u16, u16), sent: [u32; 2]) -> Connection {
        let acknowledged = [sent[1], sent[0]];
        Connection { member, outside, ports, sent, acknowledged, ended: false, lost: false }
    }

    /// The sequence numbers a reset needs so that `side` heeds it whatever has arrived there.
    pub fn resets_towards(&self, side: usize) -> Vec<u32> {
        let (low, high) = (self.acknowledged[side], self.sent[1 - side]);
        if low == high { vec![low] } else { vec![low, high] }
    }
}

/// What a mapping outward belongs to: protocol, member, the member's port or identifier.
pub type Source = (Protocol, Who, u16);

#[derive(Default)]
pub struct Model {
    pub active: Option<Who>,
    pub may_claim: [bool; 2],
    /// Who spoke last to a remote without being active, since the last switchover.
    pub claims: HashMap<Endpoint, Who>,
    /// Clients' connections, by client and service port.
    pub served: HashMap<(Endpoint, u16), Connection>,
    /// Members' connections, by source and peer.
    pub opened: HashMap<(Source, Endpoint), Connection>,
    /// The port each source wears.
    pub worn: HashMap<Source, u16>,
    /// Datagrams and pings that went outward: an answer may come back.
    pub asked: HashMap<(Source, Endpoint), ()>,
    /// Visitors of a member's own port, whose answers are not translated.
    pub visits: HashMap<(Who, u16, Endpoint), ()>,
}

impl Model {
    pub fn new() -> Model {
        Model { active: Some(0), may_claim: [true; 2], ..Model::default() }
    }

    /// Where a datagram of `remote` to the virtual address goes, and whether that is its speaker's doing.
    pub fn receiver(&self, remote: Endpoint) -> Option<(Who, bool)> {
        match self.claims.get(&remote) {
            Some(&who) => Some((who, true)),
            None => self.active.map(|who| (who, false)),
        }
    }

    /// A member sent a datagram to `remote` from the service port.
    pub fn speaks(&mut self, who: Who, remote: Endpoint) {
        if self.active == Some(who) {
            self.claims.remove(&remote);
        } else if self.may_claim[who] {
            self.claims.insert(remote, who);
        }
    }

    /// The choice falls on `to`; the one before is `lost`, or only demoted. Returns the connections that end.
    pub fn switch_over(&mut self, to: Option<Who>, lost: bool) -> Vec<Connection> {
        let before = std::mem::replace(&mut self.active, to);
        self.claims.clear();
        self.may_claim = [before != Some(0), before != Some(1)];
        if !lost {
            return Vec::new();
        }
        let connections = self.served.values_mut().chain(self.opened.values_mut());
        let ending = connections.filter(|one| Some(one.member) == before && !one.ended && !one.lost);
        ending
            .map(|one| {
                one.lost = true;
                *one
            })
            .collect()
    }

    /// `source` was seen to wear `port`: that must be its own if it was free, and nobody else's.
    pub fn wears(&mut self, source: Source, port: u16) {
        let taken =
            |port| self.worn.iter().any(|(other, worn)| other.0 == source.0 && *other != source && *worn == port);
        assert!(!taken(port), "{source:?} was given port {port}, which is another's");
        match self.worn.get(&source) {
            Some(worn) => assert_eq!(*worn, port, "one port, one mapping (RFC 4787 REQ-1)"),
            None if !taken(source.2) => assert_eq!(port, source.2, "a port that is free is kept"),
            // An echo identifier has no low range and no service.
            None if source.0 == Protocol::Icmp => {}
            None => assert!(port >= 1024 && port != 5060 && port != 5061, "{source:?} was given port {port}"),
        }
        self.worn.insert(source, port);
    }

    /// Everything has been idle for hours.
    pub fn forget(&mut self) {
        *self = Model { active: self.active, may_claim: self.may_claim, ..Model::default() };
    }
}

/// The host of a member.
pub fn host(who: Who) -> Far {
    HOSTS[who]
}
