//! What the kernel's devices are to be.
//!
//! Owns what follows from an intent for them. Pure.

use crate::policy::Intent;
use crate::policy::intent::{Interface, InterfaceId};
use crate::wire::Mac;
use ipnet::Ipv4Net;

/// What the device of an interface is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose it is.
    pub interface: InterfaceId,
    /// What the kernel calls it.
    pub name: String,
    /// Its MAC, which is the interface's.
    pub mac: Mac,
    /// That of floating addresses on the interface, where it is the virtual router's.
    pub virtual_mac: Option<Mac>,
    /// The largest datagram that it carries, in bytes.
    pub mtu: u16,
    /// Its addresses, each with the length of its network.
    pub addresses: Vec<Ipv4Net>,
    /// The link of the interface's port; `None`: the port has not said yet.
    pub link: Option<bool>,
    /// The kernel's own interface that the port stands on, where it does (af_packet, af_xdp): the kernel sees every frame there as well,
    /// and is told to take none of them for itself.
    pub beneath: Option<String>,
}

/// The devices of an intent's interfaces; `macs` and `links` are those of its ports, in their order.
pub fn devices(intent: &Intent, macs: &[Mac], links: impl Fn(usize) -> Option<bool>) -> Vec<Wanted> {
    let with_device = |(interface, meant): (InterfaceId, &Interface)| {
        let port = meant.port.index();
        Some(Wanted {
            interface,
            name: meant.host.clone()?,
            mac: macs[port],
            virtual_mac: intent.virtual_mac(meant),
            mtu: meant.mtu,
            addresses: meant.addresses.clone(),
            link: links(port),
            beneath: beneath(&intent.ports[port].device),
        })
    };
    intent.interfaces.entries().filter_map(with_device).collect()
}

/// The interface that a virtual device of DPDK names.
fn beneath(device: &str) -> Option<String> {
    device.split(',').find_map(|argument| argument.trim().strip_prefix("iface=")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_may_stand_on_an_interface_of_the_kernels() {
        assert_eq!(beneath("net_af_packet0,iface=outer0,blocksz=4096").as_deref(), Some("outer0"));
        assert_eq!(beneath("0000:3b:00.1"), None);
        assert_eq!(beneath("net_pcap0,rx_iface_in=outer0"), None);
    }
}
