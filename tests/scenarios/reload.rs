//! Scenario 83: another file is taken over, or refused, while traffic flows.

use crate::with_a_active;
use fairlead::admin::request::{AdminState, FlowSelection};
use fairlead::admin::{Data, Request};
use fairlead::config;
use fairlead::wire::Mac;
use fairlead::wire::build::Build;
use testbench::bench::frames::*;
use testbench::bench::{Bench, Connection, Far, File, Host, INNER, OURS, OUTER};

/// The result of a reload while traffic flows. Nothing of it is lost.
#[track_caller]
fn reloaded(bench: &mut Bench, file: File) -> Result<usize, String> {
    bench.lead.file = file;
    let request_id = bench.lead.ask(Request::reload(), bench.now());
    bench.steady(ms(300), HOST_A);
    let answer = bench.lead.answer(request_id).expect("a reload is answered in time");
    answer.map_err(|error| error.message).map(|reply| match reply.data {
        Data::Reloaded(reloaded) => reloaded.changes.len(),
        other => panic!("{other:?}"),
    })
}

/// Requests that nobody answers are no signs there, so that members are probed in time with their interval.
fn without_signs() -> File {
    File::two_arm().with("[[virtual_server]]\n", "[[virtual_server]]\nredeliver = \"0\"\n")
}

/// Connections of every kind, which must outlive a reload.
fn connections(bench: &mut Bench) -> Vec<Connection> {
    vec![
        Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench),
        Connection::inward(bench, at(PHONE, 40_002), 5061, HOST_A).open(bench),
        Connection::outward(bench, HOST_A, 41_000, at(PEER, 5060)).open(bench),
        Connection::visit(bench, at(VISITOR, 50_000), HOST_B, 7000).open(bench),
        Connection::plain(bench, HOST_B, 42_000, at(CONFIG, 2020)).open(bench),
    ]
}

#[test]
fn s83_a_reload_with_another_probe_interval_loses_nothing() {
    with_a_active(&without_signs(), |bench| {
        let mut connections = connections(bench);
        let differences = reloaded(bench, without_signs().probing(200, 3));
        assert_eq!(differences, Ok(3), "interval, timeout, and patience, which is three intervals");
        connections.iter_mut().for_each(|connection| connection.exchange(bench));
        let heard = bench.members[0].probes.len();
        bench.steady(secs(2), HOST_A);
        assert_eq!(bench.members[0].probes.len() - heard, 10, "probes every 200 ms");
        assert_eq!(bench.switchovers().len(), 1, "and sip-a was active all the time");
        connections.iter_mut().for_each(|connection| connection.exchange(bench));
    });
}

const SECOND_VIP: &str = r#"
[[virtual_server]]
name = "sip-2"
address = "10.20.0.101"
pool = "pair-1"
listen = ["udp/5070", "tcp/5071"]
"#;

/// The second pair, to be put before the first.
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
[[pool]]
name = "pair-1"
"#;

fn two_pairs() -> File {
    without_signs().with("[[pool]]\nname = \"pair-1\"\n", SECOND_PAIR)
}

/// The members in the other order.
fn turned() -> File {
    let member = |name, last| format!("  {{ name = \"{name}\", address = \"10.20.0.{last}\" }},\n");
    let (a, b) = (member("sip-a", 11), member("sip-b", 12));
    File::two_arm().with(&format!("{a}{b}"), &format!("{b}{a}"))
}

/// The second VIP is answered for, and serves through `member` at these ports.
#[track_caller]
fn is_there(bench: &mut Bench, member: Far, udp: u16, tcp: u16) {
    let own = bench.ip(member);
    let stranger = Mac([2, 0, 0, 0, 0, 99]);
    bench.seen.clear();
    bench.inject(INNER, &Build::arp_request(stranger, "10.20.0.99", V2).bytes());
    bench.run(ms(3));
    let answer = Build::arp_reply(OURS[1], V2, stranger, "10.20.0.99").bytes();
    assert_eq!(bench.seen.iter().filter(|seen| seen.frame == answer).count(), 1);
    bench.look();
    let client = at(PHONE, 5060);
    let there = |dst: &str| Build::udp(client, at(dst, udp)).payload(b"REGISTER");
    bench.forwards(ROUTER, there(V2), member, there(&own));
    let back = |src: &str| Build::udp(at(src, udp), client).payload(b"SIP/2.0 200 OK");
    bench.forwards(member, back(&own), ROUTER, back(V2));
    let mut connection = Connection::inward(bench, at(PHONE, 40_101), tcp, member);
    connection.called.2 = at(V2, tcp);
    connection.open(bench).exchange(bench);
}

/// When the second VIP was announced.
fn announced(bench: &Bench) -> usize {
    let announcement = Build::arp_request(OURS[1], "10.20.0.101", "10.20.0.101").bytes();
    bench.seen.iter().filter(|seen| seen.frame == announcement).count()
}

#[test]
fn s83_a_reload_with_another_vip_loses_nothing() {
    with_a_active(&File::two_arm(), |bench| {
        let mut connections = connections(bench);
        bench.lead.file = File::two_arm().and(SECOND_VIP);
        bench.ask(Request::reload()).expect("the file is good");
        bench.run(secs(3));
        assert_eq!(announced(bench), 2);
        bench.look();
        connections.iter_mut().for_each(|connection| connection.exchange(bench));
        is_there(bench, HOST_A, 5070, 5071);
        assert_eq!(reloaded(bench, File::two_arm()), Ok(1), "and it can be taken away again");
        connections.iter_mut().for_each(|connection| connection.exchange(bench));
        assert_eq!(reloaded(bench, File::two_arm().and(SECOND_VIP)), Ok(1));
        is_there(bench, HOST_A, 5070, 5071);
        assert_eq!(bench.switchovers().len(), 1);
    });
}

#[test]
fn s83_a_second_pair_comes_and_goes_and_the_first_loses_nothing() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members.extend([Host::new(21), Host::new(22)]);
        bench.members[3].serve();
        let mut connections = connections(bench);
        for _ in 0..3 {
            assert!(reloaded(bench, two_pairs()).is_ok_and(|changes| changes >= 3));
            connections.iter_mut().for_each(|connection| connection.exchange(bench));
            bench.steady(secs(2), HOST_A);
            is_there(bench, Far::Host(3), 5060, 5061);
            let (client, d) = (at(PEER, 5060), bench.ip(Far::Host(3)));
            bench.forwards(Far::Host(3), call(&d, client), ROUTER, call("10.20.0.101", client));
            assert!(reloaded(bench, File::two_arm()).is_ok_and(|changes| changes >= 3));
            connections.iter_mut().for_each(|connection| connection.exchange(bench));
            assert_eq!((bench.active().as_deref(), bench.row("sip-a").flows), (Some("sip-a"), 3));
        }
    });
}

#[test]
fn s83_members_in_another_order_keep_their_roles_and_their_connections() {
    with_a_active(&File::two_arm(), |bench| {
        let mut connections = connections(bench);
        let mut of_b = Connection::outward(bench, HOST_B, 41_001, at(PEER, 5060)).open(bench);
        assert_eq!(reloaded(bench, turned()), Ok(1));
        bench.steady(secs(2), HOST_A);
        connections.iter_mut().for_each(|connection| connection.exchange(bench));
        assert_eq!((bench.row("sip-a").flows, bench.row("sip-b").flows), (3, 1));
        bench.members[0].powered = false;
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        // What it has not answered is delivered again, a thousand a second.
        bench.run(ms(400));
        let seen = bench.look();
        let was_reset = |connection: &Connection| seen.iter().any(|seen| connection.owns(seen));
        assert!(connections[..3].iter().all(was_reset), "what sip-a had is lost");
        assert!(!connections[3..].iter().any(was_reset) && !was_reset(&of_b), "and nothing else");
        of_b.exchange(bench);
        connections[3..].iter_mut().for_each(|connection| connection.exchange(bench));
    });
}

#[test]
fn s83_another_interface_is_there_at_once() {
    let file = File::two_arm()
        .and("[[interface]]\nname = \"dmz\"\nport = \"outer\"\nvlan = 300\naddresses = [\"198.51.100.1/24\"]\n");
    with_a_active(&File::two_arm(), |bench| {
        let mut connections = connections(bench);
        assert_eq!(reloaded(bench, file.clone()), Ok(1));
        connections.iter_mut().for_each(|connection| connection.exchange(bench));
        bench.seen.clear();
        let stranger = Mac([2, 0, 0, 0, 0, 99]);
        bench.inject(OUTER, &Build::arp_request(stranger, "198.51.100.9", "198.51.100.1").vlan(300).bytes());
        bench.run(ms(3));
        let answer = Build::arp_reply(OURS[0], "198.51.100.1", stranger, "198.51.100.9").vlan(300).bytes();
        assert_eq!(bench.seen.iter().filter(|seen| seen.frame == answer).count(), 1);
    });
}

#[test]
fn s83_the_admin_state_of_a_member_outlives_a_reload() {
    with_a_active(&File::two_arm(), |bench| {
        bench.members[1].serve();
        bench.run(secs(2));
        bench.set("sip-a", AdminState::Offline);
        bench.lead.file = File::two_arm().probing(200, 3);
        bench.ask(Request::reload()).expect("the file is good");
        bench.run(secs(3));
        assert_eq!((bench.admin("sip-a"), bench.active().as_deref()), (AdminState::Offline, Some("sip-b")));
        bench.set("sip-a", AdminState::Enabled);
        bench.run(secs(3));
        bench.force("sip-a");
        bench.lead.file = File::two_arm();
        bench.ask(Request::reload()).expect("the file is good");
        bench.members[0].retire();
        bench.run(secs(3));
        assert_eq!(bench.active().as_deref(), Some("sip-a"), "it is still forced");
    });
}

#[test]
fn s83_a_reload_that_nobody_confirms_is_undone_and_loses_nothing_either() {
    with_a_active(&without_signs(), |bench| {
        let mut connections = connections(bench);
        bench.lead.file = without_signs().and(SECOND_VIP).probing(200, 3);
        bench.ask(Request::Reload { confirm_s: Some(5), max_impact: None, yes: false }).expect("the file is good");
        bench.steady(secs(4), HOST_A);
        is_there(bench, HOST_A, 5070, 5071);
        let refused = bench.ask(Request::reload()).expect_err("one waits");
        assert!(refused.contains("`fairlead confirm`"), "{refused}");
        connections.iter_mut().for_each(|connection| connection.exchange(bench));
        bench.steady(secs(2), HOST_A);
        let heard = bench.members[0].probes.len();
        bench.steady(secs(2), HOST_A);
        assert_eq!(bench.members[0].probes.len() - heard, 4, "probes as before");
        connections.iter_mut().for_each(|connection| connection.exchange(bench));
        assert_eq!(bench.switchovers().len(), 1, "and sip-a was active all the time");
        bench.ask(Request::Reload { confirm_s: Some(5), max_impact: None, yes: false }).expect("the file is good");
        bench.ask(Request::Confirm {}).expect("one waits");
        bench.steady(secs(6), HOST_A);
        is_there(bench, HOST_A, 5070, 5071);
        connections.iter_mut().for_each(|connection| connection.exchange(bench));
    });
}

/// What is asked about a file before it is taken over is what happens then.
#[test]
fn s83_what_a_reload_would_do_is_known_before_it() {
    with_a_active(&File::two_arm().and(SECOND_VIP), |bench| {
        let mut connections = connections(bench);
        let mut other = Connection::inward(bench, at(PHONE, 40_009), 5071, HOST_A);
        other.called.2 = at(V2, 5071);
        let mut other = other.open(bench);
        other.exchange(bench);
        bench.lead.file = File::two_arm();
        let answer = bench.ask(Request::Diff { name: None, text: None }).expect("the file is good");
        let Data::Preview(preview) = answer else { panic!("{answer:?}") };
        assert_eq!((preview.changes.len(), preview.cut, preview.resteered, preview.keep_source), (1, 1, 0, 0));
        let row = &preview.impact[0];
        assert_eq!((row.pool.as_deref(), row.virtual_server.as_deref(), row.cut), (Some("pair-1"), Some("sip-2"), 1));
        other.exchange(bench);
        bench.ask(Request::reload()).expect("the file is good");
        connections.iter_mut().for_each(|connection| connection.exchange(bench));
    });
}

#[test]
fn s83_a_file_with_errors_is_rejected_whole_and_the_old_one_stays() {
    with_a_active(&without_signs(), |bench| {
        let mut connections = connections(bench);
        let bad = without_signs().and(SECOND_VIP).with("rise = 2", "rise = 0\nraise = 2");
        let refused = reloaded(bench, bad).expect_err("it is bad");
        assert!(refused.contains("rise") && refused.contains("raise") && refused.contains("bench.toml"), "{refused}");
        assert!(reloaded(bench, File("[[".into())).is_err());
        connections.iter_mut().for_each(|connection| connection.exchange(bench));
        let heard = bench.members[0].probes.len();
        bench.steady(secs(2), HOST_A);
        assert_eq!(bench.members[0].probes.len() - heard, 4, "probes as before");
        let sent = request(at(PHONE, 5060), "10.20.0.101");
        bench.send(ROUTER, &sent);
        bench.run(secs(4));
        let seen = bench.look();
        bench.expect_own(&seen, ROUTER, &Build::icmp_error(E, PHONE, 3, 1, &sent));
        assert_eq!(reloaded(bench, without_signs()), Ok(0), "the old one is still the one that runs");
    });
}

#[test]
fn s83_what_only_a_restart_can_change_is_rejected_and_the_old_one_stays() {
    with_a_active(&File::two_arm(), |bench| {
        let refused = reloaded(bench, File::two_arm().with("net_null0", "net_null9"));
        assert!(refused.is_err_and(|message| message.contains("restart") && message.contains("outer")));
    });
}

#[test]
fn s83_a_hundred_reloads_leave_nothing_behind() {
    with_a_active(&File::two_arm(), |bench| {
        let mut connections = connections(bench);
        for round in 0..100 {
            let file = File::two_arm().probing(200 + round, 3);
            bench.lead.file = if round % 2 == 0 { file.and(SECOND_VIP) } else { file };
            bench.ask(Request::reload()).expect("the file is good");
        }
        bench.look();
        connections.iter_mut().for_each(|connection| connection.exchange(bench));
        assert_eq!(bench.switchovers().len(), 1);
    });
}

/// Files that differ in everything a reload may change.
fn files() -> Vec<File> {
    vec![
        File::two_arm(),
        two_pairs(),
        two_pairs().probing(200, 2),
        File::two_arm().with("\"172.16.1.20/32\"", "\"172.16.1.20/32\", \"172.16.9.0/24\""),
        two_pairs().with("{ name = \"sip-c\", address = \"10.20.0.21\" }, ", ""),
        File::two_arm().with("10.20.0.100", "10.20.0.110"),
        File::two_arm().with("name = \"sip-a\"", "name = \"sip-z\""),
        File::two_arm().with("listen = [\"udp/5060\", \"tcp/5060\", \"tcp/5061\"]", "listen = [\"udp/5060\"]"),
        turned(),
        File::two_arm().and("[[nonsense]]"),
    ]
}

/// Everybody says everything, for a step.
fn babble(bench: &mut Bench, number: u16) {
    let client = at(PHONE, 20_000 + number);
    for vip in [V, "10.20.0.101", "10.20.0.110"] {
        bench.send(ROUTER, &request(client, vip));
        bench.send(ROUTER, &Build::tcp(client, at(vip, 5060), if number.is_multiple_of(2) { SYN } else { DATA }, 1, 1));
    }
    for place in 0..bench.members.len() {
        let (far, own) = (Far::Host(place), bench.ip(Far::Host(place)));
        bench.send(far, &call(&own, client));
        bench.send(far, &Build::tcp(at(&own, 30_000 + number), at(PEER, 80), SYN, 1, 0));
        bench.send(far, &Build::udp(at(&own, 30_000 + number), at(PEER, 53)).payload(b"?"));
    }
    if bench.chance(30) {
        let place = usize::from(bench.chance(2));
        if bench.chance(2) { bench.members[place].serve() } else { bench.members[place].retire() }
    }
    bench.turn();
    bench.seen.clear();
}

#[test]
fn s83_any_file_after_any_other_under_traffic_leaves_an_appliance_that_serves() {
    let files = files();
    with_a_active(&File::two_arm(), |bench| {
        bench.members.extend([Host::new(21), Host::new(22)]);
        bench.members[3].serve();
        for round in 0..150 {
            let pick = (0..files.len()).find(|_| bench.chance(4)).unwrap_or(0);
            bench.lead.file = files[pick].clone();
            let anyway = Request::Reload { confirm_s: None, max_impact: None, yes: true };
            let request_id = bench.lead.ask(anyway, bench.now());
            (0..20).for_each(|number| babble(bench, round * 20 + number));
            bench.run(ms(30));
            let answer = bench.lead.answer(request_id).expect("a reload is answered in time");
            assert_eq!(answer.is_err(), files[pick].0.contains("nonsense"), "{answer:?}");
        }
        bench.members[0].serve();
        bench.members[1].retire();
        bench.lead.file = File::two_arm();
        bench.ask(Request::reload()).expect("the file is good");
        bench.ask(Request::FlowsClear { filter: FlowSelection::default() }).expect("they can be forgotten");
        bench.run(secs(5));
        bench.look();
        bench.served_by(at(PHONE, 5060), HOST_A);
        Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench).exchange(bench);
    });
}

#[test]
fn s83_an_error_about_a_key_that_is_not_written_names_the_section_it_belongs_to() {
    let file =
        File::two_arm().and("[[virtual_server]]\nname = \"sip-2\"\naddress = \"10.20.0.101\"\npool = \"pair-1\"\n");
    let begins = file.0.lines().position(|line| line == "name = \"sip-2\"").unwrap();
    let errors = config::parse_for(8, "bench.toml", &file.0).unwrap_err().to_string();
    assert!(
        errors.contains(&format!("bench.toml:{begins}:")),
        "line {begins} begins the second virtual server: {errors}"
    );
}
