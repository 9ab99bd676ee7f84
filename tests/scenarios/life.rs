//! Scenarios 81 to 83: the appliance begins again, or is told something else, while traffic flows.

use crate::told_with_a_active;
use crate::world::frames::*;
use crate::world::{Connection, Far, File, Host, INNER, OURS, Seen, Service, World};
use fairlead::control::admin::{Data, Request};
use fairlead::time::Duration;
use fairlead::wire::Mac;
use fairlead::wire::build::Build;

/// A datagram of each of the two sides every step for `span`: each comes out, whole and to `member`.
#[track_caller]
fn steady(world: &mut World, span: Duration, member: Far) {
    let (end, own, mut sent) = (world.now() + span, world.ip(member), 0_u16);
    let mut seen = world.look();
    assert!(seen.is_empty(), "nothing was on its way");
    while world.now() < end {
        let client = at(PHONE, 5060 + sent % 100);
        world.send(ROUTER, &request(client, V).id(sent));
        world.send(member, &call(&own, client).id(sent));
        world.turn();
        sent += 1;
        seen.extend(world.look());
    }
    world.run(ms(3));
    seen.extend(world.look());
    complete(world, &seen, sent, member);
}

/// `seen` is what `sent` steps of a steady traffic come to.
#[track_caller]
fn complete(world: &World, seen: &[Seen], sent: u16, member: Far) {
    let (inner, outer): (Vec<_>, Vec<_>) = seen.iter().cloned().partition(|seen| seen.port == INNER);
    assert_eq!((inner.len(), outer.len()), (usize::from(sent), usize::from(sent)), "{:?}", world.lead.told());
    let id = |seen: &Seen| u16::from_be_bytes([seen.frame[18], seen.frame[19]]);
    let own = world.ip(member);
    for (at_id, (inner, outer)) in (0..sent).zip(in_order(inner, id).iter().zip(&in_order(outer, id))) {
        let client = at(PHONE, 5060 + at_id % 100);
        world.expect(std::slice::from_ref(inner), member, &request(client, &own).id(at_id).ttl(63));
        // Whoever fragments or forwards in the name of V may own the identification (RFC 6864 5.3.1).
        world.expect(std::slice::from_ref(outer), ROUTER, &call(V, client).id(id(outer)).ttl(63));
    }
}

fn in_order(mut seen: Vec<Seen>, key: impl Fn(&Seen) -> u16) -> Vec<Seen> {
    seen.sort_by_key(key);
    seen
}

/// sip-b is active when the process dies; `a` is what sip-a does then. Nothing ever goes to sip-a.
fn after_a_restart_nothing_goes_to_a(a: impl Fn(&mut Host)) {
    told_with_a_active(&File::two_arm(), |world| {
        world.members[0].retire();
        world.members[1].serve();
        world.until(secs(5), |world| world.active().as_deref() == Some("sip-b"));
        a(&mut world.members[0]);
        world.look();
        world.restart(ms(300));
        let (begin, mut seen) = (world.now(), Vec::new());
        let client = at(PHONE, 5060);
        for port in 0..2_000 {
            world.send(ROUTER, &request(client, V));
            world.send(ROUTER, &Build::tcp(at(PHONE, 10_000 + port), at(V, 5060), SYN, 1000, 0));
            world.turn();
            seen.extend(world.look());
        }
        let to_b = request(client, B).ttl(63);
        let served: Vec<_> = seen.iter().filter(|seen| seen.is_for(at(B, 5060))).collect();
        assert!(!seen.iter().any(|seen| seen.headers().dst.to_string() == A), "something went to sip-a");
        let first = served.first().expect("sip-b was found").at.since(begin);
        assert!(first <= ms(1_020), "sip-b was found after {first:?}");
        let datagrams = served.iter().filter(|seen| seen.frame[23] == 17);
        datagrams.for_each(|seen| world.expect(std::slice::from_ref(*seen), HOST_B, &to_b));
        assert_eq!(world.active().as_deref(), Some("sip-b"));
        for refused in seen.iter().filter(|seen| !seen.is_for(at(B, 5060))) {
            assert_eq!(refused.headers().src.to_string(), V, "until then clients are refused by the VIP");
        }
    });
}

#[test]
fn s82_after_a_restart_probes_decide_before_a_packet_is_forwarded_when_a_is_closed() {
    after_a_restart_nothing_goes_to_a(Host::retire);
}

#[test]
fn s82_after_a_restart_probes_decide_before_a_packet_is_forwarded_when_a_hangs() {
    after_a_restart_nothing_goes_to_a(|host| (host.udp, host.tcp) = (Service::Swallows, Service::Swallows));
}

#[test]
fn s82_after_a_restart_probes_decide_before_a_packet_is_forwarded_when_a_is_off() {
    after_a_restart_nothing_goes_to_a(|host| host.powered = false);
}

#[test]
fn s82_with_the_policy_keep_last_nobody_is_the_last_after_a_restart() {
    let monitors = "monitors = [\"sip-options\"]";
    let file = File::two_arm().with(monitors, &format!("{monitors}\nno_member = \"keep-last\""));
    told_with_a_active(&file, |world| {
        world.members[0].retire();
        world.members[1].serve();
        world.until(secs(5), |world| world.active().as_deref() == Some("sip-b"));
        world.look();
        world.restart(ms(300));
        let mut seen = Vec::new();
        for _ in 0..2_000 {
            world.send(ROUTER, &request(at(PHONE, 5060), V));
            world.turn();
            seen.extend(world.look());
        }
        assert!(!seen.iter().any(|seen| seen.headers().dst.to_string() == A), "something went to sip-a");
        assert!(seen.iter().filter(|seen| seen.is_for(at(B, 5060))).count() > 900);
    });
}

#[test]
fn s81_after_a_restart_connections_to_the_active_member_and_to_hosts_go_on() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut inward = Connection::inward(world, at(PHONE, 40_001), 5060, HOST_A).open(world);
        let mut visit = Connection::visit(world, at(VISITOR, 50_000), HOST_A, 7000).open(world);
        let mut plain = Connection::plain(world, HOST_A, 42_000, at(CONFIG, 2020)).open(world);
        inward.goes_on(world);
        world.look();
        world.restart(ms(300));
        world.until(secs(2), |world| world.active().as_deref() == Some("sip-a"));
        world.look();
        inward.goes_on(world);
        visit.goes_on(world);
        plain.goes_on(world);
        steady(world, ms(500), HOST_A);
    });
}

/// What a reload came to, told while traffic flows. Nothing of it is lost.
#[track_caller]
fn reloaded(world: &mut World, file: File) -> Result<usize, String> {
    world.lead.file = file;
    let ticket = world.lead.ask(Request::Reload, world.now());
    steady(world, ms(300), HOST_A);
    let answer = world.lead.answer(ticket).expect("a reload is answered in time");
    answer.map_err(|error| error.message).map(|told| match told.data {
        Data::Reloaded(reloaded) => reloaded.changes.len(),
        other => panic!("{other:?}"),
    })
}

/// Connections of every kind, which must outlive a reload.
fn connections(world: &mut World) -> Vec<Connection> {
    vec![
        Connection::inward(world, at(PHONE, 40_001), 5060, HOST_A).open(world),
        Connection::inward(world, at(PHONE, 40_002), 5061, HOST_A).open(world),
        Connection::outward(world, HOST_A, 41_000, at(PEER, 5060)).open(world),
        Connection::visit(world, at(VISITOR, 50_000), HOST_B, 7000).open(world),
        Connection::plain(world, HOST_B, 42_000, at(CONFIG, 2020)).open(world),
    ]
}

#[test]
fn s83_a_reload_with_another_probe_interval_loses_nothing() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut connections = connections(world);
        assert_eq!(reloaded(world, File::two_arm().probing(200, 3)), Ok(2));
        connections.iter_mut().for_each(|connection| connection.goes_on(world));
        let heard = world.members[0].probes.len();
        steady(world, secs(2), HOST_A);
        assert_eq!(world.members[0].probes.len() - heard, 10, "probes every 200 ms");
        assert_eq!(world.switchovers().len(), 1, "and sip-a was active all the time");
        connections.iter_mut().for_each(|connection| connection.goes_on(world));
    });
}

const SECOND_VIP: &str = r#"
[[virtual_server]]
name = "sip-2"
address = "10.20.0.101"
pool = "pair-1"
listen = ["udp/5070", "tcp/5071"]
"#;

const SECOND_PAIR: &str = r#"
[[pool]]
name = "pair-2"
members = [{ name = "sip-c", address = "10.20.0.21" }, { name = "sip-d", address = "10.20.0.22" }]
monitors = ["sip-options"]
[[virtual_server]]
name = "sip-2"
address = "10.20.0.101"
pool = "pair-2"
[[snat]]
pool = "pair-2"
address = "10.20.0.101"
"#;

/// The second VIP is answered for, and serves through `member` at these ports.
#[track_caller]
fn is_there(world: &mut World, member: Far, udp: u16, tcp: u16) {
    const V2: &str = "10.20.0.101";
    let own = world.ip(member);
    let stranger = Mac([2, 0, 0, 0, 0, 99]);
    world.seen.clear();
    world.inject(INNER, &Build::arp_request(stranger, "10.20.0.99", V2).bytes());
    world.run(ms(3));
    let answer = Build::arp_reply(OURS[1], V2, stranger, "10.20.0.99").bytes();
    assert_eq!(world.seen.iter().filter(|seen| seen.frame == answer).count(), 1);
    world.look();
    let client = at(PHONE, 5060);
    let there = |dst: &str| Build::udp(client, at(dst, udp)).payload(b"REGISTER");
    world.forwards(ROUTER, there(V2), member, there(&own));
    let back = |src: &str| Build::udp(at(src, udp), client).payload(b"SIP/2.0 200 OK");
    world.forwards(member, back(&own), ROUTER, back(V2));
    let mut connection = Connection::inward(world, at(PHONE, 40_101), tcp, member);
    connection.called.2 = at(V2, tcp);
    connection.open(world).goes_on(world);
}

/// When the second VIP was announced.
fn announced(world: &World) -> usize {
    let announcement = Build::arp_request(OURS[1], "10.20.0.101", "10.20.0.101").bytes();
    world.seen.iter().filter(|seen| seen.frame == announcement).count()
}

#[test]
fn s83_a_reload_with_another_vip_loses_nothing() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut connections = connections(world);
        world.lead.file = File::two_arm().and(SECOND_VIP);
        world.ask(Request::Reload).expect("the file is good");
        world.run(secs(3));
        assert_eq!(announced(world), 2);
        world.look();
        connections.iter_mut().for_each(|connection| connection.goes_on(world));
        is_there(world, HOST_A, 5070, 5071);
        assert_eq!(reloaded(world, File::two_arm()), Ok(1), "and it can be taken away again");
        connections.iter_mut().for_each(|connection| connection.goes_on(world));
        assert_eq!(reloaded(world, File::two_arm().and(SECOND_VIP)), Ok(1));
        is_there(world, HOST_A, 5070, 5071);
        assert_eq!(world.switchovers().len(), 1);
    });
}

#[test]
fn s83_a_reload_with_a_second_pair_loses_nothing() {
    told_with_a_active(&File::two_arm(), |world| {
        world.members.extend([Host::new(21), Host::new(22)]);
        world.members[3].serve();
        let mut connections = connections(world);
        assert!(reloaded(world, File::two_arm().and(SECOND_PAIR)).is_ok_and(|changes| changes >= 3));
        connections.iter_mut().for_each(|connection| connection.goes_on(world));
        steady(world, secs(2), HOST_A);
        is_there(world, Far::Host(3), 5060, 5061);
        let (client, d) = (at(PEER, 5060), world.ip(Far::Host(3)));
        world.forwards(Far::Host(3), call(&d, client), ROUTER, call("10.20.0.101", client));
        assert_eq!(world.active().as_deref(), Some("sip-a"));
        connections.iter_mut().for_each(|connection| connection.goes_on(world));
    });
}

#[test]
fn s83_a_file_with_errors_is_refused_whole_and_the_old_one_goes_on() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut connections = connections(world);
        let bad = File::two_arm().and(SECOND_VIP).with("rise = 2", "rise = 0\nraise = 2");
        let refused = reloaded(world, bad).expect_err("it is bad");
        assert!(refused.contains("rise") && refused.contains("raise") && refused.contains("world.toml"), "{refused}");
        assert!(reloaded(world, File("[[".into())).is_err());
        connections.iter_mut().for_each(|connection| connection.goes_on(world));
        let heard = world.members[0].probes.len();
        steady(world, secs(2), HOST_A);
        assert_eq!(world.members[0].probes.len() - heard, 4, "probes as before");
        let sent = request(at(PHONE, 5060), "10.20.0.101");
        world.send(ROUTER, &sent);
        world.run(secs(4));
        let seen = world.look();
        world.expect_own(&seen, ROUTER, &Build::icmp_error(E, PHONE, 3, 1, &sent));
        assert_eq!(reloaded(world, File::two_arm()), Ok(0), "the old one is still the one that runs");
    });
}

#[test]
fn s83_what_only_a_restart_can_change_is_refused_and_the_old_one_goes_on() {
    told_with_a_active(&File::two_arm(), |world| {
        let refused = reloaded(world, File::two_arm().with("net_null0", "net_null9"));
        assert!(refused.is_err_and(|message| message.contains("restart") && message.contains("outer")));
    });
}

#[test]
fn s83_a_hundred_reloads_leave_nothing_behind() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut connections = connections(world);
        for round in 0..100 {
            let file = File::two_arm().probing(200 + round, 3);
            world.lead.file = if round % 2 == 0 { file.and(SECOND_VIP) } else { file };
            world.ask(Request::Reload).expect("the file is good");
        }
        world.look();
        connections.iter_mut().for_each(|connection| connection.goes_on(world));
        assert_eq!(world.switchovers().len(), 1);
    });
}
