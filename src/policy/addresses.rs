//! The addresses that are ours, and on which link each is.
//!
//! Owns [`InterfaceView`], our side of a link, and the answer to "do we answer ARP for this address here, and from where do
//! we ask?". Built whole from the intent, never changed. A self-IP lives on its own interface only. A virtual or SNAT
//! address lives on every interface whose network holds it, or on all of them when no connected network does.

use super::Intent;
use super::intent::{InterfaceId, PortId};
use super::slots::Slots;
use crate::wire::{Mac, VlanId};
use ipnet::Ipv4Net;
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

/// Our side of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceView {
    /// The NIC.
    pub port: PortId,
    /// The tag frames carry there.
    pub vlan: Option<VlanId>,
    /// Our MAC on it.
    pub mac: Mac,
    /// Self-IPs with their networks; never empty.
    pub addresses: Vec<Ipv4Net>,
    /// The largest IP datagram sent on it, in bytes.
    pub mtu: u16,
    /// See [`crate::policy::intent::Interface::mss`].
    pub mss: Option<u16>,
    /// Members live there.
    pub has_members: bool,
    /// The kernel has a device for it.
    pub has_host: bool,
    /// The MAC of floating addresses there, while they are ours: the virtual router's, or that of the port.
    pub floating_mac: Mac,
}

impl InterfaceView {
    /// The self-IP that speaks to `peer`: the one in its network, else the first.
    pub fn address_towards(&self, peer: Ipv4Addr) -> Ipv4Addr {
        self.addresses.iter().find(|net| net.contains(&peer)).unwrap_or(&self.addresses[0]).addr()
    }

    /// `address` can be a host's on this link: a network holds it, and it is not that network's own or broadcast address.
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|net| {
            let host = net.prefix_len() >= 31 || (address != net.network() && address != net.broadcast());
            net.contains(&address) && host
        })
    }

    /// `address` is the directed broadcast address of one of the interface's networks.
    pub fn broadcasts(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|net| net.prefix_len() < 31 && net.broadcast() == address)
    }
}

/// All interfaces and addresses of the appliance.
#[derive(Clone, Debug)]
pub struct Addresses {
    interfaces: Slots<InterfaceId, InterfaceView>,
    /// Where each address lives.
    homes: HashMap<Ipv4Addr, Home, foldhash::fast::RandomState>,
    /// Those that belong to us as the active appliance of a pair.
    is_floating: HashSet<Ipv4Addr, foldhash::fast::RandomState>,
    /// Of our ports.
    macs: HashSet<Mac, foldhash::fast::RandomState>,
}

/// Where an address lives.
#[derive(Clone, Debug)]
enum Home {
    /// On the interface whose network holds it.
    On(InterfaceId),
    /// On those whose networks hold it.
    Several(Vec<InterfaceId>),
    /// No network holds it: on all of them.
    Everywhere,
}

impl Addresses {
    /// Of this intent, floating ones included; `macs` holds our MAC on each port, in the order of [`Intent::ports`].
    pub fn new(intent: &Intent, macs: &[Mac]) -> Addresses {
        Addresses::held(intent, macs, true)
    }

    /// The same; with `floating` only those that do not belong to the active appliance of a pair, if there is one.
    pub fn held(intent: &Intent, macs: &[Mac], floating: bool) -> Addresses {
        let with_members: HashSet<InterfaceId> = intent.members.iter().map(|member| member.interface).collect();
        let interfaces = intent.interfaces.map(|id, meant| InterfaceView {
            port: meant.port,
            vlan: meant.vlan,
            mac: macs[meant.port.index()],
            addresses: meant.addresses.clone(),
            mtu: meant.mtu,
            mss: meant.mss,
            has_members: with_members.contains(&id),
            has_host: meant.host.is_some(),
            floating_mac: intent.virtual_mac(meant).unwrap_or(macs[meant.port.index()]),
        });
        let mut homes: HashMap<_, _, _> = HashMap::default();
        let mut is_floating: HashSet<_, _> = HashSet::default();
        if floating {
            for address in intent.translated_addresses() {
                homes.entry(address).or_insert_with(|| home(&interfaces, address));
            }
            for (id, interface) in intent.interfaces.entries() {
                homes.extend(interface.floating.iter().map(|net| (net.addr(), Home::On(id))));
            }
            if intent.pair.is_some() {
                is_floating = homes.keys().copied().collect();
            }
        }
        // A self-IP may serve as a SNAT address; it stays where it is.
        for (id, interface) in interfaces.entries() {
            homes.extend(interface.addresses.iter().map(|net| (net.addr(), Home::On(id))));
            interface.addresses.iter().for_each(|net| _ = is_floating.remove(&net.addr()));
        }
        let macs = interfaces.iter().map(|interface| interface.mac).collect();
        Addresses { interfaces, homes, is_floating, macs }
    }

    /// The interfaces.
    pub fn interfaces(&self) -> &Slots<InterfaceId, InterfaceView> {
        &self.interfaces
    }

    /// An interface by its id, which may be of another time.
    pub fn find(&self, interface: InterfaceId) -> Option<&InterfaceView> {
        self.interfaces.get(interface)
    }

    /// ARP for `address` is answered on `interface`.
    pub fn answers(&self, interface: InterfaceId, address: Ipv4Addr) -> bool {
        match self.homes.get(&address) {
            Some(Home::On(only)) => *only == interface,
            Some(Home::Several(on)) => on.contains(&interface),
            Some(Home::Everywhere) => self.interfaces.contains(interface),
            None => false,
        }
    }

    /// `address` is ours, wherever it lives.
    pub fn is_ours(&self, address: Ipv4Addr) -> bool {
        self.homes.contains_key(&address)
    }

    /// `address` is ours as long as we are the active appliance of a pair.
    pub fn is_floating(&self, address: Ipv4Addr) -> bool {
        self.is_floating.contains(&address)
    }

    /// The MAC at which `address`, one that is answered on `interface`, is.
    pub fn mac_of(&self, interface: InterfaceId, address: Ipv4Addr) -> Mac {
        let view = &self.interfaces[interface];
        if self.is_floating(address) { view.floating_mac } else { view.mac }
    }

    /// The MAC is that of one of our ports.
    pub fn is_our_mac(&self, mac: Mac) -> bool {
        self.macs.contains(&mac)
    }

    /// Every address with every interface it lives on.
    pub fn all(&self) -> impl Iterator<Item = (InterfaceId, Ipv4Addr)> + '_ {
        self.homes.iter().flat_map(|(address, home)| {
            let on = match home {
                Home::On(only) => vec![*only],
                Home::Several(on) => on.clone(),
                Home::Everywhere => self.interfaces.ids().collect(),
            };
            on.into_iter().map(|interface| (interface, *address))
        })
    }
}

fn home(interfaces: &Slots<InterfaceId, InterfaceView>, address: Ipv4Addr) -> Home {
    let holding: Vec<_> =
        interfaces.entries().filter(|(_, interface)| interface.holds(address)).map(|(id, _)| id).collect();
    match holding[..] {
        [] => Home::Everywhere,
        [only] => Home::On(only),
        _ => Home::Several(holding),
    }
}
