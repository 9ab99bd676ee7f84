//! What a worker remembers, as plain data: what one process tells the next one.
//!
//! Owns the shapes. Members stand in them by their addresses, since ids are of one process, and points in time as they were there. Knows
//! neither how they are written nor what happens to them: a record may name somebody who is there no more.

use super::entry::PathKind;
use super::key::Direction;
use super::tcp::TrackRecord;
use crate::time::Instant;
use crate::wire::sip::Branch;
use crate::wire::{Endpoint, Tuple};
use std::net::Ipv4Addr;

/// Members of one pool that one remote endpoint visits at once, at most; the one visited longest ago gives way.
pub(super) const VISITS: usize = 4;

/// Requests to one remote endpoint whose senders are known, at most; the one sent longest ago gives way.
pub(super) const ASKED: usize = 8;

/// A flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// The tuples of its two directions as their packets arrive.
    pub keys: [Tuple; 2],
    /// What kind of traffic it is.
    pub path: PathKind,
    /// The side whose packets the member sends.
    pub inside: Direction,
    /// The member it belongs to.
    pub member: Option<Ipv4Addr>,
    /// The other member: see [`Flow::opener`](super::Flow::opener).
    pub opener: Option<Ipv4Addr>,
    /// Of the member.
    pub generation: u32,
    /// Of the other one.
    pub opener_generation: u32,
    /// The port or identifier of a SNAT address that it holds.
    pub snat_port: Option<u16>,
    /// It is a connection of a virtual server, where those are counted.
    pub is_counted: bool,
    /// The state of a TCP connection.
    pub track: Option<TrackRecord>,
    /// When its last packet passed.
    pub seen: Instant,
    /// Where it was in its worker's table.
    pub place: u32,
}

/// What is known of a remote endpoint that members other than the active one speak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpeakerRecord {
    /// The remote endpoint.
    pub remote: Endpoint,
    /// The public address of the pool.
    pub home: Ipv4Addr,
    /// The member that last sent to it.
    pub member: Option<Ipv4Addr>,
    /// Of that member's pool when it did.
    pub generation: u32,
    /// It was known to be down when it did.
    pub while_down: bool,
    /// The remote is answered untranslated by rule and has sent to a virtual server.
    pub called: bool,
    /// The members it has visited, the latest first.
    pub visited: [Option<Ipv4Addr>; VISITS],
    /// When the member last spoke.
    pub claimed: Instant,
    /// The active member has spoken to it since.
    pub superseded: bool,
    /// What members have asked it, the latest first.
    pub asked: [Option<AskedRecord>; ASKED],
    /// When one of those last gave way unanswered.
    pub forgot: Option<Instant>,
    /// When anything of it was last heard.
    pub renewed: Instant,
}

/// A request that a member sent though another was active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedRecord {
    /// Which one.
    pub branch: Branch,
    /// Who sent it.
    pub member: Ipv4Addr,
    /// The member was known to be down when it did.
    pub while_down: bool,
    /// Its final answer has come.
    pub answered: bool,
}

/// Which member takes what belongs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaysRecord {
    /// The number that all of it has in common in the member's pool.
    pub number: u64,
    /// The member.
    pub member: Ipv4Addr,
    /// Of its pool when it was chosen.
    pub generation: u32,
    /// When anything of it last passed.
    pub used: Instant,
}
