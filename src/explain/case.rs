//! The packet that is asked about.
//!
//! Owns how what an operator typed becomes a frame, where that comes in, and the errors that say what to type instead.

use super::names::Names;
use crate::admin::answer::{AdminError, Code};
use crate::admin::named::{interface_named, interface_names, listed, member_named};
use crate::admin::request::{CONTENT_MAX, PacketAsked, TcpFlag, Transport};
use crate::policy::adjacency::NextHop;
use crate::policy::intent::{InterfaceId, MemberId, PortId};
use crate::policy::multipath::Conversation;
use crate::policy::snapshot::AddressClass;
use crate::policy::{Intent, Snapshot};
use crate::wire::facts::Link;
use crate::wire::tcp::Flags;
use crate::wire::{Endpoint, Kind, Mac, Packet, Protocol, Tuple, compose, sip};

/// A packet, and where it comes in.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its facts.
    pub packet: Packet,
    /// Its tuple.
    pub tuple: Tuple,
    /// The NIC.
    pub port: PortId,
    /// The interface.
    pub interface: InterfaceId,
    /// What it says of itself; `None`: what it says is not known.
    pub sip: Option<sip::Facts>,
    /// The member that it is said to be from.
    pub from: Option<MemberId>,
}

impl Case {
    /// The packet that is asked about, as it comes in to an appliance that reads `snapshot`.
    ///
    /// # Errors
    /// There is no such member or interface, nothing says where it comes in, or it cannot say what it is to say.
    pub fn of(asked: &PacketAsked, intent: &Intent, snapshot: &Snapshot) -> Result<Case, AdminError> {
        let content = content(asked)?;
        let from = asked.from.as_deref().map(|name| member_named(intent, name)).transpose()?;
        let interface = match (&asked.interface, from) {
            (Some(name), _) => interface_named(intent, name)?,
            (None, Some(member)) => intent.members[member].interface,
            (None, None) => interface_towards(asked, intent, snapshot)?,
        };
        let view = snapshot.interface(interface);
        // Nobody looks at whose MAC it is from.
        let link = Link { dst: view.mac, src: Mac([2, 0, 0, 0, 0, 1]), vlan: view.vlan };
        let tuple = tuple(asked);
        let frame = compose::packet(&link, &tuple, flags(asked), content.unwrap_or_default());
        let packet = Packet::parse(&frame)
            .map_err(|why| AdminError::new(Code::BadRequest, format!("no packet can have these ends: {why:?}")))?;
        Ok(Case { packet, tuple, port: view.port, interface, sip: content.map(sip::Facts::of), from })
    }

    /// Who may get it: the members of the pool whose service it is to.
    pub fn members(&self, intent: &Intent, snapshot: &Snapshot) -> Vec<MemberId> {
        let service = snapshot.service_at(self.tuple.protocol, self.tuple.dst);
        let pool = service.and_then(|service| intent.pools.get(service.pool));
        pool.map_or_else(Vec::new, |pool| pool.members.clone())
    }

    /// Of TCP its control bits, such as `SYN|ACK`.
    pub(super) fn flags(&self) -> Option<String> {
        match self.packet.kind {
            Kind::Tcp(segment) => Some(format!("{:?}", segment.flags)),
            _ => None,
        }
    }
}

/// What it says; of a segment or an echo request nothing is asked for.
fn content(asked: &PacketAsked) -> Result<Option<&[u8]>, AdminError> {
    let refused = |message: String| Err(AdminError::new(Code::BadRequest, message));
    match asked.content.as_ref().map(|content| &*content.0) {
        Some(_) if asked.protocol != Transport::Udp => {
            refused("only what a datagram says is looked at: leave `content` out, or ask about udp".into())
        }
        Some(text) if text.len() > CONTENT_MAX => {
            let message =
                format!("`content` has {} bytes, at most {CONTENT_MAX} are allowed: leave the body out", text.len());
            refused(message)
        }
        content => Ok(content.map(str::as_bytes)),
    }
}

fn tuple(asked: &PacketAsked) -> Tuple {
    let [src, dst] = [asked.src, asked.dst].map(|end| Endpoint::new(*end.ip(), end.port()));
    match asked.protocol {
        Transport::Udp => Tuple::new(Protocol::Udp, src, dst),
        Transport::Tcp => Tuple::new(Protocol::Tcp, src, dst),
        // Whoever is asked has no identifier.
        Transport::Icmp => Tuple::new(Protocol::Icmp, src, Endpoint { port: 0, ..dst }),
    }
}

fn flags(asked: &PacketAsked) -> Flags {
    match asked.flags.is_empty() {
        true => Flags::SYN,
        false => asked.flags.iter().fold(Flags::default(), |flags, flag| flags.with(bit(*flag))),
    }
}

const fn bit(flag: TcpFlag) -> Flags {
    match flag {
        TcpFlag::Syn => Flags::SYN,
        TcpFlag::Ack => Flags::ACK,
        TcpFlag::Fin => Flags::FIN,
        TcpFlag::Rst => Flags::RST,
        TcpFlag::Psh => Flags::PSH,
    }
}

/// Where an answer to its source would leave; a member's own.
fn interface_towards(asked: &PacketAsked, intent: &Intent, snapshot: &Snapshot) -> Result<InterfaceId, AdminError> {
    let src = *asked.src.ip();
    let conversation = Conversation::of_hosts(src, *asked.dst.ip());
    match snapshot.class(src) {
        AddressClass::Member(_, interface) | AddressClass::SelfIp(interface) => Ok(interface),
        _ => snapshot.next_hop(src, conversation).map(|NextHop { interface, .. }| interface).ok_or_else(|| {
            let message = format!(
                "there is no route to {src}, which would say where it comes in: add --interface NAME, one of {}",
                listed(interface_names(intent))
            );
            AdminError::new(Code::BadRequest, message)
        }),
    }
}

impl Names<'_> {
    /// Who sends it and where it comes in.
    pub(super) fn arrival(self, case: &Case) -> String {
        let interface = &self.intent.interfaces.get(case.interface);
        let port = self.intent.ports.get(case.port.index()).map_or("", |port| port.name.as_str());
        let tag = interface.and_then(|it| it.vlan).map_or("untagged".into(), |vlan| format!("VLAN {vlan}"));
        let from = case.from.map_or_else(String::new, |member| format!(", from member {}", self.member(member)));
        format!("interface {}, port {port}, {tag}{from}", self.interface(case.interface))
    }
}
