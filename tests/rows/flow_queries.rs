//! What an operator asks of flows and has forgotten: those of one client, of one member, of one virtual server.

use super::*;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use fairlead::worker::mailbox::{FlowFilter, ServedAt};
use fairlead::worker::{Command, Event};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

const REST: &str = "10.20.0.101";
const W: &str = "10.20.0.200";
const C: &str = "10.20.0.21";

/// Two virtual servers before the first pair, another pair, and a connection of every kind.
fn lab() -> Lab {
    let mut lab = Lab::new(Layout::TwoArm);
    super::reload::add_a_pair_in_front(&mut lab);
    lab.rig.intent.virtual_servers.push(virtual_server("sip-3", REST, 1));
    lab.rig.publish();
    let syn = |src: Endpoint, dst: &str| Build::tcp(src, at(dst, 5060), SYN, 1, 0);
    lab.forwards(ROUTER, syn(at(PHONE, 40_001), V), HOST_A, syn(at(PHONE, 40_001), A));
    lab.forwards(ROUTER, syn(at(PHONE, 40_002), REST), HOST_A, syn(at(PHONE, 40_002), A));
    lab.forwards(ROUTER, syn(at(PEER, 40_003), W), Far::Server(21), syn(at(PEER, 40_003), C));
    let out = |src: &str| Build::tcp(at(src, 41_000), at(PEER, 80), SYN, 1, 0);
    lab.forwards(HOST_A, out(A), ROUTER, out(V));
    lab.forwards(HOST_B, syn(at(B, 42_000), W), Far::Server(21), syn(at(V, 42_000), C));
    let visit = Build::tcp(at(VISITOR, 50_000), at(A, 22), SYN, 1, 0);
    lab.forwards(ROUTER, visit.clone(), HOST_A, visit);
    lab
}

/// The source ports of the packets that opened the flows, and the member each is said to belong to.
fn listed(lab: &mut Lab, filter: &FlowFilter) -> BTreeSet<(u16, Option<Ipv4Addr>)> {
    lab.rig.events.clear();
    lab.rig.command(|| Command::ListFlows { query: 7, filter: filter.clone(), limit: 100 });
    let rows = lab.rig.events.iter().filter_map(|event| match event {
        Event::Flows { query: 7, rows, .. } => Some(rows),
        _ => None,
    });
    rows.flatten().map(|row| (row.opened_by.src.port, row.member)).collect()
}

fn ports(lab: &mut Lab, filter: &FlowFilter) -> Vec<u16> {
    listed(lab, filter).into_iter().map(|(port, _)| port).collect()
}

fn of_member(address: &str) -> FlowFilter {
    FlowFilter { member: Some(addr(address)), ..FlowFilter::default() }
}

fn of_server(lab: &Lab, name: &str) -> FlowFilter {
    let server = lab.rig.intent.virtual_servers.iter().find(|server| server.name == name).unwrap();
    let service = Some(ServedAt { address: server.address, listen: server.listen.clone() });
    FlowFilter { service, ..FlowFilter::default() }
}

#[test]
fn flows_are_listed_with_the_member_each_belongs_to() {
    let [a, c] = [A, C].map(|member| Some(addr(member)));
    let expected = [(40_001, a), (40_002, a), (40_003, c), (41_000, a), (42_000, c), (50_000, None)];
    assert_eq!(listed(&mut lab(), &FlowFilter::default()), BTreeSet::from(expected));
}

#[test]
fn flows_of_a_member_are_those_that_it_opened_as_well() {
    let mut lab = lab();
    assert_eq!(ports(&mut lab, &of_member(A)), [40_001, 40_002, 41_000]);
    assert_eq!(ports(&mut lab, &of_member(B)), [42_000], "a call to another pair");
    assert_eq!(ports(&mut lab, &of_member(C)), [40_003, 42_000]);
}

#[test]
fn flows_of_a_virtual_server_are_not_those_of_another_before_the_same_pool() {
    let mut lab = lab();
    for (name, expected) in [("sip-1", vec![40_001]), ("sip-3", vec![40_002]), ("sip-2", vec![40_003, 42_000])] {
        let filter = of_server(&lab, name);
        assert_eq!(ports(&mut lab, &filter), expected, "{name}");
    }
    let filter = FlowFilter { client: Some(addr(PEER)), ..of_server(&lab, "sip-2") };
    assert_eq!(ports(&mut lab, &filter), [40_003]);
}

#[test]
fn only_what_was_asked_for_is_forgotten() {
    let mut lab = lab();
    for (filter, left) in [
        (of_server(&lab, "sip-3"), vec![40_001, 40_003, 41_000, 42_000, 50_000]),
        (of_member(B), vec![40_001, 40_003, 41_000, 50_000]),
        (FlowFilter { client: Some(addr(VISITOR)), ..FlowFilter::default() }, vec![40_001, 40_003, 41_000]),
        (FlowFilter::default(), vec![]),
    ] {
        lab.rig.command(|| Command::ClearFlows { query: 8, filter: filter.clone() });
        assert_eq!(ports(&mut lab, &FlowFilter::default()), left);
    }
}
