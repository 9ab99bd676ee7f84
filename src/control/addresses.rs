//! The addresses that are ours, and on which link each is.
//!
//! Owns the answer to "do we answer ARP for this address here, and from where do we ask?". Built whole from the intent,
//! never changed. A self-IP lives on its own interface only. A virtual or SNAT address lives on every interface whose
//! network holds it, or on all of them when no connected network does.

use crate::policy::Intent;
use crate::policy::intent::{InterfaceId, PortId};
use crate::wire::{Mac, VlanId};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// Our side of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The NIC.
    pub port: PortId,
    /// The tag frames carry there.
    pub vlan: Option<VlanId>,
    /// Our MAC.
    pub mac: Mac,
    /// Self-IPs with their networks; never empty.
    pub networks: Vec<Ipv4Net>,
}

impl Home {
    /// `address` can be a host's on this link: a network holds it, and it is not that network's own or broadcast
    /// address.
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        self.networks.iter().any(|net| {
            let host = net.prefix_len() >= 31 || (address != net.network() && address != net.broadcast());
            net.contains(&address) && host
        })
    }

    /// The self-IP that speaks to `peer`: the one in its network, else the first.
    pub fn speaks_as(&self, peer: Ipv4Addr) -> Ipv4Addr {
        self.networks.iter().find(|net| net.contains(&peer)).unwrap_or(&self.networks[0]).addr()
    }
}

/// All addresses of the appliance.
#[derive(Clone, Debug)]
pub struct Addresses {
    homes: Vec<Home>,
    virtuals: Vec<(Ipv4Addr, Vec<InterfaceId>)>,
}

impl Addresses {
    /// Of this intent; `macs` holds our MAC on each port, in the order of [`Intent::ports`].
    pub fn new(intent: &Intent, macs: &[Mac]) -> Addresses {
        let homes: Vec<Home> = intent
            .interfaces
            .iter()
            .map(|meant| Home {
                port: meant.port,
                vlan: meant.vlan,
                mac: macs[meant.port.index()],
                networks: meant.addresses.clone(),
            })
            .collect();
        let mut wanted: Vec<Ipv4Addr> = intent.virtual_servers.iter().map(|server| server.address).collect();
        wanted.extend(intent.snats.iter().map(|snat| snat.address));
        wanted.sort_unstable();
        wanted.dedup();
        // A self-IP may serve as a SNAT address; it stays where it is.
        wanted.retain(|address| !homes.iter().any(|home| home.networks.iter().any(|net| net.addr() == *address)));
        let virtuals = wanted.into_iter().map(|address| (address, places(&homes, address))).collect();
        Addresses { homes, virtuals }
    }

    /// Our side of an interface.
    pub fn home(&self, interface: InterfaceId) -> &Home {
        &self.homes[interface.index()]
    }

    /// An interface by its number, which may be of another time.
    pub fn find(&self, interface: InterfaceId) -> Option<&Home> {
        self.homes.get(interface.index())
    }

    /// ARP for `address` is answered on `interface`.
    pub fn answers(&self, interface: InterfaceId, address: Ipv4Addr) -> bool {
        let own = |home: &Home| home.networks.iter().any(|net| net.addr() == address);
        self.find(interface).is_some_and(own)
            || self.virtuals.iter().any(|(ours, on)| *ours == address && on.contains(&interface))
    }

    /// `address` is ours, wherever it lives.
    pub fn is_ours(&self, address: Ipv4Addr) -> bool {
        self.all().any(|(_, ours)| ours == address)
    }

    /// The MAC is that of one of our ports.
    pub fn is_our_mac(&self, mac: Mac) -> bool {
        self.homes.iter().any(|home| home.mac == mac)
    }

    /// By interface of these: its place among `new`, where the same link may stand elsewhere in the file.
    pub fn heirs(&self, new: &Addresses) -> Vec<Option<InterfaceId>> {
        let same = |home: &Home| new.homes.iter().position(|heir| (heir.port, heir.vlan) == (home.port, home.vlan));
        self.homes.iter().map(|home| same(home).map(|at| InterfaceId(at as u16))).collect()
    }

    /// Every address with every interface it lives on.
    pub fn all(&self) -> impl Iterator<Item = (InterfaceId, Ipv4Addr)> + '_ {
        let own = self
            .homes
            .iter()
            .enumerate()
            .flat_map(|(at, home)| home.networks.iter().map(move |net| (InterfaceId(at as u16), net.addr())));
        own.chain(self.virtuals.iter().flat_map(|(address, on)| on.iter().map(|&interface| (interface, *address))))
    }
}

fn places(homes: &[Home], address: Ipv4Addr) -> Vec<InterfaceId> {
    let all = || homes.iter().enumerate().map(|(at, home)| (InterfaceId(at as u16), home));
    let holding: Vec<_> = all().filter(|(_, home)| home.holds(address)).map(|(id, _)| id).collect();
    if holding.is_empty() { all().map(|(id, _)| id).collect() } else { holding }
}
