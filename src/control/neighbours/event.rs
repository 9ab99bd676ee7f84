//! What follows from ARP for others.

use crate::policy::adjacency::NextHop;
use crate::policy::intent::InterfaceId;
use crate::time::Duration;
use crate::wire::Mac;
use crate::wire::arp::{Arp, Operation};
use std::net::Ipv4Addr;

/// What is to be done, or others must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighbourEvent {
    /// This ARP packet is to be sent on a link, to a MAC.
    Send { interface: InterfaceId, to: Mac, arp: Arp },
    /// The next hop answers at this MAC, which it did not before.
    Reachable(NextHop, Mac),
    /// The next hop answers at another MAC than before, where it was for so long.
    Moved { hop: NextHop, from: Mac, to: Mac, after: Duration },
    /// ARP said that the next hop is at another MAC, but it answers where it was.
    Stays { hop: NextHop, at: Mac, claimed: Mac },
    /// The next hop does not answer. The adjacency says so.
    Failed(NextHop),
    /// Who waits for the next hop waits in vain; the adjacency did not change.
    Unreachable(NextHop),
    /// The next hop is no longer in the adjacency.
    Forgotten(NextHop),
    /// Somebody else claims an address of ours (RFC 5227 2.4).
    Claimed { interface: InterfaceId, address: Ipv4Addr, mac: Mac, operation: Operation },
}
