//! What an operator asks of flows and has forgotten: those of one client, of one member, of one virtual server.

use super::reload::with_a_connection_of_every_kind;
use super::*;
use fairlead::engine::{EngineEvent, Uses};
use fairlead::time::Duration;
use fairlead::wire::build::Build;
use fairlead::worker::mailbox::{FlowFilter, ServedAt};
use fairlead::worker::{Command, Event, Work, Worker};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

const C: &str = "10.20.0.21";

fn lab() -> Lab {
    with_a_connection_of_every_kind(PEER)
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
fn flows_are_listed_with_the_member_each_belongs_to_or_goes_to() {
    let [a, c] = [A, C].map(|member| Some(addr(member)));
    let expected = [(40_001, a), (40_002, a), (40_003, c), (41_000, a), (42_000, c), (50_000, a)];
    assert_eq!(listed(&mut lab(), &FlowFilter::default()), BTreeSet::from(expected));
}

#[test]
fn flows_of_a_member_are_those_that_it_opened_and_those_of_its_visitors_as_well() {
    let mut lab = lab();
    assert_eq!(ports(&mut lab, &of_member(A)), [40_001, 40_002, 41_000, 50_000]);
    assert_eq!(ports(&mut lab, &of_member(B)), [42_000], "a call to another pair");
    assert_eq!(ports(&mut lab, &of_member(C)), [40_003, 42_000]);
}

/// However many flows there are, an answer is not waited for while the worker sleeps; nor is it said to be busy with packets.
#[test]
fn a_worker_that_has_flows_to_look_at_for_somebody_is_neither_idle_nor_busy() {
    let mut lab = lab();
    for port in 0..2_000 {
        let visit = Build::tcp(at(VISITOR, 20_000 + port), at(B, 22), SYN, 1, 0);
        lab.forwards(ROUTER, visit.clone(), HOST_B, visit);
    }
    let nobody = FlowFilter { client: Some(addr("172.16.200.200")), ..FlowFilter::default() };
    let next = lab.rig.workers[0].engine().snapshot().clone();
    let until = lab.rig.now + Duration::from_secs(8);
    let list = || Command::ListFlows { query: 7, filter: nobody.clone(), limit: 10 };
    let impact = || Command::Impact { query: 7, next: next.clone(), until };
    for ask in [&list as &dyn Fn() -> Command, &impact] {
        lab.rig.command(ask);
        let now = lab.rig.now;
        let mut all = 0;
        for worker in &mut lab.rig.workers {
            let turns: Vec<Work> = (0..64).map(|_| worker.turn(now)).collect();
            let walked = turns.iter().take_while(|work| **work == Work::Walked).count();
            assert!(turns[walked..].iter().all(|work| *work == Work::Idle), "{turns:?}");
            all += walked;
        }
        assert!((3..64).contains(&all), "{all}");
    }
    assert!(!Work::Walked.is_busy() && !Work::Walked.may_sleep() && Work::Idle.may_sleep());
}

/// The rows are cut, the count is not; and what is not there is not said to be.
#[test]
fn a_list_says_how_many_flows_there_are_beyond_its_limit() {
    let mut lab = lab();
    for port in 0..100 {
        let visit = Build::tcp(at(VISITOR, 20_000 + port), at(B, 22), SYN, 1, 0);
        lab.forwards(ROUTER, visit.clone(), HOST_B, visit);
    }
    for (filter, limit, matching) in [
        (FlowFilter::default(), 10, 106),
        (FlowFilter::default(), 106, 106),
        (of_member(B), 1, 101),
        (of_member(A), 100, 4),
        (FlowFilter { client: Some(addr("172.16.200.200")), ..FlowFilter::default() }, 10, 0),
    ] {
        lab.rig.events.clear();
        lab.rig.command(|| Command::ListFlows { query: 9, filter: filter.clone(), limit });
        let parts = lab.rig.events.iter().filter_map(|event| match event {
            Event::Flows { query: 9, rows, matching, .. } => Some((rows.len(), *matching)),
            _ => None,
        });
        let (listed, counted) = parts.fold((0, 0), |(rows, all), (more, also)| (rows + more, all + also));
        // Each worker has the whole limit; who asked them cuts what they send.
        let most = limit * lab.rig.workers.len();
        assert_eq!(counted, matching, "{filter:?} {limit}");
        assert!((limit.min(matching as usize)..=most).contains(&listed), "{filter:?} {limit}: {listed}");
    }
}

/// What keeps a member from being switched off: its flows, those of its visitors, and datagrams of service ports.
#[test]
fn what_each_member_has_is_counted_apart() {
    let mut lab = lab();
    let uses = |lab: &mut Lab, address: &str| {
        let of = |worker: &Worker<_>| {
            let engine = worker.engine();
            let member = engine.snapshot().members.find_id(|member| member.address == addr(address)).unwrap();
            engine.member_use().of(member)
        };
        lab.rig.workers.iter().map(of).fold(Uses::default(), |sum, more| Uses {
            flows: sum.flows + more.flows,
            connections: sum.connections + more.connections,
            direct: sum.direct + more.direct,
            datagram: sum.datagram.max(more.datagram),
            spoke: sum.spoke.max(more.spoke),
        })
    };
    let (a, b) = (uses(&mut lab, A), uses(&mut lab, B));
    assert_eq!((a.flows, a.connections, a.direct, a.datagram), (3, 3, 1, None));
    assert_eq!((b.flows, b.connections, b.direct, b.datagram), (0, 0, 0, None));
    // What it asks somebody outside from another port is a flow and no connection.
    let out = |src: &str| Build::udp(at(src, 43_000), at(PEER, 53));
    lab.forwards(HOST_A, out(A), ROUTER, out(V));
    let a = uses(&mut lab, A);
    assert_eq!((a.flows, a.connections), (4, 3));
    // The standby speaks from a service port.
    let ask = Build::udp(at(B, 5060), at(PEER, 5060));
    let sent = Build::udp(at(V, 5060), at(PEER, 5060));
    lab.forwards_noting(&[EngineEvent::StandbySpoke], HOST_B, ask, ROUTER, sent);
    let asked = uses(&mut lab, B).datagram.expect("it spoke");
    assert_eq!(uses(&mut lab, A).datagram, None, "the active member's datagrams are not looked at");
    // A visitor of the standby's own service port.
    lab.rig.now += Duration::from_secs(40);
    let visit = Build::udp(at(VISITOR, 5060), at(B, 5060));
    lab.forwards(ROUTER, visit.clone(), HOST_B, visit);
    assert_eq!(uses(&mut lab, B).datagram.map(|at| at.since(asked)), Some(Duration::from_secs(40)));
    // Its flows go, and are counted off.
    lab.rig.command(|| Command::ClearFlows { query: 8, filter: of_member(A) });
    let a = uses(&mut lab, A);
    assert_eq!((a.flows, a.connections, a.direct), (0, 0, 0));
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

/// What has left of the flow that was opened from this port: packets and bytes, as it was opened and as it was answered.
fn counted(lab: &mut Lab, opened_from: u16) -> Option<[(u64, u64); 2]> {
    lab.rig.events.clear();
    lab.rig.command(|| Command::ListFlows { query: 7, filter: FlowFilter::default(), limit: 100 });
    let mut rows = lab.rig.events.iter().flat_map(|event| match event {
        Event::Flows { query: 7, rows, .. } => &rows[..],
        _ => &[],
    });
    let row = rows.find(|row| row.opened_by.src.port == opened_from).expect("the flow is listed");
    row.counted.map(|both| both.map(|count| (count.packets, count.bytes)))
}

#[test]
fn s180_packets_and_bytes_of_a_flow_are_counted_in_each_direction_from_its_first_on() {
    let mut lab = Lab::with(|intent| intent.limits.flow_counters = true);
    let (phone, v, a) = ((PHONE, 40_001), (V, 5060), (A, 5060));
    let segment = |src: (&str, u16), dst: (&str, u16), flags, payload: &[u8]| {
        Build::tcp(at(src.0, src.1), at(dst.0, dst.1), flags, 2, if flags == SYN { 0 } else { 2 }).payload(payload)
    };
    lab.forwards(ROUTER, segment(phone, v, SYN, &[]), HOST_A, segment(phone, a, SYN, &[]));
    assert_eq!(counted(&mut lab, 40_001), Some([(1, 40), (0, 0)]));
    lab.forwards(HOST_A, segment(a, phone, SYN_ACK, &[]), ROUTER, segment(v, phone, SYN_ACK, &[]));
    for length in [10, 20, 30] {
        let payload = vec![0x41; length];
        lab.forwards(ROUTER, segment(phone, v, DATA, &payload), HOST_A, segment(phone, a, DATA, &payload));
        lab.forwards(HOST_A, segment(a, phone, ACK, &[]), ROUTER, segment(v, phone, ACK, &[]));
    }
    assert_eq!(counted(&mut lab, 40_001), Some([(4, 4 * 40 + 60), (4, 4 * 40)]));
    // What does not leave is not counted.
    let dying = || segment(phone, v, DATA, b"x").ttl(1);
    lab.send(ROUTER, &dying());
    assert_eq!(counted(&mut lab, 40_001), Some([(4, 4 * 40 + 60), (4, 4 * 40)]));
    // A datagram of a member's own, in pieces, each of which counts.
    let (own, out, peer) = (at(A, 41_000), at(V, 41_000), at(PEER, 5060));
    let large = |src| Build::udp(src, peer).id(9).payload(&text(3_000));
    lab.forwards_pieces(HOST_A, &large(own), ROUTER, large(out));
    assert_eq!(counted(&mut lab, 41_000), Some([(3, 3_008 + 3 * 20), (0, 0)]));
    // The next flow in the same place begins with nothing.
    lab.rig.command(|| Command::ClearFlows { query: 8, filter: FlowFilter::default() });
    lab.forwards(ROUTER, segment(phone, v, SYN, &[]), HOST_A, segment(phone, a, SYN, &[]));
    assert_eq!(counted(&mut lab, 40_001), Some([(1, 40), (0, 0)]));
}

#[test]
fn s180_nothing_is_counted_unless_it_is_asked_for() {
    let mut lab = lab();
    assert_eq!(counted(&mut lab, 40_001), None);
}
