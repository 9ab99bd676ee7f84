//! How the packet leaves: its addresses before and after, the way out, and the next hop.

use super::names::Names;
use super::steps::Steps;
use super::trial::Trial;
use crate::admin::explain::ExplainedEgress;
use crate::admin::rows::NeighbourState;
use crate::engine::{EngineEvent, Verdict};
use crate::policy::adjacency::{Neighbour, NextHop};

pub(super) fn tell(trial: &Trial, names: Names, steps: &mut Steps) -> Option<ExplainedEgress> {
    let tuple = &trial.case.tuple;
    match trial.became {
        Some(became) if became == *tuple => steps.add("addresses", format!("{tuple}, unchanged")),
        Some(became) => steps.add("addresses", format!("{tuple} becomes {} > {}", became.src, became.dst)),
        None => {}
    }
    let egress = hop(trial).map(|hop| egress(trial, names, hop));
    if let Some(egress) = &egress {
        steps.add("leaves by", way(trial, egress));
    }
    let noted = EngineEvent::ALL.iter().zip(trial.engine.event_counts()).filter(|(_, count)| **count > 0);
    for (event, _) in noted {
        steps.add("counted", format!("{}: {}", event.name(), event.explanation()));
    }
    egress
}

fn hop(trial: &Trial) -> Option<NextHop> {
    match (trial.verdict, trial.became) {
        (Verdict::Hold(hop), _) => Some(hop),
        (Verdict::Forward(_), Some(became)) => trial.snapshot().next_hop(became.dst.addr),
        _ => None,
    }
}

fn egress(trial: &Trial, names: Names, hop: NextHop) -> ExplainedEgress {
    let known = trial.snapshot().neighbour(hop);
    let state = match known {
        Some(Neighbour::Reachable(_)) => NeighbourState::Reachable,
        Some(Neighbour::Failed) => NeighbourState::Failed,
        None => NeighbourState::Resolving,
    };
    let mac = match known {
        Some(Neighbour::Reachable(mac)) if trial.setting.is_live => Some(mac.to_string()),
        _ => None,
    };
    let state = trial.setting.is_live.then_some(state);
    ExplainedEgress { interface: names.interface(hop.interface), next_hop: hop.address, mac, state }
}

fn way(trial: &Trial, ExplainedEgress { interface, next_hop, mac, state }: &ExplainedEgress) -> String {
    let whose = if trial.became.is_some_and(|became| became.dst.addr == *next_hop) { "next hop" } else { "router" };
    match (mac, state) {
        (Some(mac), _) => format!("interface {interface}, {whose} {next_hop} at {mac}"),
        (None, Some(state)) => format!("interface {interface}, {whose} {next_hop}, whose MAC is not known ({state})"),
        (None, None) => format!("interface {interface}, {whose} {next_hop}, if it answers ARP"),
    }
}
