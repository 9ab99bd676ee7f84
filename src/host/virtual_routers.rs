//! keepalived's devices of virtual routers (`use_vmac`): `vrrp.ID` above a device of ours, at the MAC of the virtual router.
//!
//! Owns which there are, as the kernel tells of links that come and go; that the kernel answers no ARP on them either, though keepalived has
//! it answer; and whether the file knows of their MACs. Other devices above ours are nobody's matter here.

use super::kernel_settings;
use super::wanted::Wanted;
use crate::netlink::{Link, Monitor, Netlink, NetlinkError};
use crate::wire::Mac;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// From one reading of all links to the next at least: others may change them as often as they like.
const REST: Duration = Duration::from_millis(50);
/// The first five bytes of the MAC of a virtual router that has IPv4 addresses (RFC 9568 7.3); the last one is its number.
const PREFIX: [u8; 5] = [0x00, 0x00, 0x5e, 0x00, 0x01];

/// Those above any device.
#[derive(Default)]
pub(super) struct VirtualRouters {
    /// `None`: not opened yet, or not to be had.
    monitor: Option<Monitor>,
    /// Links have changed since they were read.
    is_stale: bool,
    read: Option<Instant>,
    links: Vec<Link>,
}

impl VirtualRouters {
    /// What is waited for.
    pub(super) fn waits(&self) -> Option<BorrowedFd<'_>> {
        self.monitor.as_ref().map(AsFd::as_fd)
    }

    /// Takes in what the kernel tells of links.
    pub(super) fn hear(&mut self) {
        match self.monitor.as_ref().map(|monitor| monitor.read(0)) {
            Some(Ok(changes)) => self.is_stale |= changes.any,
            // It is opened again at the next reading.
            Some(Err(_)) => self.monitor = None,
            None => {}
        }
    }

    /// Links have changed, and were not read just now.
    pub(super) fn are_due(&self) -> bool {
        self.is_stale && self.read.is_none_or(|read| read.elapsed() >= REST)
    }

    /// Reads them if they have changed, or where nobody tells of changes.
    pub(super) fn read(&mut self) -> Result<(), NetlinkError> {
        if self.monitor.is_none() {
            // Opened before they are read: what changes from here on is told.
            (self.monitor, self.is_stale) = (Some(Monitor::of_links()?), true);
        }
        if self.is_stale {
            self.read = Some(Instant::now());
            self.links = Netlink::open()?.links()?;
            self.is_stale = false;
        }
        Ok(())
    }

    /// Those above the device that the kernel knows by this number, each with its own number.
    pub(super) fn above(&self, device: u32) -> impl Iterator<Item = (u8, &Link)> {
        let above = self.links.iter().filter(move |link| link.beneath == Some(device));
        above.filter_map(|link| Some((number(link)?, link)))
    }
}

/// Has the kernel answer no ARP on these, which stand above the device of `wanted`; the error says as well what is sent in vain to one of
/// them.
pub(super) fn tend<'l>(above: impl Iterator<Item = (u8, &'l Link)>, wanted: &Wanted) -> Result<(), String> {
    let mut outcome = Ok(());
    for (id, link) in above {
        match kernel_settings::silence(&link.name) {
            // It is gone already.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => outcome = outcome.and(Err(format!("{} is not as it is to be: {error}", link.name))),
            Ok(()) => {}
        }
        if link.mac != wanted.virtual_mac {
            outcome = outcome.and(Err(unknown(id, &link.name, wanted)));
        }
    }
    outcome
}

fn unknown(id: u8, name: &str, wanted: &Wanted) -> String {
    let [a, b, c, d, e] = PREFIX;
    let mac = Mac([a, b, c, d, e, id]);
    let has = match wanted.virtual_mac {
        Some(known) => format!("floating addresses have {known} by the file"),
        None => "the file has no virtual MAC for the interface".into(),
    };
    format!(
        "{}: keepalived has {name} above it at {mac} (use_vmac), but {has}, so that what is sent to {mac} is dropped (wrong_dst_mac): write \
         virtual_mac = true under [pair] and vrid = {id} under the interface, on both appliances, or take use_vmac out of keepalived.conf",
        wanted.name
    )
}

/// The number of the virtual router, if it is one's device.
fn number(link: &Link) -> Option<u8> {
    let Mac([prefix @ .., id]) = link.mac?;
    (link.kind.as_deref() == Some("macvlan") && prefix == PREFIX).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(kind: &str, mac: [u8; 6]) -> Link {
        let (name, kind) = ("vrrp.20".into(), Some(kind.into()));
        Link { index: 7, name, mac: Some(Mac(mac)), mtu: 1_500, up: true, carrier: true, kind, beneath: Some(3) }
    }

    #[test]
    fn the_device_of_a_virtual_router_is_known_by_its_mac() {
        let ours = [0, 0, 0x5e, 0, 1, 20];
        assert_eq!(number(&link("macvlan", ours)), Some(20));
        assert_eq!(number(&link("veth", ours)), None);
        assert_eq!(number(&link("macvlan", [0, 0, 0x5e, 0, 2, 20])), None, "of IPv6");
        let routers = VirtualRouters { links: vec![link("macvlan", ours)], ..VirtualRouters::default() };
        assert_eq!((routers.above(3).count(), routers.above(4).count()), (1, 0));
    }
}
