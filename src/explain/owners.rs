//! Where the packet comes in, whose its addresses are, what path that makes it take, who decides, and the flow it meets.

use super::names::{Names, listed, span};
use super::steps::Steps;
use super::trial::{Met, Trial};
use crate::engine::Path;
use crate::flow::{NO_MEMBER, PathKind};
use crate::policy::intent::MemberId;
use crate::policy::snapshot::AddressClass;
use std::net::Ipv4Addr;

pub(super) fn tell(trial: &Trial, names: Names, steps: &mut Steps) {
    let tuple = &trial.case.tuple;
    steps.add("comes in", names.arrival(trial.case));
    steps.add("source", owner(trial, names, tuple.src.addr));
    steps.add("destination", owner(trial, names, tuple.dst.addr));
    steps.add("path", path(trial, names));
    steps.add("decided by", decided_by(trial));
    match trial.classified.path {
        Path::Inward(_) | Path::Outward(_) | Path::Hairpin { .. } | Path::Direct(_) => {
            steps.add("flow", flow(trial, names))
        }
        Path::ServiceIn(_) | Path::ServiceOut(_) => {
            steps.add("flow", "none is needed: one port of the virtual address is the same port of whoever is active");
        }
        _ => {}
    }
}

fn owner(trial: &Trial, names: Names, address: Ipv4Addr) -> String {
    let snapshot = trial.snapshot();
    let text = match snapshot.class(address) {
        AddressClass::SelfIp(interface) => {
            format!("a self-IP of the appliance, on interface {}", names.interface(interface))
        }
        AddressClass::Virtual(_) => format!("a virtual address: {}", names.servers_at(address)),
        AddressClass::Member(member, interface) => {
            let view = snapshot.member(member);
            let (pool, on) = (names.pool(view.pool), names.interface(interface));
            format!("member {} of pool {pool}, {}, on interface {on}", names.member(member), view.state)
        }
        AddressClass::Broadcast => "all hosts of a network of ours".into(),
        AddressClass::Other => match names.beside_members(address) {
            Some(interface) => format!("a host of the servers' network that is no member, on interface {interface}"),
            None => format!("outside, {}", names.way(address)),
        },
    };
    format!("{address}: {text}")
}

fn path(trial: &Trial, names: Names) -> String {
    let member = |id: MemberId| names.member(id);
    match trial.classified.path {
        Path::Arp => "ARP".into(),
        Path::Local(Some(sender)) => format!("from member {} to the appliance itself", member(sender)),
        Path::Local(None) => "from outside to the appliance itself".into(),
        Path::ServiceIn(_) => "a datagram from outside to a service port of a pair".into(),
        Path::ServiceOut(at) => {
            format!(
                "a datagram from a service port of member {} to outside",
                member(trial.snapshot().datagrams_out(at).sender)
            )
        }
        Path::Inward(_) => "from outside to a virtual address".into(),
        Path::Outward(sender) => format!("from member {} to outside", member(sender)),
        Path::Direct(receiver) => format!("from outside to the own address of member {}", member(receiver)),
        Path::Hairpin { sender, .. } => format!("from member {} to a virtual address", member(sender)),
        Path::Peer(sender, receiver) => format!(
            "from member {} to member {}, which the netmask has sent by way of the appliance",
            member(sender),
            member(receiver)
        ),
        Path::Transit => "from outside to outside".into(),
        Path::Background(_) => "for all hosts of a link, and nothing to us".into(),
        Path::Invalid(_) => "none: no honest packet has these addresses here".into(),
    }
}

fn decided_by(trial: &Trial) -> String {
    match (trial.worker(), trial.setting.is_live) {
        (Some(worker), _) => format!("worker {worker}"),
        (None, true) => "whichever worker receives it".into(),
        (None, false) => "a worker without flows: there is no appliance to ask".into(),
    }
}

fn flow(trial: &Trial, names: Names) -> String {
    match (&trial.met, &trial.then) {
        (Some(met), Some(then)) if met.flow.key(met.side) == then.flow.key(then.side) && is_same(met, then) => {
            described(trial, names, met)
        }
        (Some(met), Some(_)) => format!("{}; it is over, and this packet begins another", described(trial, names, met)),
        (Some(met), None) => format!("{}; it is over", described(trial, names, met)),
        (None, Some(then)) => format!("none yet: this packet begins one ({})", then.flow.path.name()),
        (None, None) => "none, and this packet begins none".into(),
    }
}

fn is_same(met: &Met, then: &Met) -> bool {
    (met.flow.member, met.flow.path, met.flow.key(met.side.other()))
        == (then.flow.member, then.flow.path, then.flow.key(then.side.other()))
}

fn described(trial: &Trial, names: Names, met: &Met) -> String {
    let Met { flow, side, idle } = met;
    let whose = match (flow.path, flow.member, flow.opener) {
        (PathKind::Routed, _, visited) if visited != NO_MEMBER => {
            Some(format!("visits member {} at its own address", names.member(MemberId(visited))))
        }
        (_, NO_MEMBER, _) => None,
        (_, member, _) => Some(format!("member {}", names.member(MemberId(member)))),
    };
    let (from, to) = (flow.key(*side), flow.translated(*side));
    let change = match (from.src == to.src, from.dst == to.dst) {
        (true, true) => "nothing is translated".into(),
        (false, true) => format!("the source becomes {}", to.src),
        (true, false) => format!("the destination becomes {}", to.dst),
        (false, false) => format!("it becomes {} > {}", to.src, to.dst),
    };
    let lost = trial.engine.has_lost_its_member(flow).then(|| "its member was lost since".to_owned());
    let parts = [
        Some(format!("{}, {}", flow.path.name(), flow.state())),
        whose,
        Some(change),
        Some(format!("idle for {}", span(*idle))),
        lost,
    ];
    listed(parts.into_iter().flatten())
}
