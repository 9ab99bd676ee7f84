//! All that a change elsewhere must leave alone, to be compared between two worlds that run side by side.

use super::*;
use crate::admin::rows::{NeighbourRow, ProbeRow};
use crate::policy::health::Generation;

/// All that is known of the first pair, and when it was asked.
#[derive(Debug, PartialEq)]
pub(super) struct First {
    pub(super) asked: Vec<(Instant, Ipv4Addr)>,
    pub(super) active: Option<String>,
    generation: Generation,
    claims_and_losses: Vec<(bool, Generation)>,
    members: Vec<MemberRow>,
    probes: Vec<ProbeRow>,
    neighbours: Vec<NeighbourRow>,
    pub(super) switchovers: usize,
}

pub(super) fn first(bench: &mut Bench, since: Instant) -> First {
    let place = bench.controller.intent.pools.find_id(|pool| pool.name == "pair-1").unwrap().index();
    let snapshot = bench.snapshot();
    let pool = &snapshot.pools[place];
    let of_pair = snapshot.members.iter().filter(|member| usize::from(member.pool.0) == place);
    let claims_and_losses = of_pair.map(|member| (member.may_claim, member.lost_before)).collect();
    let (active, generation) = (pool.active, pool.generation);
    let active = active.map(|id| bench.controller.intent.members[id.index()].name.clone());
    let hosts: Vec<Ipv4Addr> = bench.hosts.iter().map(|host| host.address).collect();
    let asked = bench.frames.iter().filter(|(at, ..)| *at > since).filter_map(|(at, _, frame)| {
        let headers = Packet::parse(frame).unwrap();
        matches!(headers.kind, Kind::Udp).then_some((*at, headers.dst()))
    });
    let asked = asked.filter(|(_, to)| hosts.contains(to)).collect();
    let (probes, neighbours) =
        match [Request::Probes {}, Request::Neighbours {}].map(|one| bench.ask(one).unwrap().unwrap().data) {
            [Data::Probes(probes), Data::Neighbours(neighbours)] => (probes, neighbours),
            other => panic!("{other:?}"),
        };
    First {
        asked,
        active,
        generation,
        claims_and_losses,
        members: members(bench)
            .into_iter()
            .filter(|row| row.pool == "pair-1")
            .map(|row| MemberRow { flows: 0, ..row })
            .collect(),
        probes: probes.into_iter().filter(|row| row.pool == "pair-1").collect(),
        neighbours: neighbours.into_iter().filter(|row| hosts.contains(&row.address)).collect(),
        switchovers: bench.logged("switchover of pool pair-1"),
    }
}

/// Hosts that ARP asked for since: not our own addresses, which are asked for by nobody.
pub(super) fn resolved(bench: &Bench, since: Instant) -> BTreeSet<Ipv4Addr> {
    let asked = bench.frames.iter().filter(|(at, ..)| *at >= since).filter_map(|(_, _, frame)| {
        match Packet::parse(frame).unwrap().kind {
            Kind::Arp(arp) if arp.sender != arp.target && !arp.sender.is_unspecified() => Some(arp.target),
            _ => None,
        }
    });
    asked.collect()
}
