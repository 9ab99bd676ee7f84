//! Which addresses the kernel is to hold for routing daemons to see.
//!
//! Owns the order as data. When it is given is decided by [`super::advertising`].

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// What the kernel's device is to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdvertiseOrder {
    /// Larger than those before: only the last one counts.
    pub number: u64,
    /// These.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// And these, if it holds them already: the process before has left them, and nothing is known yet against them.
    pub kept: BTreeSet<Ipv4Addr>,
}
