//! What would happen to a packet by a file that no appliance has.
//!
//! Owns what is assumed then: every member answers its probes, and every next hop ARP; nothing has been seen yet. Who is active follows by
//! the same choice as in the field.

use super::assumed::AssumedHealth;
use crate::admin::answer::AdminError;
use crate::admin::explain::Explanation;
use crate::admin::request::PacketAsked;
use crate::config::Configuration;
use crate::engine::Excerpt;
use crate::explain::{Case, Setting, explain};
use crate::flow::SnatPorts;
use crate::policy::adjacency::{Adjacency, Neighbour, NextHop};
use crate::policy::intent::Intent;
use crate::policy::{Epoch, Snapshot};
use crate::time::Instant;
use crate::wire::Mac;

/// What would happen to the packet, and why, if an appliance with this file had just begun to forward.
///
/// # Errors
/// The file has no such member or interface, or does not say where the packet comes in.
pub fn explain_by_file(file: &Configuration, packet: &PacketAsked) -> Result<Explanation, AdminError> {
    let (intent, now) = (&file.intent, Instant::from_millis(1_000_000));
    let assumed = AssumedHealth::everybody_up(intent, now);
    let macs: Vec<Mac> = (0..intent.ports.len()).map(|at| Mac([2, 0, 0, 0, 0, at as u8])).collect();
    let snapshot = Snapshot::compile(intent, assumed.health(), &everybody_answers(intent, packet), &macs, Epoch(1));
    let snat_ports = SnatPorts::new(snapshot.snat_addresses(), 0);
    let case = Case::of(packet, intent, &snapshot)?;
    let excerpt = Excerpt::of_nobody(now);
    let setting = Setting {
        intent,
        snapshot: &snapshot,
        snat_ports: &snat_ports,
        excerpt: &excerpt,
        worker: None,
        choice: &|pool| Some(assumed.reason(pool).to_owned()),
        is_live: false,
    };
    Ok(explain(&case, &setting))
}

/// Members, routers, and where the packet comes from or goes to.
fn everybody_answers(intent: &Intent, packet: &PacketAsked) -> Adjacency {
    let members = intent.members.iter().map(|member| member.hop());
    let routers = intent.routers();
    let ends = [packet.src, packet.dst].into_iter().filter_map(|end| intent.hop_towards(*end.ip()));
    let known = |hop: NextHop| (hop, Neighbour::Reachable(Mac([2, 0, 0, 0, 1, 0])));
    members.chain(routers).chain(ends).map(known).collect()
}
