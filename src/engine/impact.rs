//! What another file would do to a flow that stands.
//!
//! Owns the comparison of two snapshots for one flow, the present one and one that is not installed yet, and the sums of it. Changes
//! nothing. What has no flow is not seen here: datagrams between clients and the service ports of a pair, and what members send to
//! their exclusion group.

use super::flow_book::is_live;
use super::revalidate::{has_lost_its_member, heeded_loss};
use crate::flow::{Direction, Flow, NO_MEMBER, NO_VIRTUAL_SERVER, PathKind};
use crate::policy::Snapshot;
use crate::policy::intent::{MemberId, OnDownTcp, OnDownUdp, PoolId, VirtualServerId};
use crate::policy::multipath::Conversation;
use crate::policy::snapshot::{AddressClass, ServiceView, Visit};
use crate::wire::{Endpoint, Protocol};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// What happens to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impact {
    /// Nothing.
    Unchanged,
    /// Its next packet goes to another member, or leaves by another next hop.
    Resteered,
    /// It ends: its member, its service or the address it is translated to is gone, it is not allowed any more, or there is no route.
    Cut,
    /// It stands with the source it has; one that begins then has another.
    KeepsSource,
}

/// Whose flows are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImpactOn {
    /// The pool of their member; `None`: they have none.
    pub pool: Option<PoolId>,
    /// The virtual server they came to; `None`: to none.
    pub virtual_server: Option<VirtualServerId>,
}

/// How many flows meet what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImpactCounts {
    /// See [`Impact::Unchanged`].
    pub unchanged: u64,
    /// See [`Impact::Resteered`].
    pub resteered: u64,
    /// See [`Impact::Cut`].
    pub cut: u64,
    /// See [`Impact::KeepsSource`].
    pub keeps_source: u64,
}

/// The sums, by whose flows they are.
pub type Impacts = BTreeMap<ImpactOn, ImpactCounts>;

impl ImpactCounts {
    /// One flow more.
    pub fn count(&mut self, impact: Impact) {
        *match impact {
            Impact::Unchanged => &mut self.unchanged,
            Impact::Resteered => &mut self.resteered,
            Impact::Cut => &mut self.cut,
            Impact::KeepsSource => &mut self.keeps_source,
        } += 1;
    }

    /// And those of another sum.
    pub fn add(&mut self, more: ImpactCounts) {
        self.unchanged += more.unchanged;
        self.resteered += more.resteered;
        self.cut += more.cut;
        self.keeps_source += more.keeps_source;
    }
}

/// Whose `flow` is now, and what happens to it when `next` takes the place of `now`.
pub fn impact(now: &Snapshot, next: &Snapshot, flow: &Flow) -> (ImpactOn, Impact) {
    (owner(now, flow), fate(now, next, flow))
}

fn fate(now: &Snapshot, next: &Snapshot, flow: &Flow) -> Impact {
    let becomes = |is: fn(&Snapshot, &Flow) -> bool| is(next, flow) && !is(now, flow);
    if becomes(is_refused) || becomes(is_with_ours) {
        return Impact::Cut;
    }
    if !is_live(next, flow) {
        return if is_taken_by_another(next, flow) { Impact::Resteered } else { Impact::Cut };
    }
    if let Some(fate) = with_lost_member(now, next, flow) {
        return fate;
    }
    let hops = Direction::BOTH.map(|side| {
        let leaves = flow.translated(side);
        let (to, conversation) = (leaves.dst.addr, Conversation::of(&leaves, &flow.key(side)));
        (now.next_hop(to, conversation), next.next_hop(to, conversation))
    });
    if hops.iter().any(|(before, after)| before.is_some() && after.is_none()) {
        return Impact::Cut;
    }
    if hops.iter().any(|(before, after)| before != after) {
        return Impact::Resteered;
    }
    match flow.path == PathKind::Outbound && source(now, flow) != source(next, flow) {
        true => Impact::KeepsSource,
        false => Impact::Unchanged,
    }
}

/// Its member is taken offline: what is not left with it is reset or dropped, or goes to another one. `None`: nothing follows from that.
fn with_lost_member(now: &Snapshot, next: &Snapshot, flow: &Flow) -> Option<Impact> {
    if flow.protocol() == Protocol::Tcp {
        let is_news = heeded_loss(now, flow).is_none();
        let (_, policy) = heeded_loss(next, flow).filter(|_| is_news)?;
        return (policy != OnDownTcp::Drain).then_some(Impact::Cut);
    }
    let is_news = has_lost_its_member(next, flow) && !has_lost_its_member(now, flow);
    if !is_news || !is_taken_by_another(next, flow) {
        return None;
    }
    match next.pool(next.members.get(MemberId(flow.member))?.pool).on_down_udp {
        OnDownUdp::Reselect => Some(Impact::Resteered),
        OnDownUdp::Drain => None,
        OnDownUdp::Drop => Some(Impact::Cut),
    }
}

/// Its packets are not allowed: its virtual server is disabled, or it is of a visitor who may not come.
fn is_refused(snapshot: &Snapshot, flow: &Flow) -> bool {
    match flow.path {
        PathKind::Service | PathKind::Hairpin => service(snapshot, flow).is_some_and(|service| {
            let caller = flow.key(flow.inside.other()).src.addr;
            let is_called = flow.path == PathKind::Service
                && (flow.virtual_server != NO_VIRTUAL_SERVER || flow.protocol() == Protocol::Udp);
            !service.enabled || (is_called && is_outside(snapshot, caller) && !service.admits(caller))
        }),
        PathKind::Routed if flow.opener != NO_MEMBER => {
            let tuple = flow.key(flow.inside.other());
            let member = MemberId(flow.opener);
            let (visitor, visit) = (tuple.src.addr, Visit::of(&tuple));
            let is_visit = snapshot.members.contains(member) && is_outside(snapshot, visitor);
            is_visit && !snapshot.may_visit(visitor, member, visit)
        }
        PathKind::Routed | PathKind::Outbound => false,
    }
}

/// Neither the appliance has it nor a member: only then it is asked whether what comes from there may.
fn is_outside(snapshot: &Snapshot, address: Ipv4Addr) -> bool {
    matches!(snapshot.class(address), AddressClass::Other | AddressClass::Broadcast)
}

/// Its outer end is ours: nothing may come from an address of the appliance's own, and members are answered from each other's own addresses.
fn is_with_ours(snapshot: &Snapshot, flow: &Flow) -> bool {
    let outer = snapshot.class(flow.key(flow.inside.other()).src.addr);
    match flow.path {
        PathKind::Hairpin => false,
        PathKind::Routed => matches!(outer, AddressClass::SelfIp(_) | AddressClass::Virtual(_)),
        PathKind::Service | PathKind::Outbound => {
            matches!(outer, AddressClass::SelfIp(_) | AddressClass::Virtual(_) | AddressClass::Member(..))
        }
    }
}

/// A datagram that comes for it then goes to whoever has the service. What TCP had with its member is lost.
fn is_taken_by_another(next: &Snapshot, flow: &Flow) -> bool {
    let is_called = matches!(flow.path, PathKind::Service | PathKind::Hairpin) && flow.protocol() == Protocol::Udp;
    is_called && service(next, flow).is_some_and(|service| service.enabled)
}

/// The address that what its member opens towards the same destination leaves with.
fn source(snapshot: &Snapshot, flow: &Flow) -> Option<Ipv4Addr> {
    let member = snapshot.members.get(MemberId(flow.member))?;
    let snat = snapshot.pool(member.pool).snat.as_ref()?;
    let inside = flow.key(flow.inside);
    let stays = flow.protocol() == Protocol::Udp && snat.leaves_udp_port(inside.src.port);
    (!stays && !member.exclude.holds(inside.dst.addr)).then_some(snat.address)
}

fn owner(now: &Snapshot, flow: &Flow) -> ImpactOn {
    let pool_of = |id: u16| now.members.get(MemberId(id)).map(|member| member.pool);
    let service = if flow.path == PathKind::Routed { None } else { service(now, flow) };
    ImpactOn {
        pool: service.map(|service| service.pool).or_else(|| pool_of(flow.member)).or_else(|| pool_of(flow.opener)),
        virtual_server: service.map(|service| service.virtual_server),
    }
}

/// The service that it came to.
fn service<'s>(snapshot: &'s Snapshot, flow: &Flow) -> Option<&'s ServiceView> {
    let called: Endpoint = match flow.path {
        PathKind::Hairpin => flow.key(Direction::Original).dst,
        PathKind::Service => flow.key(flow.inside.other()).dst,
        PathKind::Outbound | PathKind::Routed => return None,
    };
    snapshot.service_at(flow.protocol(), called)
}
