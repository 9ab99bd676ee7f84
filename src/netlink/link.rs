//! A link as the kernel shows it.

use crate::wire::Mac;
use netlink_packet_route::RouteNetlinkMessage::{self, NewLink};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkInfo};
use std::fmt;

/// What can be made that carries addresses and no packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What is there for that.
    Dummy,
    /// What passes packets back to where they came from: serves where the kernel has no dummy.
    Ifb,
}

impl Kind {
    pub(super) fn article(self) -> &'static str {
        match self {
            Kind::Dummy => "a",
            Kind::Ifb => "an",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Dummy => "dummy",
            Kind::Ifb => "ifb",
        })
    }
}

/// A link of the kernel, at the moment it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number, which no other link of its namespace gets while it is there.
    pub index: u32,
    /// What it is called.
    pub name: String,
    /// The address of its hardware, if it has one of six bytes.
    pub mac: Option<Mac>,
    /// The largest datagram that it carries, in bytes.
    pub mtu: u32,
    /// The administrator wants it up.
    pub up: bool,
    /// Something is at its other end.
    pub carrier: bool,
    /// What the kernel calls its kind, such as "dummy" or "tun"; `None` of hardware.
    pub kind: Option<String>,
    /// The number of the link that it stands on, if that is of the same namespace.
    pub beneath: Option<u32>,
}

impl Link {
    pub(super) fn read(message: &RouteNetlinkMessage) -> Option<Link> {
        let NewLink(message) = message else { return None };
        let flags = message.header.flags;
        let mut link = Link {
            index: message.header.index,
            name: String::new(),
            mac: None,
            mtu: 0,
            up: flags.contains(LinkFlags::Up),
            carrier: flags.contains(LinkFlags::LowerUp),
            kind: None,
            beneath: None,
        };
        let mut is_elsewhere = false;
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Address(bytes) => link.mac = bytes.as_slice().try_into().ok().map(Mac),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Link(index) => link.beneath = Some(*index).filter(|index| *index != 0),
                LinkAttribute::LinkNetNsId(_) => is_elsewhere = true,
                LinkAttribute::LinkInfo(about) => {
                    link.kind = about.iter().find_map(|one| match one {
                        LinkInfo::Kind(kind) => Some(kind.to_string()),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        link.beneath = link.beneath.filter(|_| !is_elsewhere);
        Some(link)
    }
}
