//! What the kernel is asked and told.
//!
//! Owns one call for each. A call is answered by the kernel before it returns, and waits for the kernel's own lock, so that nobody who must
//! not wait calls from his own thread. What is already as it is wanted is no error.

use super::error::NetlinkError;
use super::exchange::{Answer, Change, Exchange};
use super::link::{Kind, Link};
use crate::wire::Mac;
use ipnet::Ipv4Net;
use netlink_packet_route::RouteNetlinkMessage::{
    DelAddress, DelLink, GetAddress, GetLink, NewAddress, NewLink, SetLink,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressProtocol};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

/// More queues than any device may have: a device of that many is not made, but only where its kind is known.
const TOO_MANY_QUEUES: u32 = 4_097;

/// Whom the kernel names as the giver of the addresses that are given here (IFA_PROTO of linux/if_addr.h, Linux 5.18; kernels before name
/// nobody). The kernel's own are 1 to 3, keepalived's is 18.
const GIVER: AddressProtocol = AddressProtocol::Other(70);

type Result<T> = std::result::Result<T, NetlinkError>;

/// A way to ask the kernel of the network namespace in which it was opened.
pub struct Netlink {
    exchange: Exchange,
}

impl Netlink {
    /// Opens it for the network namespace of the calling thread.
    pub fn open() -> Result<Netlink> {
        let exchange = Exchange::open().map_err(NetlinkError::of(|| "the kernel's links cannot be asked".into()))?;
        Ok(Netlink { exchange })
    }

    pub(super) fn exchange(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    /// The link of this name, if there is one.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.into()));
        let what = || format!("link {name} cannot be looked for");
        let Answer { messages, end } = self.one(Change::ask(GetLink(message))).map_err(NetlinkError::of(what))?;
        match end {
            Err(error) if is(&error, Errno::NODEV) => Ok(None),
            Err(error) => Err(NetlinkError::of(what)(error)),
            Ok(()) => Ok(messages.iter().find_map(Link::read)),
        }
    }

    /// All links.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let what = || "the kernel's links cannot be read".into();
        let all = self.exchange.dump(GetLink(LinkMessage::default())).map_err(NetlinkError::of(what))?;
        Ok(all.iter().filter_map(Link::read).collect())
    }

    /// Makes a link of a kind; it is down, and has no address.
    pub fn make(&mut self, name: &str, kind: Kind) -> Result<Link> {
        let what = || format!("link {name} cannot be made as {} {kind}", kind.article());
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.into()), of_kind(kind)];
        self.obey(Change::make(NewLink(message))).map_err(NetlinkError::of(what))?;
        let made = self.link(name)?;
        made.ok_or_else(|| NetlinkError::of(what)(Errno::NODEV.into()))
    }

    /// Removes a link, its addresses with it.
    pub fn remove(&mut self, link: &Link) -> Result<()> {
        let outcome = self.obey(Change::just(DelLink(at(link))));
        unless(outcome, Errno::NODEV).map_err(NetlinkError::of(|| format!("link {} cannot be removed", link.name)))
    }

    /// Whether the kernel knows this kind, or has a module that does, which is loaded by asking. Makes nothing; needs the same permission
    /// as if it did.
    pub fn can_make(&mut self, kind: Kind) -> Result<bool> {
        let mut message = LinkMessage::default();
        message.attributes = vec![of_kind(kind), LinkAttribute::NumTxQueues(TOO_MANY_QUEUES)];
        match self.obey(Change::make(NewLink(message))) {
            // The number of queues is looked at once the kind is known.
            Err(error) if is(&error, Errno::INVAL) => Ok(true),
            Err(error) if is(&error, Errno::OPNOTSUPP) => Ok(false),
            Err(error) => {
                Err(NetlinkError::of(|| format!("it cannot be known whether links of kind {kind} can be made"))(error))
            }
            Ok(()) => Ok(true),
        }
    }

    /// Takes a link up or down, by the administrator's word. Down takes its IPv6 addresses away, and routes over it; its IPv4 addresses
    /// stay, and come to life again with it.
    pub fn set_up(&mut self, link: &Link, up: bool) -> Result<()> {
        let mut message = at(link);
        message.header.change_mask = LinkFlags::Up;
        message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        let what = || format!("link {} cannot be taken {}", link.name, if up { "up" } else { "down" });
        self.obey(Change::just(SetLink(message))).map_err(NetlinkError::of(what))
    }

    /// Sets the largest datagram that it carries, in bytes.
    pub fn set_mtu(&mut self, link: &Link, mtu: u32) -> Result<()> {
        let what = || format!("the MTU of link {} cannot be set to {mtu}", link.name);
        self.set(link, LinkAttribute::Mtu(mtu)).map_err(NetlinkError::of(what))
    }

    /// Sets its MAC. Some devices must be down for that.
    pub fn set_mac(&mut self, link: &Link, mac: Mac) -> Result<()> {
        let what = || format!("the MAC of link {} cannot be set to {mac}", link.name);
        self.set(link, LinkAttribute::Address(mac.0.to_vec())).map_err(NetlinkError::of(what))
    }

    /// Lets the kernel see something at its other end, or nothing; for devices whose other end is a program.
    pub fn set_carrier(&mut self, link: &Link, carrier: bool) -> Result<()> {
        let what = || format!("the carrier of link {} cannot be set {}", link.name, if carrier { "on" } else { "off" });
        self.set(link, LinkAttribute::Carrier(carrier.into())).map_err(NetlinkError::of(what))
    }

    /// The IPv4 addresses of a link, each with the length of its network.
    pub fn addresses(&mut self, link: &Link) -> Result<Vec<Ipv4Net>> {
        let all = self.addresses_by_giver(link)?;
        Ok(all.into_iter().map(|(address, _)| address).collect())
    }

    /// The same, each with whether this program has given it, this process or one before. A kernel before Linux 5.18 does not know.
    pub fn addresses_by_giver(&mut self, link: &Link) -> Result<Vec<(Ipv4Net, bool)>> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        let what = || format!("the addresses of link {} cannot be read", link.name);
        let all = self.exchange.dump(GetAddress(message)).map_err(NetlinkError::of(what))?;
        Ok(all.iter().filter_map(|message| Some((address_on(link, message)?, is_given_here(message)))).collect())
    }

    /// Whether any link has one of these IPv4 addresses.
    pub fn holds_any(&mut self, addresses: &[Ipv4Addr]) -> Result<bool> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        let what = || "the kernel's addresses cannot be read".into();
        let all = self.exchange.dump(GetAddress(message)).map_err(NetlinkError::of(what))?;
        Ok(all.iter().filter_map(address_of).any(|(_, own)| addresses.contains(&own.addr())))
    }

    /// Takes IPv4 addresses from a link and gives it others, in as few messages as hold them: one event for each address is all that
    /// others see, and what stays is not touched. The first that fails is the error; the rest is done all the same.
    pub fn change_addresses(&mut self, link: &Link, remove: &[Ipv4Net], add: &[Ipv4Net]) -> Result<()> {
        let removed = remove.iter().map(|address| Change::just(DelAddress(address_message(link, *address))));
        let added = add.iter().map(|address| Change::make(NewAddress(address_message(link, *address))));
        let what = |address: &Ipv4Net, verb| format!("address {address} cannot be {verb} link {}", link.name);
        let subject = || format!("the addresses of link {} cannot be changed", link.name);
        let answers = self.exchange.all(removed.chain(added).collect()).map_err(NetlinkError::of(subject))?;
        let (removals, additions) = answers.split_at(remove.len());
        let mut outcome = Ok(());
        for (address, answer) in remove.iter().zip(removals) {
            let done = unless(answer.outcome(), Errno::ADDRNOTAVAIL);
            outcome = outcome.and(done.map_err(NetlinkError::of(|| what(address, "taken from"))));
        }
        for (address, answer) in add.iter().zip(additions) {
            let done = unless(answer.outcome(), Errno::EXIST);
            outcome = outcome.and(done.map_err(NetlinkError::of(|| what(address, "given to"))));
        }
        outcome
    }

    fn set(&mut self, link: &Link, attribute: LinkAttribute) -> io::Result<()> {
        let mut message = at(link);
        message.attributes.push(attribute);
        self.obey(Change::just(SetLink(message)))
    }

    fn obey(&mut self, change: Change) -> io::Result<()> {
        self.one(change)?.end
    }

    fn one(&mut self, change: Change) -> io::Result<Answer> {
        let answers = self.exchange.all(vec![change])?;
        answers.into_iter().next().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// A message about this link; by its number: whoever has its name meanwhile is another.
fn at(link: &Link) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = link.index;
    message
}

fn of_kind(kind: Kind) -> LinkAttribute {
    LinkAttribute::LinkInfo(vec![LinkInfo::Kind(match kind {
        Kind::Dummy => InfoKind::Dummy,
        Kind::Ifb => InfoKind::Ifb,
    })])
}

/// Both attributes hold the address itself: another one would be a peer's. No broadcast address is given.
fn address_message(link: &Link, address: Ipv4Net) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = address.prefix_len();
    message.header.index = link.index;
    let own = IpAddr::V4(address.addr());
    let giver = AddressAttribute::Protocol(GIVER);
    message.attributes = vec![AddressAttribute::Local(own), AddressAttribute::Address(own), giver];
    message
}

fn address_on(link: &Link, message: &RouteNetlinkMessage) -> Option<Ipv4Net> {
    address_of(message).filter(|(index, _)| *index == link.index).map(|(_, own)| own)
}

fn is_given_here(message: &RouteNetlinkMessage) -> bool {
    matches!(message, NewAddress(message) if message.attributes.contains(&AddressAttribute::Protocol(GIVER)))
}

/// The number of the link, and the address that it has.
fn address_of(message: &RouteNetlinkMessage) -> Option<(u32, Ipv4Net)> {
    let NewAddress(message) = message else { return None };
    let own = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
        _ => None,
    })?;
    Ipv4Net::new(own, message.header.prefix_len).ok().map(|own| (message.header.index, own))
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

/// This way to fail says that it is so already.
fn unless(outcome: io::Result<()>, errno: Errno) -> io::Result<()> {
    outcome.or_else(|error| if is(&error, errno) { Ok(()) } else { Err(error) })
}
