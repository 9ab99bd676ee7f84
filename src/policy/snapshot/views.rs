//! What the workers see of each thing the operator named.
//!
//! Owns the shape of members, pools and virtual addresses in a [`super::Snapshot`], and the questions that one
//! of them answers by itself.

use crate::policy::adjacency::{EgressId, Mark};
use crate::policy::health::{Generation, Silence, State};
use crate::policy::intent::*;
use crate::policy::prefix::PrefixMap;
use crate::policy::sharing::Sharing;
use crate::policy::slots::Life;
use crate::policy::sources::Sources;
use crate::wire::{Protocol, Rewrite, Tuple};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Who owns an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// Nobody's that is known.
    Other,
    /// A self-IP of the appliance, on this interface.
    SelfIp(InterfaceId),
    /// A virtual address: a place in [`super::Snapshot::virtuals`].
    Virtual(u16),
    /// A member's physical address, on this interface.
    Member(MemberId, InterfaceId),
    /// All hosts of one of our networks: nobody's, and on that network's interface no address of a packet.
    Broadcast,
}

/// Who owns the two addresses of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressOwners {
    /// The source's owner.
    pub src: AddressClass,
    /// The destination's.
    pub dst: AddressClass,
}

/// A member as the workers need it.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// Its physical address.
    pub address: Ipv4Addr,
    /// Its pool.
    pub pool: PoolId,
    /// Where it lives.
    pub interface: InterfaceId,
    /// Its state.
    pub state: State,
    /// It does not answer on the link: its host is dead, or cut off.
    pub gone: bool,
    /// See [`crate::policy::health::MemberHealth::may_claim`].
    pub may_claim: bool,
    /// See [`crate::policy::health::MemberHealth::lost_before`].
    pub lost_before: Generation,
    /// See [`crate::policy::health::MemberHealth::is_back`].
    pub is_back: bool,
    /// The virtual address it is known by outside; its own when its pool has none. Steering sees only this one, so both
    /// ends of a hairpin name the same worker.
    pub public: Ipv4Addr,
    /// Its service ports, with what a packet from there becomes.
    pub serves: Vec<Served>,
    /// The exclusion group of its pool.
    pub exclude: Exclusion,
    /// Its places in [`super::Snapshot::datagrams_out`].
    pub(super) datagrams: Range<u16>,
}

impl MemberView {
    /// What its packets from `protocol`/`port` become, if that is a service port.
    #[inline]
    pub fn served(&self, protocol: Protocol, port: u16) -> Option<&Served> {
        self.serves.iter().find(|served| served.listen.is(protocol, port))
    }
}

/// The exclusion group of a pool; empty where nothing is translated. A clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct Exclusion(Option<PrefixMap<()>>);

impl Exclusion {
    /// The group of these networks: the one `before`, if it is the same.
    pub(super) fn new(networks: &[Ipv4Net], before: Option<&Exclusion>) -> Exclusion {
        let known = before.and_then(|group| group.0.as_ref());
        Exclusion(Some(PrefixMap::one_of(known, networks.iter().map(|net| (*net, ())))))
    }

    /// It is the very same group, not only of the same networks.
    #[cfg(test)]
    pub(crate) fn is(&self, other: &Exclusion) -> bool {
        self.0.as_ref().zip(other.0.as_ref()).is_some_and(|(one, other)| one.is(other))
    }

    /// All there are.
    pub(super) fn everybody() -> Exclusion {
        Exclusion::new(&[Ipv4Net::default()], None)
    }

    /// `address` is in the group: what members send there keeps its source.
    #[inline(always)]
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        self.0.as_ref().is_some_and(|map| map.find(address).is_some())
    }
}

/// A service port of a member's.
#[derive(Clone, Debug)]
pub struct Served {
    /// Protocol and port.
    pub listen: Listen,
    /// The virtual address it is reached at.
    pub address: Ipv4Addr,
    /// Gives a packet from there the virtual address as source.
    pub rewrite: Rewrite,
    /// How such a packet is marked.
    pub mark: Mark,
    /// Whose service it is.
    pub virtual_server: VirtualServerId,
    /// See [`VirtualServer::redeliver`].
    pub redelivers: bool,
}

/// A pool as the workers need it.
#[derive(Clone, Debug)]
pub struct PoolView {
    /// Where clients go.
    pub active: Option<MemberId>,
    /// See [`PoolHealth::generation`](crate::policy::health::PoolHealth::generation).
    pub generation: Generation,
    /// Several members are active at a time: `active` is never one.
    pub is_shared: bool,
    /// What stays with one of them.
    pub persistence: Persistence,
    /// Who takes new flows then.
    pub sharing: Option<Arc<Sharing>>,
    /// With whom a client has a connection that nobody remembers can be told: with the active member, or the only one, or the one
    /// that the client's address says.
    pub knows_who_took: bool,
    /// See [`Silence`].
    pub silence: Option<Silence>,
    /// Nobody is active because not every member has been heard of yet: whether one is will be known in a moment.
    pub undecided: bool,
    /// What clients get while `active` is `None`.
    pub no_member: NoMember,
    /// Another member than the active one is enabled, and its host not known to be dead.
    pub another_may_come: bool,
    /// For how long, at most, it is waited for.
    pub gap: Duration,
    /// What happens to a lost member's TCP.
    pub on_down_tcp: OnDownTcp,
    /// What happens to its UDP peers, where several members are active.
    pub on_down_udp: OnDownUdp,
    /// The virtual address its members are known by outside; unspecified when there is none.
    pub public: Ipv4Addr,
    /// Since when that address has been there.
    pub public_since: Life,
    /// Service ports of the pool's virtual servers, with the address each is reached at.
    pub services: Vec<(Listen, Ipv4Addr)>,
    /// Source translation of what its members send.
    pub snat: Option<SnatView>,
    /// Where they send it untranslated all the same.
    pub exclude: Exclusion,
    /// Those service ports: of which virtual address, and which of its services.
    pub(super) served_at: Vec<(u16, u16)>,
}

impl PoolView {
    /// Somebody takes what begins now.
    #[inline]
    pub fn takes_new(&self) -> bool {
        self.active.is_some() || self.sharing.as_ref().is_some_and(|sharing| !sharing.is_empty())
    }

    /// The members that take what begins now.
    pub fn targets(&self) -> impl Iterator<Item = MemberId> {
        let shared = self.sharing.iter().flat_map(|sharing| sharing.targets());
        self.active.into_iter().chain(shared.map(|target| target.member))
    }

    /// The virtual address that `protocol`/`port` is a service port of.
    #[inline]
    pub fn service(&self, protocol: Protocol, port: u16) -> Option<Ipv4Addr> {
        self.services.iter().find(|(l, _)| l.is(protocol, port)).map(|&(_, address)| address)
    }
}

/// Source translation of a pool.
#[derive(Clone, Debug)]
pub struct SnatView {
    /// The source address given.
    pub address: Ipv4Addr,
    /// Ports of that address that are never handed out: the service ports of every virtual server on it.
    pub reserved: Vec<u16>,
    pub(super) no_snat_udp_ports: Vec<u16>,
    /// How what leaves with that address is marked.
    pub(super) mark: Mark,
    /// See [`Snat::resumes`].
    pub resumes: bool,
}

impl SnatView {
    /// Datagrams a member sends from this port are not translated.
    pub fn leaves_udp_port(&self, port: u16) -> bool {
        self.no_snat_udp_ports.contains(&port)
    }
}

/// A virtual address and what listens there.
#[derive(Clone, Debug)]
pub struct VirtualView {
    /// The address.
    pub address: Ipv4Addr,
    /// Its service ports.
    pub services: Vec<ServiceView>,
    /// When echo requests are answered: by the first virtual server on the address.
    pub echo: EchoPolicy,
    /// The pool that policy looks at.
    pub pool: PoolId,
    /// What happens to packets that match nothing: as the first virtual server on the address says.
    pub unmatched: Unmatched,
    /// Members go out with this address.
    pub is_snat_source: bool,
}

impl VirtualView {
    /// The service at `protocol`/`port`.
    #[inline]
    pub fn service(&self, protocol: Protocol, port: u16) -> Option<&ServiceView> {
        self.services.iter().find(|s| s.listen.is(protocol, port))
    }
}

/// A service port of a virtual address.
#[derive(Clone, Debug)]
pub struct ServiceView {
    /// Protocol and port.
    pub listen: Listen,
    /// Whose it is.
    pub virtual_server: VirtualServerId,
    /// That, or a member of its pool, has a connection limit or a connection rate limit.
    pub is_limited: bool,
    /// Who serves it.
    pub pool: PoolId,
    /// `false`: refused, never routed onward.
    pub enabled: bool,
    /// Who may send to it from outside; `None`: everybody.
    pub allow: Option<Sources>,
    /// What the active member refuses waits: see [`Unreachable::Hold`].
    pub holds: bool,
    /// See [`VirtualServer::redeliver`].
    pub redeliver: Duration,
    /// How a packet is forwarded to the active member, if the service is enabled and the member is there and on the link.
    pub ready: Option<Ready>,
}

impl ServiceView {
    /// Somebody at `address` outside may send to it.
    #[inline]
    pub fn admits(&self, address: Ipv4Addr) -> bool {
        self.allow.as_ref().is_none_or(|allow| allow.holds(address))
    }
}

/// What listens, or is served, at an endpoint of datagrams: a place in [`super::Snapshot::datagrams_in`] or
/// [`super::Snapshot::datagrams_out`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramPort {
    /// A service port of a virtual address.
    In(u16),
    /// A member's end of one.
    Out(u16),
}

/// All that is asked about a datagram to a service port of a virtual address.
#[derive(Clone, Debug)]
pub struct DatagramsIn {
    /// Which virtual address, and which of its services.
    pub place: (u16, u16),
    /// The service port.
    pub port: u16,
    /// See [`ServiceView::ready`]; `None` where not everybody may send.
    pub ready: Option<Ready>,
    /// The same where not everybody may.
    pub guarded: Option<Box<Guarded>>,
    /// Who has to be noted: the exclusion group of the service's pool, or everybody while SIP is counted.
    pub noted: Exclusion,
    /// Whose service it is.
    pub pool: PoolId,
    /// See [`VirtualServer::redeliver`].
    pub redeliver: Duration,
}

impl DatagramsIn {
    /// How a datagram from `source` is forwarded where not everybody may send: while the way is open, and if they may.
    #[cold]
    pub fn ready_for(&self, source: Ipv4Addr) -> Option<&Ready> {
        let guarded = self.guarded.as_ref()?;
        guarded.allow.holds(source).then_some(&guarded.ready)
    }
}

/// How datagrams to a service port are forwarded, and for whom.
#[derive(Clone, Debug)]
pub struct Guarded {
    /// See [`ServiceView::ready`].
    pub ready: Ready,
    /// See [`ServiceView::allow`].
    pub allow: Sources,
}

/// What somebody outside wants of a member at its own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// To talk to this port.
    Port(Protocol, u16),
    /// What goes with talking to any of them: an echo request, an error, the rest of a datagram.
    AnyPort,
    /// A protocol that has none.
    WithoutPorts,
}

impl Visit {
    /// What a packet with this tuple wants.
    pub const fn of(tuple: &Tuple) -> Visit {
        match tuple.protocol {
            Protocol::Tcp | Protocol::Udp => Visit::Port(tuple.protocol, tuple.dst.port),
            Protocol::Icmp => Visit::AnyPort,
            Protocol::Other(_) => Visit::WithoutPorts,
        }
    }
}

/// The rules of `[direct_access]`. A clone is the same ones.
#[derive(Clone, Debug)]
pub struct AccessRules {
    /// Whom any of them is about.
    pub(super) anybody: Sources,
    pub(super) rules: Arc<[AccessRuleView]>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct AccessRuleView {
    pub(super) from: Sources,
    /// In order; `None`: all.
    pub(super) to: Option<Vec<MemberId>>,
    /// Empty: all.
    pub(super) ports: Vec<Listen>,
}

impl AccessRules {
    /// One of them lets somebody at `source` do this at `member`.
    pub(super) fn allow(&self, source: Ipv4Addr, member: MemberId, visit: Visit) -> bool {
        self.anybody.holds(source) && self.rules.iter().any(|rule| rule.allows(source, member, visit))
    }
}

impl AccessRuleView {
    fn allows(&self, source: Ipv4Addr, member: MemberId, visit: Visit) -> bool {
        let is_of_port = match visit {
            _ if self.ports.is_empty() => true,
            Visit::Port(protocol, port) => self.ports.iter().any(|listen| listen.is(protocol, port)),
            Visit::AnyPort => true,
            Visit::WithoutPorts => false,
        };
        let is_to = || self.to.as_ref().is_none_or(|to| to.binary_search(&member).is_ok());
        is_of_port && is_to() && self.from.holds(source)
    }
}

/// All that is asked about a datagram that a member sends from a service port.
#[derive(Clone, Debug)]
pub struct DatagramsOut {
    /// Who.
    pub sender: MemberId,
    /// Where it lives.
    pub interface: InterfaceId,
    /// The service port.
    pub port: u16,
    /// It is the active member of its pool, and no SIP is counted: nothing is to be asked about what it says.
    pub is_plain: bool,
    /// See [`VirtualServer::redeliver`].
    pub redelivers: bool,
    /// Gives it the virtual address as source.
    pub rewrite: Rewrite,
    /// How it is marked then.
    pub mark: Mark,
    /// The exclusion group of its pool.
    pub exclude: Exclusion,
}

/// How a packet to a service port is forwarded, worked out beforehand.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Makes the member its destination; its port stays.
    pub rewrite: Rewrite,
    /// The way to the member.
    pub egress: EgressId,
}
