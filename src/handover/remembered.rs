//! What management remembers of pools, members, and routes that were learned.
//!
//! Owns [`Remembered`], a text of JSON in the file. What the operator has set is not in it: that is kept elsewhere, over crashes as well.

use crate::time::Instant;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Of all pools, and what ports of SNAT addresses depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// What the order is drawn from in which ports of SNAT addresses are given away.
    pub snat_seed: u64,
    /// The pools, in the order of the file of then.
    pub pools: Vec<RememberedPool>,
    /// The table of the kernel's routes that were followed; `None`: none was.
    #[serde(default)]
    pub table: Option<u32>,
    /// The routes that were known of it.
    #[serde(default)]
    pub routes: Vec<RememberedRoute>,
}

/// A route that the kernel had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedRoute {
    /// Destinations.
    pub to: Ipv4Net,
    /// The smallest of those to the same counts.
    pub metric: u32,
    /// Who had made it (`rtm_protocol` of rtnetlink(7)).
    pub protocol: u8,
    /// Since when nothing said that it was there, in nanoseconds.
    pub stale: Option<u64>,
    /// Where it led.
    pub hops: Vec<RememberedHop>,
}

/// A next hop of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedHop {
    /// The kernel's device.
    pub device: String,
    /// The router.
    pub gateway: Ipv4Addr,
    /// Its share; never zero.
    pub weight: u16,
    /// The kernel would have used it.
    pub usable: bool,
}

/// A pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedPool {
    /// What it was called.
    pub name: String,
    /// The member that was active, in a pool of one active member.
    pub active: Option<Ipv4Addr>,
    /// Since when whoever was active was, in nanoseconds.
    pub since: u64,
    /// How many choices there had been.
    pub generation: u32,
    /// Its members.
    pub members: Vec<RememberedMember>,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedMember {
    /// Who.
    pub address: Ipv4Addr,
    /// Its monitors said that it was up.
    pub up: bool,
    /// They said that it was down.
    pub down: bool,
    /// What it had of generations before this one is lost.
    pub lost_before: u32,
    /// It lost the role alive, by this choice.
    pub released: Option<u32>,
    /// When it lost the role, if it may not claim peers yet, in nanoseconds.
    pub lost_role: Option<u64>,
    /// Until when it was active last, in nanoseconds.
    pub served_until: Option<u64>,
}

impl Remembered {
    /// The same with its moments as `moved` says.
    pub(super) fn moved(mut self, moved: impl Fn(Instant) -> Instant) -> Remembered {
        let moved = |nanos: u64| moved(Instant::from_nanos(nanos)).nanos();
        for pool in &mut self.pools {
            pool.since = moved(pool.since);
            for member in &mut pool.members {
                member.lost_role = member.lost_role.map(moved);
                member.served_until = member.served_until.map(moved);
            }
        }
        for route in &mut self.routes {
            route.stale = route.stale.map(moved);
        }
        self
    }
}
