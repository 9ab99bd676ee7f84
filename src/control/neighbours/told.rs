//! What the table of next hops tells: packets to send, news, rows for an operator.

use crate::policy::adjacency::NextHop;
use crate::policy::intent::InterfaceId;
use crate::time::{Duration, Instant};
use crate::wire::Mac;
use crate::wire::arp::Arp;
use std::net::Ipv4Addr;

/// An ARP packet to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// On which link.
    pub interface: InterfaceId,
    /// To whom, in the Ethernet header.
    pub to: Mac,
    /// The packet.
    pub arp: Arp,
}

/// Something others must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The next hop answers at this MAC, which it did not before.
    Reachable(NextHop, Mac),
    /// The next hop answers at another MAC than before.
    Moved {
        /// Which.
        hop: NextHop,
        /// Its MAC until now.
        from: Mac,
        /// Its MAC.
        to: Mac,
        /// How long it was at the one before.
        after: Duration,
    },
    /// The next hop does not answer. The adjacency says so.
    Failed(NextHop),
    /// Who waits for the next hop waits in vain; the adjacency did not change.
    Hopeless(NextHop),
    /// The next hop is no longer in the adjacency.
    Forgotten(NextHop),
    /// Somebody else says that an address of ours is his (RFC 5227 2.4).
    Claimed {
        /// On which link.
        interface: InterfaceId,
        /// Which address.
        address: Ipv4Addr,
        /// The claimant.
        mac: Mac,
    },
}

/// A next hop as an operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub hop: NextHop,
    /// Its MAC, once known.
    pub mac: Option<Mac>,
    /// It was asked often enough and does not answer.
    pub failed: bool,
    /// Since when it is as it is.
    pub since: Instant,
}
