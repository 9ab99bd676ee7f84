//! The decision itself, made by an engine of its own.

use super::case::Case;
use super::content::Dependence;
use super::setting::{Setting, Worker};
use crate::engine::{Classified, DropReason, Engine, Path, Steering, Verdict};
use crate::flow::{Direction, Flow};
use crate::policy::Snapshot;
use crate::policy::adjacency::{Neighbour, NextHop};
use crate::policy::intent::{MemberId, Persistence, PoolId};
use crate::policy::multipath::Conversation;
use crate::policy::snapshot::AddressClass;
use crate::time::Duration;
use crate::wire::sip::{self, CallId};
use crate::wire::{Endpoint, Protocol, Tuple};
use std::net::Ipv4Addr;

/// A flow that the packet meets.
#[derive(Clone, Copy)]
pub(super) struct Met {
    pub(super) flow: Flow,
    pub(super) side: Direction,
    pub(super) idle: Duration,
}

/// What was known before, what was decided, and what is known then.
pub(super) struct Trial<'a> {
    pub(super) case: &'a Case,
    pub(super) setting: &'a Setting<'a>,
    pub(super) classified: Classified,
    /// The flow that the packet belongs to.
    pub(super) met: Option<Met>,
    /// Of a datagram, the flow that keeps its sender at another virtual address of the pool, and with whoever gets this one.
    pub(super) elsewhere: Option<Met>,
    pub(super) verdict: Verdict,
    /// What the packet becomes, or would as soon as nothing prevents it.
    pub(super) became: Option<Tuple>,
    /// The flow that it belongs to then.
    pub(super) then: Option<Met>,
    /// What would follow from what it says, which is not known.
    pub(super) dependence: Option<Dependence>,
    pub(super) engine: Engine,
}

impl<'a> Trial<'a> {
    pub(super) fn run(case: &'a Case, setting: &'a Setting<'a>) -> Trial<'a> {
        let (packet, tuple, now) = (&case.packet, &case.tuple, setting.excerpt.at);
        let mut engine = setting.excerpt.engine(setting.snapshot, setting.snat_ports, packet);
        let classified = engine.classify(packet, case.port);
        let needs_flow = !matches!(classified.path, Path::ServiceIn(_) | Path::ServiceOut(_));
        let known_as = known_as(case, classified.path, setting.snapshot);
        let met = meets(&engine, &known_as, setting).filter(|_| needs_flow);
        let elsewhere = elsewhere(&engine, &known_as, met.as_ref(), setting);
        let (needs_sip, reads_sip) = (engine.needs_sip(packet, classified), engine.reads_sip());
        let sip = if needs_sip { case.sip.unwrap_or_default() } else { Default::default() };
        let verdict = engine.decide(packet, classified, sip, now);
        let then = meets(&engine, &known_as, setting).filter(|_| needs_flow);
        let became = match verdict {
            Verdict::Forward(forward) => Some(forward.rewrite.changed(tuple)),
            Verdict::ForwardError { .. } => None,
            _ => engine.would_become(tuple),
        };
        let remote = became.map_or(known_as.src, |became| became.src);
        let dependence = Dependence::of(case, classified.path, (&engine, reads_sip), remote, setting);
        let trial = Trial { case, setting, classified, met, elsewhere, verdict, became, then, dependence, engine };
        let gets_it = trial.receiver();
        let counts = |met: &Met| Some(MemberId(met.flow.member)) == gets_it && !trial.goes_by_content();
        Trial { elsewhere: trial.elsewhere.filter(counts), ..trial }
    }

    /// The pool that it is to, and the call it is of, where it goes by that.
    pub(super) fn call(&self) -> Option<(PoolId, CallId)> {
        let (tuple, snapshot) = (&self.case.tuple, self.snapshot());
        let service = snapshot.service_at(tuple.protocol, tuple.dst).filter(|_| tuple.protocol == Protocol::Udp)?;
        let pool = snapshot.pool(service.pool);
        let is_read = match self.classified.path {
            Path::Hairpin { sender, .. } => snapshot.member(sender).served(Protocol::Udp, tuple.src.port).is_some(),
            _ => true,
        };
        let goes_by_call = is_read && pool.is_shared && pool.persistence == Persistence::CallId;
        let call = self.case.sip.and_then(|sip| sip.call()).filter(|_| goes_by_call)?;
        Some((service.pool, call))
    }

    /// It is an answer, and goes to whoever asked for it.
    pub(super) fn answers_who_asked(&self) -> bool {
        matches!(self.case.sip, Some(sip::Facts::Answer { .. })) && self.engine.went_to_speaker()
    }

    /// What it says decides who gets it.
    pub(super) fn goes_by_content(&self) -> bool {
        self.answers_who_asked() || self.call().is_some()
    }

    pub(super) fn snapshot(&self) -> &'a Snapshot {
        self.setting.snapshot
    }

    /// It leaves now.
    pub(super) fn leaves(&self) -> bool {
        matches!(self.verdict, Verdict::Forward(_) | Verdict::ForwardError { .. })
    }

    /// The one that decides; `None`: any, or there is no appliance.
    pub(super) fn worker(&self) -> Option<u16> {
        let Worker { number, of } = self.setting.worker?;
        let is_anybodys = of > 1 && Steering::is_anybodys(&self.case.packet, self.classified.path, self.snapshot());
        (!is_anybodys).then_some(number)
    }

    /// The member that gets it, now or later, or would if nothing prevented it.
    pub(super) fn receiver(&self) -> Option<MemberId> {
        match self.verdict {
            Verdict::Withhold(what) => Some(what.member),
            _ => self.member_at(self.became?.dst.addr),
        }
    }

    pub(super) fn member_at(&self, address: Ipv4Addr) -> Option<MemberId> {
        match self.snapshot().class(address) {
            AddressClass::Member(member, _) => Some(member),
            _ => None,
        }
    }

    /// The member that has sent it.
    pub(super) fn sender(&self) -> Option<MemberId> {
        match self.classified.path {
            Path::ServiceOut(at) => Some(self.snapshot().datagrams_out(at).sender),
            Path::Outward(sender) | Path::Hairpin { sender, .. } | Path::Local(Some(sender)) => Some(sender),
            Path::Peer(sender, _) => Some(sender),
            _ => None,
        }
    }

    /// Where it goes on the link, now, later, or if nothing prevented it.
    pub(super) fn hop(&self) -> Option<NextHop> {
        match self.verdict {
            Verdict::Hold(hop) => Some(hop),
            // All hosts of a network are no host.
            Verdict::Drop(DropReason::MartianDestination) => None,
            _ => {
                let became = self.became?;
                self.snapshot().next_hop(became.dst.addr, Conversation::of(&became, &self.case.tuple))
            }
        }
    }

    /// Its next hop is asked for by ARP and does not answer.
    pub(super) fn failed_hop(&self) -> Option<NextHop> {
        self.hop().filter(|hop| !self.leaves() && self.snapshot().neighbour(*hop) == Some(Neighbour::Failed))
    }
}

/// By what its flow is found: what a member sends from a service port to a service is known as its virtual address's.
fn known_as(case: &Case, path: Path, snapshot: &Snapshot) -> Tuple {
    let (Path::Hairpin { sender, .. }, Protocol::Udp) = (path, case.tuple.protocol) else { return case.tuple };
    let served = snapshot.member(sender).served(Protocol::Udp, case.tuple.src.port);
    let is_to_service = snapshot.service_at(Protocol::Udp, case.tuple.dst).is_some();
    match served.filter(|_| is_to_service) {
        Some(served) => Tuple { src: Endpoint::new(served.address, case.tuple.src.port), ..case.tuple },
        None => case.tuple,
    }
}

fn meets(engine: &Engine, tuple: &Tuple, setting: &Setting) -> Option<Met> {
    let (flow, side, idle) = engine.live_flow(tuple, setting.excerpt.at)?;
    Some(Met { flow, side, idle })
}

/// Of a datagram to a service of several active members, with none of whom its sender is kept at this address.
fn elsewhere(engine: &Engine, tuple: &Tuple, met: Option<&Met>, setting: &Setting) -> Option<Met> {
    let keeps = |met: &Met| engine.keeps_its_peer(&met.flow, met.idle);
    if tuple.protocol != Protocol::Udp || met.is_some_and(keeps) {
        return None;
    }
    let service = setting.snapshot.service_at(tuple.protocol, tuple.dst)?;
    let pool = setting.snapshot.pool(service.pool);
    let others = pool.services.iter().filter(|(listen, address)| {
        pool.is_shared && listen.is(tuple.protocol, tuple.dst.port) && *address != tuple.dst.addr
    });
    let mut found = others.filter_map(|(_, address)| {
        let there = Endpoint::new(*address, tuple.dst.port);
        meets(engine, &Tuple { dst: there, ..*tuple }, setting)
    });
    found.find(keeps)
}
