//! Scenario 83: what another file would do to the flows that stand is known before it is taken over, and is what happens then.

use super::reload::with_a_connection_of_every_kind;
use super::*;
use fairlead::engine::{EngineEvent, ImpactCounts, ImpactOn};
use fairlead::policy::Intent;
use fairlead::policy::health::{Generation, MemberHealth, PoolHealth, State};
use fairlead::policy::intent::{DirectAccess, InterfaceId, MemberId, Mode, OnDownTcp, OnDownUdp, Route};
use fairlead::time::Duration;
use fairlead::wire::build::Build;
use fairlead::worker::{Command, Event};

/// And a member that asks outward over UDP.
fn lab() -> Lab {
    let mut lab = with_a_connection_of_every_kind(PHONE);
    let asks = |src: &str| Build::udp(at(src, 43_000), at(PEER, 53));
    lab.forwards(HOST_A, asks(A), ROUTER, asks(V));
    lab
}

const C: &str = "10.20.0.21";
const HOST_C: Far = Far::Server(21);

/// By name of the pool and the virtual server: re-steered, cut, keep their source, unchanged.
fn counted(lab: &mut Lab) -> Vec<(String, String, [u64; 4])> {
    let (before, impacts) = (lab.rig.workers[0].engine().snapshot().clone(), lab.rig.impacts());
    let pool = |on: &ImpactOn| on.pool.map_or("-".to_owned(), |id| before.pool(id).public.to_string());
    let server = |on: &ImpactOn| on.virtual_server.map_or("-".to_owned(), |id| id.0.to_string());
    let counts = |it: &ImpactCounts| [it.resteered, it.cut, it.keeps_source, it.unchanged];
    impacts.iter().map(|(on, it)| (pool(on), server(on), counts(it))).collect()
}

fn sums(lab: &mut Lab) -> [u64; 4] {
    let rows = counted(lab);
    rows.iter().fold([0; 4], |sum, (_, _, counts)| std::array::from_fn(|at| sum[at] + counts[at]))
}

type Edit = fn(&mut Intent);

#[test]
fn s83_what_a_reload_would_do_to_flows_is_counted_by_kind() {
    let another_router: Edit = |intent| {
        let (to, via) = ("172.16.9.0/24".parse().unwrap(), addr("192.0.2.9"));
        intent.routes.insert(0, Route { to, via, interface: InterfaceId(0) });
    };
    let only_others: Edit = |intent| {
        intent.direct_access = DirectAccess { allow: Some(vec!["10.99.0.0/16".parse().unwrap()]), rules: vec![] };
    };
    let no_snat: Edit = |intent| intent.snats.retain(|snat| snat.pool.0 != 1);
    let only_others_call: Edit = |intent| {
        let others = vec!["10.99.0.0/16".parse().unwrap()];
        intent.virtual_servers.iter_mut().for_each(|server| server.allow.clone_from(&others));
    };
    let rows: [(&str, Edit, [u64; 4]); 10] = [
        ("nothing", |_| (), [0, 0, 0, 7]),
        ("a timeout", |intent| intent.timeouts.udp *= 2, [0, 0, 0, 7]),
        ("the way to the peer", another_router, [2, 0, 0, 5]),
        ("the peer is excluded", |intent| intent.snats[1].exclude.push("172.16.9.9/32".parse().unwrap()), [0, 0, 2, 5]),
        ("nothing is translated any more", no_snat, [0, 0, 2, 5]),
        ("visitors are not allowed", only_others, [0, 1, 0, 6]),
        ("clients are not allowed", only_others_call, [0, 3, 0, 4]),
        ("a virtual server is disabled", |intent| intent.virtual_servers[1].enabled = false, [0, 1, 0, 6]),
        ("a virtual server is removed", |intent| drop(intent.virtual_servers.remove(2)), [0, 1, 0, 6]),
        ("there is no way out", |intent| intent.routes.clear(), [0, 6, 0, 1]),
    ];
    for (about, edit, expected) in rows {
        let mut lab = lab();
        edit(&mut lab.rig.intent);
        assert_eq!(sums(&mut lab), expected, "{about}");
        assert_eq!(sums(&mut lab), expected, "{about}: nothing was changed by asking");
    }
}

#[test]
fn s83_what_would_happen_is_said_of_whom_and_happens() {
    let mut lab = lab();
    let flows = lab.rig.counters().flows;
    lab.rig.intent.virtual_servers.remove(2);
    let server = |id: &str, counts| (V.to_owned(), id.to_owned(), counts);
    let all = counted(&mut lab);
    assert_eq!(all.iter().filter(|row| row.2[1] > 0).collect::<Vec<_>>(), [&server("2", [0, 1, 0, 0])]);
    assert!(all.contains(&server("-", [0, 0, 0, 3])), "two that the member has opened, and a visitor: {all:?}");
    lab.rig.publish();
    assert_eq!(lab.rig.counters().flows, flows - 1);
    let there = |dst| Build::tcp(at(PHONE, 40_001), at(dst, 5060), ACK, 2, 9);
    lab.forwards(ROUTER, there(V), HOST_A, there(A));
}

/// Whoever becomes a member is no client any more: what he is answered comes from the member's own address, and as a visitor nobody asks
/// who he is. From an address of the appliance's own nothing may come.
#[test]
fn s83_whose_caller_becomes_a_member_or_the_appliance_itself_is_cut() {
    let others = vec!["10.99.0.0/16".parse().unwrap()];
    let becomes_member: Edit = |intent| {
        intent.members.push(member("sip-c", C, 1));
        intent.pools.push(pool("pair-2", &[2]));
    };
    let becomes_ours: Edit = |intent| intent.interfaces[1].addresses = vec![format!("{C}/24").parse().unwrap()];
    let rows: [(&str, Edit, bool, [u64; 2]); 5] = [
        ("a member", becomes_member, false, [1, 1]),
        ("a member, and filters", becomes_member, true, [1, 1]),
        ("an address of ours", becomes_ours, false, [2, 0]),
        ("filters", |_| (), true, [2, 0]),
        ("nothing", |_| (), false, [0, 2]),
    ];
    for (about, edit, filters, [cut, unchanged]) in rows {
        let mut lab = Lab::new(Layout::TwoArm);
        let mut with_c = lab.rig.intent.clone();
        becomes_member(&mut with_c);
        lab.rig.adjacency = neighbours(&with_c);
        lab.rig.publish();
        let calls = |dst: &str| Build::tcp(at(C, 40_001), at(dst, 5060), SYN, 1, 0);
        let visits = || Build::tcp(at(C, 40_002), at(A, 22), SYN, 1, 0);
        lab.forwards(HOST_C, calls(V), HOST_A, calls(A));
        lab.forwards(HOST_C, visits(), HOST_A, visits());
        let intent = &mut lab.rig.intent;
        if filters {
            intent.virtual_servers[0].allow.clone_from(&others);
            intent.direct_access = DirectAccess { allow: Some(others.clone()), rules: vec![] };
        }
        edit(intent);
        let is_member = lab.rig.intent.members.len() > 2;
        if is_member {
            let up = MemberHealth { state: State::Up, may_claim: true, lost_before: Generation(0), is_back: true };
            lab.rig.health.members.push(up);
            lab.rig.health.pools.push(PoolHealth { active: Some(MemberId(2)), ..PoolHealth::default() });
        }
        assert_eq!(sums(&mut lab), [0, cut, 0, unchanged], "{about}");
        lab.rig.publish();
        let answer = |src: &str| Build::tcp(at(src, 5060), at(C, 40_001), SYN_ACK, 9, 2);
        match (is_member, cut) {
            (true, _) => {
                // Not from the address that was called.
                lab.forwards_noting(&[EngineEvent::MisroutedPeer], HOST_A, answer(A), HOST_C, answer(A));
                lab.forwards_noting(&[EngineEvent::MisroutedPeer], HOST_C, visits(), HOST_A, visits());
            }
            (false, 0) => {
                lab.forwards(HOST_A, answer(A), HOST_C, answer(V));
                lab.forwards(HOST_C, visits(), HOST_A, visits());
            }
            _ => [calls(V), visits()]
                .iter()
                .for_each(|sent| assert_eq!(lab.send(HOST_C, sent).1.dropped.len(), 1, "{about}")),
        }
    }
}

/// Three members that share the work of six peers, each with a connection.
fn shared() -> Lab {
    let mut lab = Lab::with(|intent| super::sharing::three(intent, Mode::RoundRobin));
    lab.rig.share(0, &super::sharing::ALL, &[]);
    for port in 30_000..30_006 {
        for first in [
            Build::udp(at(PHONE, port), at(V, 5060)).payload(b"OPTIONS"),
            Build::tcp(at(PHONE, port), at(V, 5060), SYN, 1, 0),
        ] {
            assert_eq!(lab.send(ROUTER, &first).1.transmitted, 1);
        }
    }
    lab
}

/// Where several members are active, the UDP peers of one that is taken out go to others, and its connections end.
#[test]
fn s83_peers_of_a_member_that_is_taken_out_would_go_to_another() {
    let mut lab = shared();
    let flows = lab.rig.counters().flows;
    lab.rig.intent.members.pop();
    lab.rig.intent.pools[0].members.retain(|id| *id != MemberId(2));
    lab.rig.health.members.pop();
    let health = &mut lab.rig.health.pools[0];
    health.sharing = None;
    let [resteered, cut, keep, unchanged] = sums(&mut lab);
    assert!(resteered > 0 && cut > 0, "{resteered} {cut}");
    assert_eq!((resteered + cut + unchanged, keep, resteered + cut), (12, 0, 12 - unchanged));
    lab.rig.publish();
    assert_eq!(lab.rig.counters().flows, flows - resteered - cut, "what ends and what begins again elsewhere");
}

/// What a member has that the file takes offline, by what its pool says of lost ones: connections and UDP peers.
#[test]
fn s83_what_a_member_has_that_would_be_offline_is_lost_as_on_down_says() {
    let mut lab = shared();
    let generation = lab.rig.health.pools[0].generation.0;
    let member = &mut lab.rig.health.members[2];
    (member.state, member.lost_before) = (State::Offline, Generation(generation + 1));
    let mut sums = |tcp, udp| {
        let pool = &mut lab.rig.intent.pools[0];
        (pool.on_down_tcp, pool.on_down_udp) = (tcp, udp);
        sums(&mut lab)
    };
    let [peers, connections, _, others] = sums(OnDownTcp::Reset, OnDownUdp::Reselect);
    assert!(peers > 0 && connections > 0 && peers + connections + others == 12, "{peers} {connections} {others}");
    assert_eq!(sums(OnDownTcp::Drop, OnDownUdp::Drop), [0, peers + connections, 0, others]);
    assert_eq!(sums(OnDownTcp::Drain, OnDownUdp::Drain), [0, 0, 0, 12]);
}

/// Nobody waits for it any more: what is not looked at by then is not looked at, and the snapshot comes back.
#[test]
fn s83_what_nobody_waits_for_any_more_is_given_up() {
    let mut lab = lab();
    let next = lab.rig.workers[0].engine().snapshot().clone();
    for (until, is_whole) in [(lab.rig.now, false), (lab.rig.now + Duration::from_secs(8), true)] {
        lab.rig.events.clear();
        lab.rig.command(|| Command::Impact { query: 9, next: next.clone(), until });
        let answers = lab.rig.events.iter().filter_map(|event| match event {
            Event::Impact { query: 9, impacts, whole, .. } => Some((*whole, impacts.is_empty())),
            _ => None,
        });
        let answers: Vec<(bool, bool)> = answers.collect();
        assert!(answers.len() == lab.rig.workers.len() && answers.iter().all(|(whole, _)| *whole == is_whole));
        assert_eq!(answers.iter().any(|(_, is_empty)| !is_empty), is_whole, "{answers:?}");
    }
}
