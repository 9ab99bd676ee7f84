//! The decision itself, made by an engine of its own.

use super::case::Case;
use super::setting::Setting;
use crate::engine::{Classified, Engine, Path, Verdict};
use crate::flow::{Direction, Flow, PathKind};
use crate::policy::Snapshot;
use crate::policy::intent::MemberId;
use crate::policy::snapshot::AddressClass;
use crate::time::Duration;
use crate::wire::Tuple;
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
    /// The one that keeps its sender at another virtual address of the pool.
    pub(super) elsewhere: Option<Met>,
    pub(super) verdict: Verdict,
    /// What the packet becomes, or would as soon as its next hop is known.
    pub(super) became: Option<Tuple>,
    /// The flow that it belongs to then.
    pub(super) then: Option<Met>,
    pub(super) engine: Engine,
}

impl<'a> Trial<'a> {
    pub(super) fn run(case: &'a Case, setting: &'a Setting<'a>) -> Trial<'a> {
        let (packet, tuple, now) = (&case.packet, &case.tuple, setting.excerpt.at);
        let mut engine = setting.excerpt.engine(setting.snapshot, setting.snat_ports, packet);
        let classified = engine.classify(packet, case.port);
        let needs_flow = !matches!(classified.path, Path::ServiceIn(_) | Path::ServiceOut(_));
        let met = meets(&engine, tuple, setting).filter(|_| needs_flow);
        let elsewhere = elsewhere(&engine, tuple, setting);
        let sip = if engine.needs_sip(packet, classified) { case.sip } else { Default::default() };
        let verdict = engine.decide(packet, classified, sip, now);
        let then = meets(&engine, tuple, setting).filter(|_| needs_flow);
        let became = match verdict {
            Verdict::Forward(forward) => Some(forward.rewrite.changed(tuple)),
            Verdict::Hold(_) => then.map(|met| met.flow.translated(met.side)),
            _ => None,
        };
        Trial { case, setting, classified, met, elsewhere, verdict, became, then, engine }
    }

    pub(super) fn snapshot(&self) -> &'a Snapshot {
        self.setting.snapshot
    }

    /// It leaves now.
    pub(super) fn leaves(&self) -> bool {
        matches!(self.verdict, Verdict::Forward(_) | Verdict::ForwardError { .. })
    }

    /// The member that gets it, now or later.
    pub(super) fn receiver(&self) -> Option<MemberId> {
        let member = |address: Ipv4Addr| match self.snapshot().class(address) {
            AddressClass::Member(member, _) => Some(member),
            _ => None,
        };
        match self.verdict {
            Verdict::Withhold(what) => Some(what.member),
            Verdict::Hold(hop) if self.became.is_none() => member(hop.address),
            _ => member(self.became?.dst.addr),
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
}

fn meets(engine: &Engine, tuple: &Tuple, setting: &Setting) -> Option<Met> {
    let (flow, side, idle) = engine.live_flow(tuple, setting.excerpt.at)?;
    Some(Met { flow, side, idle })
}

/// Of a datagram to a service of several active members.
fn elsewhere(engine: &Engine, tuple: &Tuple, setting: &Setting) -> Option<Met> {
    let service = setting.snapshot.service_at(tuple.protocol, tuple.dst)?;
    let pool = setting.snapshot.pool(service.pool);
    let others = pool.services.iter().filter(|(listen, address)| {
        pool.is_shared && listen.is(tuple.protocol, tuple.dst.port) && *address != tuple.dst.addr
    });
    let mut found = others.filter_map(|(_, address)| {
        let there = crate::wire::Endpoint::new(*address, tuple.dst.port);
        meets(engine, &Tuple { dst: there, ..*tuple }, setting)
    });
    found.find(|met| met.flow.path == PathKind::Service)
}
