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
        Some(became) => {
            let becomes = match trial.leaves() || matches!(trial.verdict, Verdict::Hold(_)) {
                true => "becomes",
                false => "would become",
            };
            steps.add("addresses", format!("{tuple} {becomes} {} > {}", became.src, became.dst));
        }
        None => {}
    }
    if let Verdict::Forward(forward) = trial.verdict
        && let Some(dscp) = trial.snapshot().egress(forward.egress).dscp()
    {
        steps.add("DSCP", format!("becomes {dscp} ({})", dscp.value()));
    }
    let hop = trial.hop();
    let egress = hop.map(|hop| egress(trial, names, hop));
    if let (Some(egress), Some(hop)) = (&egress, hop) {
        steps.add("leaves by", way(trial, names, hop, egress));
    }
    let noted = EngineEvent::ALL.iter().zip(trial.engine.event_counts()).filter(|(_, count)| **count > 0);
    for (event, _) in noted {
        steps.add("counted", format!("{}: {}", event.name(), event.explanation()));
    }
    egress
}

/// The next hop and who that is.
pub(super) fn hop_words(trial: &Trial, names: Names, hop: NextHop) -> String {
    let interface = names.interface(hop.interface);
    match trial.member_at(hop.address) {
        Some(member) => format!("{} (member {}) on interface {interface}", hop.address, names.member(member)),
        None => format!("{} on interface {interface}", hop.address),
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

fn way(trial: &Trial, names: Names, hop: NextHop, egress: &ExplainedEgress) -> String {
    let ExplainedEgress { interface, next_hop, mac, state } = egress;
    let whose = if trial.became.is_some_and(|became| became.dst.addr == *next_hop) { "next hop" } else { "router" };
    match (mac, state) {
        (Some(mac), _) => format!("interface {interface}, {whose} {next_hop} at {mac}"),
        (None, Some(state)) => {
            let whom =
                trial.member_at(hop.address).map_or_else(String::new, |id| format!(" (member {})", names.member(id)));
            format!("interface {interface}, {whose} {next_hop}{whom}, whose MAC is not known ({state})")
        }
        (None, None) => format!("interface {interface}, {whose} {next_hop}, if it answers ARP"),
    }
}
