//! What lies on the link: next hops and their MAC addresses.
//!
//! Owns the input [`Adjacency`] to compiling a snapshot. Resolution itself (ARP, timers) lives in `control`.

use super::intent::{InterfaceId, Member, Route};
use crate::wire::Mac;
use std::collections::HashMap;
use std::fmt;
use std::net::Ipv4Addr;

/// An address that a frame is sent to on the link: a host of the network, or a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The interface whose network holds it.
    pub interface: InterfaceId,
    /// Its address.
    pub address: Ipv4Addr,
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Member {
    /// Where frames for it go.
    pub fn hop(&self) -> NextHop {
        NextHop { interface: self.interface, address: self.address }
    }
}

impl Route {
    /// Where frames by it go.
    pub fn hop(&self) -> NextHop {
        NextHop { interface: self.interface, address: self.via }
    }
}

/// What is known of a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// It answers at this MAC.
    Reachable(Mac),
    /// It was asked often enough and does not answer.
    Failed,
}

/// All next hops of which anything is known. One that is missing has not been asked for, or is being asked.
pub type Adjacency = HashMap<NextHop, Neighbour, foldhash::fast::RandomState>;
