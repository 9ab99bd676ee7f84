//! What a member's packet leaves as: the SNAT rule, or why there is none.

use super::names::Names;
use super::steps::Steps;
use super::trial::Trial;
use crate::config::listen_text;
use crate::engine::Path;
use crate::policy::intent::{MemberId, PoolId};
use crate::wire::{Endpoint, Kind, Tuple};
use std::net::Ipv4Addr;

pub(super) fn tell(trial: &Trial, names: Names, steps: &mut Steps) {
    let Some(sender) = trial.sender().filter(|_| !matches!(trial.classified.path, Path::Local(_) | Path::Peer(..)))
    else {
        return;
    };
    // What is held has no tuple yet where no flow is kept.
    let Some(became) = trial.became.or_else(|| trial.then.map(|met| met.flow.translated(met.side))) else { return };
    let tuple = &trial.case.tuple;
    match became.src == tuple.src {
        true => steps.add("SNAT", format!("none: {}", why_not(trial, names, sender, tuple.dst.addr))),
        false => steps.add("SNAT", why(trial, names, sender, tuple, became.src)),
    }
}

fn why(trial: &Trial, names: Names, sender: MemberId, tuple: &Tuple, outside: Endpoint) -> String {
    let view = trial.snapshot().member(sender);
    let pool = names.pool(view.pool);
    if let Some(served) = view.served(tuple.protocol, tuple.src.port) {
        let listen = listen_text(served.listen);
        let excluded = names.exclusion(view.pool, tuple.dst.addr);
        let although = excluded
            .map_or_else(String::new, |net| format!(", although {net} is excluded: it has called the virtual address"));
        return format!("{listen} is a service port: the source becomes {outside}, the port stays{although}");
    }
    let by_flow = if trial.met.is_some() { ", as the flow says" } else { "" };
    let port = match trial.case.packet.kind {
        Kind::Echo { .. } if outside.port == tuple.src.port => "its identifier stays".to_owned(),
        _ if outside.port == tuple.src.port => "its port is kept".to_owned(),
        _ => replaced(trial, view.pool, tuple, outside.addr),
    };
    format!("[[snat]] of pool {pool}: the source becomes {outside}{by_flow}, {port}")
}

/// Why a member's port is another one outside.
fn replaced(trial: &Trial, pool: PoolId, tuple: &Tuple, address: Ipv4Addr) -> String {
    let port = tuple.src.port;
    let owner = trial.setting.snat_ports.table(address, tuple.protocol).and_then(|table| table.owner(port));
    let reserved = trial.snapshot().pool(pool).snat.as_ref().is_some_and(|snat| snat.reserved.contains(&port));
    match owner {
        _ if reserved => format!("as {port} is a service port there"),
        Some(owner) if owner != tuple.src => format!("as {owner} has {port} there"),
        _ => format!("which it has had since {port} was taken there"),
    }
}

fn why_not(trial: &Trial, names: Names, sender: MemberId, destination: Ipv4Addr) -> String {
    let (snapshot, tuple) = (trial.snapshot(), &trial.case.tuple);
    let view = snapshot.member(sender);
    let (pool, name) = (snapshot.pool(view.pool), names.pool(view.pool));
    let leaves = pool.snat.as_ref().is_some_and(|snat| snat.leaves_udp_port(tuple.src.port));
    match names.exclusion(view.pool, destination) {
        Some(net) => format!("{destination} is in the exclusion group of pool {name}, by {net}"),
        None if pool.snat.is_none() => format!("pool {name} has no [[snat]]"),
        None if leaves => format!("{} is one of no_snat_udp_ports of pool {name}", tuple.src.port),
        None if trial.met.is_some() => "the flow says so".into(),
        None => "it answers somebody who calls the member's own address, as far as is known".into(),
    }
}
