//! The file read again while calls go on: scenario 83.

use super::standing::{first, resolved};
use super::*;
use crate::admin::rows::ProbeRow;
use crate::policy::Intent;
use crate::policy::intent::{
    Interface, Listen, Member, Monitor, MonitorId, MonitorKind, Pool, PoolId, Route, Snat, VirtualServer,
};

/// The addresses of a second pair, and its virtual address.
const OTHERS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(10, 20, 0, 21), Ipv4Addr::new(10, 20, 0, 22), Ipv4Addr::new(10, 20, 0, 101)];

/// Puts a second pair with its virtual server, its SNAT and its monitor *before* the first: the places of all that
/// was there change.
fn add_pair(intent: &mut Intent) {
    intent.monitors.insert(0, Monitor { name: "of-pair-0".into(), ..intent.monitors[0].clone() });
    for pool in intent.pools.iter_mut() {
        pool.members.iter_mut().for_each(|id| id.0 += 2);
        pool.monitors.iter_mut().for_each(|id| id.0 += 1);
    }
    intent.members.iter_mut().for_each(|member| member.pool.0 += 1);
    intent.virtual_servers.iter_mut().for_each(|server| server.pool.0 += 1);
    intent.snats.iter_mut().for_each(|snat| snat.pool.0 += 1);
    let member = |at: usize| Member::new(&format!("rm-{at}"), OTHERS[at], PoolId(0), InterfaceId(1));
    [1, 0].into_iter().for_each(|at| intent.members.insert(0, member(at)));
    let (members, monitors) = (vec![MemberId(0), MemberId(1)], vec![MonitorId(0)]);
    intent.pools.insert(0, Pool { name: "pair-0".into(), members, monitors, ..intent.pools[0].clone() });
    let (server, snat) = (intent.virtual_servers[0].clone(), intent.snats[0].clone());
    let (name, address, pool) = ("sip-0".into(), OTHERS[2], PoolId(0));
    intent.virtual_servers.insert(0, VirtualServer { name, address, pool, ..server });
    intent.snats.insert(0, Snat { address, pool, ..snat });
}

/// Takes the first member of the second pair out, so that the places of all other members change.
fn remove_first_member(intent: &mut Intent) {
    intent.members.remove(0);
    for pool in intent.pools.iter_mut() {
        pool.members.retain(|id| id.0 > 0);
        pool.members.iter_mut().for_each(|id| id.0 -= 1);
    }
    intent.pools[0].members = vec![MemberId(0)];
}

fn add_monitor(intent: &mut Intent) {
    let alive = Monitor { name: "alive".into(), kind: MonitorKind::Icmp, ..intent.monitors[0].clone() };
    intent.monitors.push(alive);
    intent.pools[0].monitors.push(MonitorId(2));
}

fn add_route(intent: &mut Intent) {
    let (via, interface) = (Ipv4Addr::new(192, 0, 2, 254), InterfaceId(0));
    intent.routes.insert(0, Route { to: net("172.16.0.0/12"), via, interface });
}

/// A change of the file, and what may follow from it for others.
struct Reload {
    about: &'static str,
    before: fn(&mut Intent),
    edit: fn(&mut Intent),
    /// What ARP is asked for at once: next hops that are new.
    asked_for: &'static [Ipv4Addr],
    /// What is announced at once: addresses that are new.
    announced: &'static [Ipv4Addr],
}

const PLAIN: Reload = Reload { about: "", before: |_| (), edit: |_| (), asked_for: &[], announced: &[] };

static RELOADS: &[Reload] = &[
    Reload {
        about: "a pair with a virtual server is added",
        edit: add_pair,
        asked_for: &[OTHERS[0], OTHERS[1]],
        announced: &[OTHERS[2]],
        ..PLAIN
    },
    Reload { about: "it is removed", before: add_pair, edit: |intent| *intent = two_arm(), ..PLAIN },
    Reload { about: "a member of another pair is removed", before: add_pair, edit: remove_first_member, ..PLAIN },
    Reload {
        about: "one is added",
        before: |intent| {
            add_pair(intent);
            remove_first_member(intent);
        },
        edit: |intent| {
            *intent = two_arm();
            add_pair(intent);
        },
        asked_for: &[OTHERS[0]],
        ..PLAIN
    },
    Reload {
        about: "the probes of another pair come faster",
        before: add_pair,
        edit: |intent| intent.monitors[0].interval /= 2,
        ..PLAIN
    },
    Reload { about: "another pair gets a monitor", before: add_pair, edit: add_monitor, ..PLAIN },
    Reload {
        about: "it loses it",
        before: |intent| {
            add_pair(intent);
            add_monitor(intent);
        },
        edit: |intent| {
            intent.monitors.pop();
            intent.pools[0].monitors.pop();
        },
        ..PLAIN
    },
    Reload { about: "a route is added", edit: add_route, asked_for: &[Ipv4Addr::new(192, 0, 2, 254)], ..PLAIN },
    Reload { about: "it is removed", before: add_route, edit: |intent| *intent = two_arm(), ..PLAIN },
    Reload {
        about: "an exclusion is added",
        edit: |intent| intent.snats[0].exclude.push(net("10.99.0.0/16")),
        ..PLAIN
    },
    Reload {
        about: "timers and limits change",
        edit: |intent| {
            intent.timeouts.udp *= 2;
            intent.limits.icmp_errors_per_second += 1;
        },
        ..PLAIN
    },
    Reload {
        about: "a service port is added",
        edit: |intent| intent.virtual_servers[0].listen.push(Listen { protocol: Protocol::Udp, port: 5070 }),
        ..PLAIN
    },
];

/// Two worlds run side by side; in one the file is read again. Whatever the change does not concern must go on in both
/// as if nothing had happened, to the nanosecond.
#[test]
fn s83_what_a_reload_does_not_concern_goes_on_as_in_a_world_without_it() {
    for Reload { about, before, edit, asked_for, announced } in RELOADS {
        let mut intent = two_arm();
        before(&mut intent);
        let settled = || {
            let mut bench = Bench::of(&intent);
            // Between two requests for those who do not answer.
            bench.run(70_001);
            bench
        };
        let (mut without, mut with) = (settled(), settled());
        let since = with.now;
        edit(&mut intent);
        let told = reload(&mut with, Ok(file_of(&intent))).unwrap();
        assert!(matches!(told.data, Data::Reloaded(reloaded) if !reloaded.changes.is_empty()), "{about}");
        assert_eq!(resolved(&with, since), asked_for.iter().copied().collect(), "{about}");
        assert_eq!(with.announced(since), announced.iter().map(|one| (since, *one)).collect::<Vec<_>>(), "{about}");
        for millis in [0, 1, 999, 4_000] {
            without.run(millis);
            with.run(millis);
            let (expected, found) = (first(&mut without, since), first(&mut with, since));
            assert_eq!(found, expected, "{about}, {:?} later", with.now.since(since));
            assert_eq!((found.active.as_deref(), found.switchovers), (Some("sip-a"), 1), "{about}");
            assert!(found.asked.len() as u64 >= millis / 100, "{about}: both members were asked");
        }
    }
}

/// The monitor whose interval changes keeps what it knows: three good answers are not asked for anew.
#[test]
fn s83_a_new_interval_holds_from_the_next_probe_on_and_nothing_is_forgotten() {
    let mut bench = Bench::settled();
    let known = members(&mut bench);
    let (mut intent, since) = (two_arm(), bench.now);
    intent.monitors[0].interval = Duration::from_millis(500);
    reload(&mut bench, Ok(file_of(&intent))).unwrap();
    let now = members(&mut bench);
    assert_eq!((&now[A].state, &now[A].since, &now[B].state), (&known[A].state, &known[A].since, &known[B].state));
    bench.run(5_000);
    let probes = bench.frames.iter().filter(|(at, _, frame)| {
        let headers = Packet::parse(frame).unwrap();
        *at > since && headers.dst() == bench.hosts[A].address && matches!(headers.kind, Kind::Udp)
    });
    let times: Vec<Instant> = probes.map(|(at, ..)| *at).collect();
    assert!(times[0].since(since) <= Duration::from_millis(200), "the one that was due comes when it was due");
    assert!(times.windows(2).all(|pair| pair[1].since(pair[0]) == Duration::from_millis(500)), "{times:?}");
    assert_eq!((bench.active().as_deref(), bench.logged("switchover")), (Some("sip-a"), 1));
}

/// A standby leaves and comes back; the active member never notices.
#[test]
fn s83_a_standby_that_is_removed_and_added_again_begins_anew_alone() {
    let mut bench = Bench::settled();
    let mut alone = two_arm();
    alone.members.pop();
    alone.pools[0].members.pop();
    reload(&mut bench, Ok(file_of(&alone))).unwrap();
    assert_eq!((members(&mut bench).len(), bench.active().as_deref()), (1, Some("sip-a")));
    let gone = NextHop { interface: InterfaceId(1), address: bench.hosts[B].address };
    assert_eq!(bench.snapshot().neighbour(gone), Some(Neighbour::Reachable(bench.hosts[B].mac)), "still on the link");
    bench.hosts[B].manner = Manner::Answers(200);
    reload(&mut bench, Ok(file_of(&two_arm()))).unwrap();
    assert_eq!(members(&mut bench)[B].state, MemberState::Unknown);
    bench.run(1_000);
    assert_eq!(members(&mut bench)[B].state, MemberState::Up);
    assert_eq!((bench.active().as_deref(), bench.logged("switchover")), (Some("sip-a"), 1));
}

/// Everything of the pair has another name, and stands elsewhere: nobody is probed anew, no role moves.
#[test]
fn s83_a_pair_whose_names_change_keeps_its_active_member_its_verdicts_and_its_tallies() {
    let mut bench = Bench::settled();
    bench.ask(member_set("sip-b", AdminState::Draining)).unwrap().unwrap();
    bench.run(1_000);
    let known = (members(&mut bench), probes_of(&mut bench, "sip-a"));
    let mut intent = two_arm();
    intent.members.reverse();
    intent.members[0].name = "new-b".into();
    intent.members[1].name = "new-a".into();
    intent.pools[0].name = "new-pair".into();
    intent.monitors[0].name = "new-options".into();
    reload(&mut bench, Ok(file_of(&intent))).unwrap();
    let now = (members(&mut bench), probes_of(&mut bench, "new-a"));
    let row = |row: &MemberRow| (row.address, row.state, row.role, row.since);
    let expected: Vec<_> = known.0.iter().rev().map(row).collect();
    assert_eq!(now.0.iter().map(row).collect::<Vec<_>>(), expected);
    let probe = |row: &ProbeRow| (row.state, row.since, row.last_rtt_us, row.sent, row.ok);
    assert_eq!(now.1.iter().map(probe).collect::<Vec<_>>(), known.1.iter().map(probe).collect::<Vec<_>>());
    assert_eq!((now.0[0].pool.as_str(), now.1[0].monitor.as_str()), ("new-pair", "new-options"));
    assert_eq!((bench.active().as_deref(), bench.logged("switchover")), (Some("new-a"), 1));
}

/// Two pools swap their names, and so their roles: each name keeps its generation, its members are the other's now.
#[test]
fn s83_swapped_names_of_pools_follow_the_names() {
    let mut intent = two_arm();
    add_pair(&mut intent);
    let mut bench = Bench::of(&intent);
    bench.run(1_000);
    let (name, other) = (intent.pools[0].name.clone(), intent.pools[1].name.clone());
    (intent.pools[0].name, intent.pools[1].name) = (other, name);
    reload_anyway(&mut bench, Ok(file_of(&intent))).unwrap();
    bench.run(1_000);
    let rows = members(&mut bench);
    let active: Vec<_> = rows.iter().filter(|row| row.role == Role::Active).map(|row| row.name.as_str()).collect();
    assert_eq!((active, bench.logged("switchover of pool pair-0: none -> sip-a")), (vec!["sip-a"], 1));
    assert_eq!(rows.iter().find(|row| row.name == "sip-a").unwrap().pool, "pair-0");
}

fn probes_of(bench: &mut Bench, member: &str) -> Vec<ProbeRow> {
    let Data::Probes(rows) = bench.ask(Request::Probes {}).unwrap().unwrap().data else { panic!() };
    rows.into_iter().filter(|row| row.member == member).collect()
}

/// An interface is put in front of the others, so that theirs have other places: their hosts stay known, their addresses
/// announced.
#[test]
fn s83_an_interface_that_is_added_in_front_concerns_no_other() {
    let mut bench = Bench::settled();
    bench.run(70_000);
    let (mut intent, since) = (two_arm(), bench.now);
    let own: ipnet::Ipv4Net = "198.51.100.1/24".parse().unwrap();
    let vlan = crate::wire::VlanId::new(300);
    let new = Interface { name: "lab".into(), vlan, addresses: vec![own], ..intent.interfaces[0].clone() };
    intent.interfaces.insert(0, new);
    intent.members.iter_mut().for_each(|member| member.interface.0 += 1);
    intent.routes[0].interface.0 += 1;
    reload(&mut bench, Ok(file_of(&intent))).unwrap();
    assert_eq!(resolved(&bench, since), BTreeSet::new(), "nobody is asked for anew");
    assert_eq!(bench.announced(since), [(since, own.addr())]);
    for host in &bench.hosts {
        let hop = NextHop { interface: host.interface, address: host.address };
        assert_eq!(bench.snapshot().neighbour(hop), Some(Neighbour::Reachable(host.mac)), "{}", host.address);
    }
    bench.run(5_000);
    assert_eq!((bench.active().as_deref(), bench.logged("switchover")), (Some("sip-a"), 1));
    // And taken away again.
    let since = bench.now;
    reload(&mut bench, Ok(file_of(&two_arm()))).unwrap();
    assert_eq!((resolved(&bench, since), bench.announced(since)), (BTreeSet::new(), vec![]));
    bench.run(5_000);
    assert_eq!((bench.active().as_deref(), bench.logged("switchover")), (Some("sip-a"), 1));
}

/// A probe of a new member waits for its MAC while the file is read again: it leaves with the MAC all the same.
#[test]
fn s83_a_probe_that_waits_for_a_mac_outlives_a_reload() {
    let mut intent = two_arm();
    add_pair(&mut intent);
    let second = Duration::from_secs(1);
    (intent.monitors[0].interval, intent.monitors[0].timeout) = (second, second);
    let begun = || {
        let mut bench = Bench::of(&intent);
        bench.run(999);
        let (interface, address, mac) = (InterfaceId(1), OTHERS[0], Mac([2, 0, 0, 0, 3, 1]));
        bench.hosts.push(Host { interface, address, mac, manner: Manner::Answers(200) });
        bench.run(1);
        bench
    };
    let (mut without, mut with) = (begun(), begun());
    intent.timeouts.udp *= 2;
    reload(&mut with, Ok(file_of(&intent))).unwrap();
    without.run(150);
    with.run(150);
    let expected = probes_of(&mut without, "rm-0");
    assert_eq!(probes_of(&mut with, "rm-0"), expected);
    assert!(expected[0].ok > 0, "{expected:?}");
}

#[test]
fn s83_a_reload_takes_over_what_is_new_and_keeps_what_is_known() {
    let mut bench = Bench::settled();
    bench.hosts[B].manner = Manner::Answers(200);
    bench.ask(member_set("sip-b", AdminState::Draining)).unwrap().unwrap();
    let mut intent = two_arm();
    intent.monitors[0].interval = Duration::from_millis(300);
    let mut server = intent.virtual_servers[0].clone();
    (server.name, server.address) = ("sip-2".into(), Ipv4Addr::new(10, 20, 0, 101));
    intent.virtual_servers.push(server);
    let before = bench.now;
    let told = reload(&mut bench, Ok(file_of(&intent))).unwrap();
    let Data::Reloaded(reloaded) = told.data else { panic!() };
    assert_eq!(reloaded.changes.len(), 2, "{reloaded:?}");
    assert_eq!(bench.snapshot().virtuals.len(), 2);
    assert_eq!(bench.active().as_deref(), Some("sip-a"), "not for a moment without an active member");
    assert_eq!(members(&mut bench)[B].admin, AdminState::Draining, "as the operator has set it");
    assert_eq!(bench.announced(before), [(before, Ipv4Addr::new(10, 20, 0, 101))]);
    let again = reload(&mut bench, Ok(file_of(&intent))).unwrap();
    assert!(matches!(again.data, Data::Reloaded(reloaded) if reloaded.changes.is_empty()));
}

#[test]
fn s83_a_reload_that_removes_the_active_member_is_a_switchover() {
    let mut bench = Bench::settled();
    let mut intent = two_arm();
    intent.members.remove(A);
    intent.pools[0].members = vec![MemberId(0)];
    reload_anyway(&mut bench, Ok(file_of(&intent))).unwrap();
    let Data::Switchovers(rows) = bench.ask(Request::Switchovers {}).unwrap().unwrap().data else { panic!() };
    let newest = rows.iter().max_by_key(|row| row.detected).unwrap();
    assert_eq!((newest.from.as_deref(), newest.to.as_deref()), (Some("sip-a"), None));
    assert!(newest.reason.contains("no longer a member"), "{newest:?}");
    assert_eq!((newest.cause, newest.last_good_answer), (Cause::Reload, None));
}

#[test]
fn s83_a_bad_file_and_one_that_needs_a_restart_change_nothing() {
    let mut bench = Bench::settled();
    let epoch = bench.snapshot().epoch;
    let bad = "poool = 1\n[appliance]\nnmae = 1\nlog = \"loud\"\n[core]\n[rout]\n";
    let errors = crate::config::parse_bytes("lead.toml", bad.as_bytes()).unwrap_err();
    let refused = reload(&mut bench, Err(errors.clone())).unwrap_err();
    assert_eq!((refused.code, refused.message), (Code::BadFile, errors.to_string()), "all of it to who asked");
    let logged: Vec<_> = bench.logs.iter().filter(|(_, line)| line.starts_with("reload rejected")).collect();
    let [(LogLevel::Error, line)] = logged[..] else { panic!("{logged:?}") };
    assert!(line.contains("lead.toml:1:1: ") && line.contains("lead.toml:3:1: ") && !line.contains('\n'), "{line}");
    assert!(line.ends_with("more: `fairlead check lead.toml` lists all"), "{line}");
    let mut intent = two_arm();
    intent.ports[0].device = "0000:3b:00.1".into();
    intent.monitors[0].fall = 9;
    let refused = reload(&mut bench, Ok(file_of(&intent))).unwrap_err();
    assert_eq!(refused.code, Code::Refused);
    assert!(refused.message.contains("0000:3b:00.1") && !refused.message.contains("fall"), "{}", refused.message);
    assert_eq!((bench.snapshot().epoch, bench.controller.intent.monitors[0].fall), (epoch, 2));
    bench.give(Input::Hangup);
    assert_eq!(bench.reads, [None]);
}

#[test]
fn open_direct_access_is_an_alarm_from_the_start_until_the_file_says_who() {
    let standing = |bench: &mut Bench| match bench.ask(Request::Status {}).unwrap().unwrap().data {
        Data::Status(status) => status.alarms.into_iter().map(|alarm| alarm.message).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let said = two_arm();
    let unsaid = Intent { direct_access: Default::default(), ..said.clone() };
    let alarm = "anybody may reach the members at their own addresses: write [direct_access] with allow = \
                 [\"0.0.0.0/0\"] to leave it so, or with the networks that may";
    let mut bench = Bench::of(&unsaid);
    bench.run(1_000);
    assert_eq!(standing(&mut bench), [alarm]);
    assert_eq!(bench.logs.iter().filter(|line| **line == (LogLevel::Warn, format!("alarm: {alarm}"))).count(), 1);
    let told = reload(&mut bench, Ok(file_of(&said))).unwrap();
    let Data::Reloaded(reloaded) = told.data else { panic!() };
    let change = "direct_access: allow everybody, as long as neither this nor rules is written → default";
    assert_eq!(reloaded.changes.iter().map(ToString::to_string).collect::<Vec<_>>(), [change]);
    assert_eq!(standing(&mut bench), Vec::<String>::new());
    reload(&mut bench, Ok(file_of(&unsaid))).unwrap();
    assert_eq!(standing(&mut bench), [alarm]);
}
