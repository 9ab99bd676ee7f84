//! Whose an address is, found at once.
//!
//! Owns two tables made of the configuration. Knows no MAC.

use crate::policy::intent::{Intent, MemberId};
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

/// Our addresses, and the members'.
pub(super) struct Hosts {
    ours: HashSet<Ipv4Addr>,
    selves: HashSet<Ipv4Addr>,
    members: HashMap<Ipv4Addr, MemberId>,
}

impl Hosts {
    pub fn of(intent: &Intent) -> Hosts {
        let own = intent.interfaces.iter().flat_map(|interface| &interface.addresses);
        let selves: HashSet<Ipv4Addr> = own.map(|net| net.addr()).collect();
        let ours = selves.iter().copied().chain(intent.translated_addresses()).collect();
        let members = intent.members.entries().map(|(id, member)| (member.address, id)).collect();
        Hosts { ours, selves, members }
    }

    /// A self-IP, a virtual address, or one that members are translated to.
    pub fn is_ours(&self, address: Ipv4Addr) -> bool {
        self.ours.contains(&address)
    }

    /// A self-IP.
    pub fn is_self(&self, address: Ipv4Addr) -> bool {
        self.selves.contains(&address)
    }

    /// The member that has it.
    pub fn member(&self, address: Ipv4Addr) -> Option<MemberId> {
        self.members.get(&address).copied()
    }
}
