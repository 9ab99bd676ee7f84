//! Routes as the kernel shows them.
//!
//! Owns what is read of them: which are looked for ([`RouteFilter`]), and what each says ([`KernelRoute`]). Pure: messages come as bytes.

use super::protocol::RouteProtocol;
use ipnet::Ipv4Net;
use netlink_packet_core::{NlasIterator, Parseable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteNextHopFlags, RouteType,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Next hops of one route that are read.
pub const MOST_HOPS: usize = 64;

/// Which routes are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteFilter {
    /// The routing table.
    pub table: u32,
    /// Who has made them; empty: anybody but the kernel itself.
    pub protocols: Vec<RouteProtocol>,
    /// They lead over one of these devices.
    pub devices: BTreeSet<String>,
    /// At most so many.
    pub limit: usize,
}

impl RouteFilter {
    /// Routes of this protocol are looked for.
    pub fn allows(&self, protocol: RouteProtocol) -> bool {
        match self.protocols.is_empty() {
            true => ![RouteProtocol::KERNEL, RouteProtocol::REDIRECT].contains(&protocol),
            false => self.protocols.contains(&protocol),
        }
    }
}

/// A route of the kernel's to an IPv4 network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelRoute {
    /// Destinations.
    pub to: Ipv4Net,
    /// Of two routes to the same the smaller one counts.
    pub metric: u32,
    /// Who has made it.
    pub protocol: RouteProtocol,
    /// Where it leads; never empty.
    pub hops: Vec<KernelHop>,
}

/// A next hop of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelHop {
    /// The device.
    pub device: String,
    /// The router.
    pub gateway: Ipv4Addr,
    /// Its share among the next hops of the route; never zero.
    pub weight: u16,
    /// The kernel would use it: neither is it dead, nor has its device lost its link.
    pub usable: bool,
}

/// What the kernel has at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelRoutes {
    /// Those that are looked for, in the order of destinations and metrics.
    pub routes: Vec<KernelRoute>,
    /// Those that are not taken all the same.
    pub skipped: SkippedRoutes,
    /// Devices that are looked for and have no link: routes by next hops of their own (`nhid`) are gone with it.
    pub without_link: BTreeSet<String>,
}

/// Routes that are looked for and not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkippedRoutes {
    /// There were as many as there may be already.
    pub beyond_limit: u64,
    /// No next hop over these devices has an IPv4 address: destinations that are said to be on the link, routers known by IPv6, tunnels.
    pub without_router: u64,
    /// They say that packets are to be dropped: blackhole, unreachable, prohibit.
    pub discarding: u64,
}

/// What a route leads to that names it by a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NextHopObject {
    /// A device by its number, and a router there.
    One(u32, Option<Ipv4Addr>),
    /// Others by their numbers, each with its weight.
    Group(Vec<(u32, u16)>),
}

/// What a route is read with: the numbers in it mean something.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// Devices by their numbers: the name, and whether its link is there.
    pub(super) devices: BTreeMap<u32, (String, bool)>,
    pub(super) objects: BTreeMap<u32, NextHopObject>,
}

/// What a message is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    Route(KernelRoute),
    /// It is not one of those that are looked for.
    Other,
    WithoutRouter,
    Discarding,
}

/// The destinations and the metric of a route in this table; `None`: it is another table's, or nothing that is understood.
pub(super) fn identity(body: &[u8], table: u32) -> Option<(Ipv4Net, u32)> {
    let message = RouteMessage::parse(body).ok().filter(|message| is_plain(message, table))?;
    Some((destination(&message)?, metric(&message)))
}

/// What the message of a route says.
pub(super) fn read(body: &[u8], filter: &RouteFilter, context: &Context) -> Read {
    let Ok(message) = RouteMessage::parse(body) else { return Read::Other };
    let protocol = RouteProtocol(message.header.protocol.into());
    if !is_plain(&message, filter.table) || !filter.allows(protocol) {
        return Read::Other;
    }
    match message.header.kind {
        RouteType::Unicast => {}
        RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit => return Read::Discarding,
        _ => return Read::Other,
    }
    let Some(to) = destination(&message) else { return Read::Other };
    let ours: Vec<Leads> =
        leads(&message, context).into_iter().filter(|one| filter.devices.contains(&one.device)).collect();
    let is_ours = !ours.is_empty();
    let hops: Vec<KernelHop> = ours.into_iter().filter_map(Leads::hop).take(MOST_HOPS).collect();
    match hops.is_empty() {
        false => Read::Route(KernelRoute { to, metric: metric(&message), protocol, hops }),
        true if is_ours => Read::WithoutRouter,
        true => Read::Other,
    }
}

/// Of IPv4, in this table, for whatever packet.
fn is_plain(message: &RouteMessage, table: u32) -> bool {
    let header = &message.header;
    let said = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    header.address_family == AddressFamily::Inet
        && !header.flags.contains(RouteFlags::Cloned)
        && (header.tos, header.source_prefix_length) == (0, 0)
        && said.unwrap_or(header.table.into()) == table
}

fn destination(message: &RouteMessage) -> Option<Ipv4Net> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(*address),
        _ => None,
    });
    let length = message.header.destination_prefix_length;
    let address = address.or_else(|| (length == 0).then_some(Ipv4Addr::UNSPECIFIED))?;
    Ipv4Net::new(address, length).ok().map(|net| net.trunc())
}

fn metric(message: &RouteMessage) -> u32 {
    let said = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Priority(metric) => Some(*metric),
        _ => None,
    });
    said.unwrap_or(0)
}

/// A device, and the router there, if it is known by an IPv4 address.
struct Leads {
    device: String,
    gateway: Option<Ipv4Addr>,
    weight: u16,
    usable: bool,
}

impl Leads {
    fn hop(self) -> Option<KernelHop> {
        let Leads { device, gateway, weight, usable } = self;
        Some(KernelHop { device, gateway: gateway?, weight: weight.max(1), usable })
    }
}

/// Where a route leads. Where it says so itself that counts: it knows of each next hop whether it is dead.
fn leads(message: &RouteMessage, context: &Context) -> Vec<Leads> {
    let lead = |index: u32, gateway, weight, closed: bool| {
        let (device, link) = context.devices.get(&index)?;
        Some(Leads { device: device.clone(), gateway, weight, usable: *link && !closed })
    };
    let several = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::MultiPath(hops) => Some(hops),
        _ => None,
    });
    if let Some(hops) = several {
        let of = |hop: &RouteNextHop| {
            let (dead, lost) = (RouteNextHopFlags::Dead, RouteNextHopFlags::Linkdown);
            let closed = hop.flags.intersects(dead | lost);
            lead(hop.interface_index, gateway(&hop.attributes), u16::from(hop.hops) + 1, closed)
        };
        return hops.iter().filter_map(of).collect();
    }
    let flags = message.header.flags;
    let closed = flags.intersects(RouteFlags::Dead | RouteFlags::Linkdown);
    if let Some(index) = device(&message.attributes) {
        return lead(index, gateway(&message.attributes), 1, closed).into_iter().collect();
    }
    let object = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::NhId(id) => context.objects.get(id),
        _ => None,
    });
    let one = |id: &u32, weight| match context.objects.get(id) {
        Some(NextHopObject::One(index, gateway)) => lead(*index, *gateway, weight, closed),
        _ => None,
    };
    match object {
        Some(NextHopObject::One(index, gateway)) => lead(*index, *gateway, 1, closed).into_iter().collect(),
        Some(NextHopObject::Group(members)) => members.iter().filter_map(|(id, weight)| one(id, *weight)).collect(),
        None => Vec::new(),
    }
}

/// A router in a tunnel of its own is none that frames could be sent to.
fn gateway(attributes: &[RouteAttribute]) -> Option<Ipv4Addr> {
    let is_in_tunnel =
        |attribute: &RouteAttribute| matches!(attribute, RouteAttribute::Encap(_) | RouteAttribute::EncapType(_));
    let address = attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(address)) => Some(*address),
        _ => None,
    });
    address.filter(|_| !attributes.iter().any(is_in_tunnel))
}

fn device(attributes: &[RouteAttribute]) -> Option<u32> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })
}

/// `struct nhmsg` before the attributes of a next hop, and those (linux/nexthop.h).
const NEXT_HOP_HEADER: usize = 8;
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
const NHA_ENCAP_TYPE: u16 = 7;
/// `struct nexthop_grp`: number, weight less one, its upper byte, reserved.
const GROUP_ENTRY: usize = 8;

/// A next hop that routes name by a number, and that number. The crate does not know these messages.
pub(super) fn object(body: &[u8]) -> Option<(u32, NextHopObject)> {
    let (mut id, mut group, mut oif, mut gateway, mut is_tunnel) = (None, None, None, None, false);
    for attribute in NlasIterator::new(body.get(NEXT_HOP_HEADER..)?) {
        let attribute = attribute.ok()?;
        let value = attribute.value();
        match attribute.kind() {
            NHA_ID => id = number(value),
            NHA_GROUP => group = Some(value.chunks_exact(GROUP_ENTRY).filter_map(group_entry).collect()),
            NHA_OIF => oif = number(value),
            NHA_GATEWAY => gateway = <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from),
            NHA_ENCAP_TYPE => is_tunnel = true,
            _ => {}
        }
    }
    let one = || oif.map(|oif| NextHopObject::One(oif, gateway.filter(|_| !is_tunnel)));
    Some((id?, group.map(NextHopObject::Group).or_else(one)?))
}

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

fn group_entry(entry: &[u8]) -> Option<(u32, u16)> {
    let weight = u16::from_le_bytes([*entry.get(4)?, *entry.get(5)?]).checked_add(1)?;
    Some((number(entry.get(..4)?)?, weight))
}

#[cfg(test)]
mod tests;
