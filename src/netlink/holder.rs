//! A device of the kernel that does nothing but hold addresses, for whoever on the machine looks at those.
//!
//! Owns how such a device is made and brought in line with what is wanted: what stands and is to stand is not touched, since daemons tell
//! their peers of each address that goes and comes. It is up as long as it holds anything: taking it down withdraws everything at once, in
//! one event. Decides nothing about addresses.

use super::error::NetlinkError;
use super::kernel::Netlink;
use super::link::{Kind, Link};
use ipnet::Ipv4Net;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// What it may be, the best first.
const KINDS: [Kind; 2] = [Kind::Dummy, Kind::Ifb];

/// The device of one name.
pub struct Holder {
    device: String,
}

impl Holder {
    /// The one of this name, whether or not it is there yet.
    pub fn new(device: impl Into<String>) -> Holder {
        Holder { device: device.into() }
    }

    /// Sees to it that the device holds `wanted`, of `kept` what it holds already, and nothing else. Returns what it holds then. It is made
    /// when it is first needed.
    pub fn hold(
        &self,
        netlink: &mut Netlink,
        wanted: &BTreeSet<Ipv4Addr>,
        kept: &BTreeSet<Ipv4Addr>,
    ) -> Result<BTreeSet<Ipv4Addr>, NetlinkError> {
        let link = match netlink.link(&self.device)? {
            // Nothing is asked of a device of somebody else's.
            Some(link) if wanted.is_empty() && !is_ours(&link) => return Ok(BTreeSet::new()),
            Some(link) => self.ours(link)?,
            None if wanted.is_empty() => return Ok(BTreeSet::new()),
            None => self.make(netlink)?,
        };
        let held = netlink.addresses(&link)?;
        let stays = |net: &Ipv4Net| is_whole(net) && (wanted.contains(&net.addr()) || kept.contains(&net.addr()));
        let (stay, go): (Vec<Ipv4Net>, Vec<Ipv4Net>) = held.into_iter().partition(stays);
        let stay: BTreeSet<Ipv4Addr> = stay.iter().map(Ipv4Net::addr).collect();
        let come: Vec<Ipv4Net> = wanted.difference(&stay).map(|address| Ipv4Net::from(*address)).collect();
        let all: BTreeSet<Ipv4Addr> = stay.union(wanted).copied().collect();
        if all.is_empty() && link.up {
            netlink.set_up(&link, false)?;
        }
        netlink.change_addresses(&link, &go, &come)?;
        // Only now: what it held from before and is not wanted was not seen to come.
        if !all.is_empty() && !link.up {
            netlink.set_up(&link, true)?;
        }
        Ok(all)
    }

    fn make(&self, netlink: &mut Netlink) -> Result<Link, NetlinkError> {
        for kind in KINDS {
            if netlink.can_make(kind)? {
                return netlink.make(&self.device, kind);
            }
        }
        netlink.make(&self.device, KINDS[0])
    }

    /// A device of this name that can carry packets is somebody else's.
    fn ours(&self, link: Link) -> Result<Link, NetlinkError> {
        if is_ours(&link) {
            return Ok(link);
        }
        let kind = link.kind.unwrap_or_else(|| "device of hardware".into());
        let what = || format!("{} is a {kind}, neither dummy nor ifb, and is left as it is", self.device);
        Err(NetlinkError::of(what)(Errno::EXIST.into()))
    }
}

fn is_ours(link: &Link) -> bool {
    link.kind.as_ref().is_some_and(|kind| KINDS.iter().any(|one| one.to_string() == *kind))
}

fn is_whole(net: &Ipv4Net) -> bool {
    net.prefix_len() == net.max_prefix_len()
}
