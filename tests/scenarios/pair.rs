//! Scenarios 120 to 129: two appliances that stand in for each other, seen from one of them.

use crate::with_workers;
use fairlead::admin::pair::{HealthReport, PairReport, PairRole};
use fairlead::admin::rows::{Fitness, RoleCause};
use fairlead::admin::{Data, Request};
use fairlead::control::{Input, PairNews, PairWord, PeerState, SyncState};
use fairlead::engine::DropReason;
use fairlead::handover::{Remembered, RememberedMember, RememberedPool};
use fairlead::wire::Mac;
use fairlead::wire::build::Build;
use testbench::bench::frames::*;
use testbench::bench::{Bench, File, INNER, OURS, OUTER, Seen, Twins};

/// The address that this appliance keeps on the servers' network; [`G`] floats.
const F: &str = "10.20.0.2";
/// The other appliance's port there.
const OTHER: Mac = Mac([2, 0xfe, 0, 0, 0, 0x22]);
/// Of virtual router 51 (RFC 9568 7.3).
const VIRTUAL: Mac = Mac([0x00, 0x00, 0x5e, 0x00, 0x01, 51]);

fn pair() -> File {
    let floating = "addresses = [\"10.20.0.2/24\"]\nfloating = [\"10.20.0.1/24\"]";
    File::two_arm().with("addresses = [\"10.20.0.1/24\"]", floating).and("\n[pair]\ninstance = \"VI_1\"\n")
}

/// One that stands by, with probes that have found sip-a up.
fn with_standby(file: &File, scenario: impl Fn(&mut Bench)) {
    with_workers(file, |bench| {
        bench.members.iter_mut().for_each(|member| member.gateway = F.parse().unwrap());
        bench.until(secs(30), |bench| bench.active().as_deref() == Some("sip-a"));
        bench.rest(secs(4));
        bench.seen.clear();
        scenario(bench);
    });
}

fn news(bench: &mut Bench, news: PairNews) {
    let now = bench.now();
    bench.lead.handle(Input::Pair(news), now);
}

fn keepalived(bench: &mut Bench, state: &str) {
    news(bench, PairNews::Keepalived(format!("INSTANCE \"VI_1\" {state} 100")));
}

/// keepalived has made this one the active appliance, and nothing waits any more.
fn become_active(bench: &mut Bench) {
    keepalived(bench, "MASTER");
    bench.rest(secs(4));
    bench.look();
}

fn report(bench: &mut Bench) -> PairReport {
    let Ok(Data::Pair(report)) = bench.ask(Request::Pair {}) else { panic!("there is a pair") };
    *report
}

fn role(bench: &mut Bench, role: PairRole, yes: bool) -> Result<PairReport, String> {
    bench.ask(Request::PairRole { role, yes }).map(|data| match data {
        Data::Pair(report) => *report,
        other => panic!("{other:?}"),
    })
}

fn health(bench: &mut Bench) -> HealthReport {
    let Ok(Data::Health(report)) = bench.ask(Request::Health {}) else { panic!("no health") };
    report
}

fn drops(bench: &Bench, reason: DropReason) -> u64 {
    bench.lead.counters().drops(reason)
}

/// ARP that speaks in the name of this address.
fn arp_of<'s>(seen: &'s [Seen], address: &str) -> Vec<&'s Seen> {
    let sender: std::net::Ipv4Addr = address.parse().unwrap();
    seen.iter().filter(|seen| seen.is_arp() && seen.headers().src() == sender).collect()
}

/// An address is announced so, in both forms.
fn announcements(mac: Mac, address: &str) -> [Vec<u8>; 2] {
    let reply = Build::arp_reply(mac, address, mac, address).macs(mac, Mac::BROADCAST);
    [Build::arp_request(mac, address, address).bytes(), reply.bytes()]
}

/// What nobody but the active one may take: each with who sends it.
fn for_the_active() -> Vec<(Far, Build)> {
    let phone = at(PHONE, 5060);
    vec![
        (ROUTER, request(phone, V)),
        (ROUTER, Build::tcp(at(PHONE, 40_001), at(V, 5060), SYN, 1, 0)),
        (ROUTER, Build::tcp(at(PHONE, 40_001), at(V, 5060), DATA, 1, 1).payload(b"x")),
        (ROUTER, Build::udp(phone, at(V, 7_777)).payload(b"nobody listens there")),
        (ROUTER, Build::echo_request(PHONE, V, 7, 1)),
        (ROUTER, Build::echo_request(PHONE, G, 7, 1)),
        (HOST_A, Build::echo_request(A, G, 7, 1)),
        (HOST_A, Build::tcp(at(A, 33_000), at(G, 22), SYN, 1, 0)),
        (HOST_A, call(A, phone)),
        (HOST_A, Build::tcp(at(A, 40_000), at(PEER, 5060), SYN, 1, 0)),
        (HOST_A, Build::udp(at(A, 40_000), at(CONFIG, 2020)).payload(b"excluded")),
        (HOST_A, Build::udp(at(A, 40_000), at(V, 5060)).payload(b"hairpin")),
        (ROUTER, Build::udp(at(VISITOR, 50_000), at(A, 161)).payload(b"direct")),
        (ROUTER, Build::udp(at(VISITOR, 50_000), at(PEER, 161)).payload(b"transit")),
        (ROUTER, Build::udp(at(VISITOR, 50_000), at(PEER, 161)).payload(b"expired").ttl(1)),
    ]
}

#[test]
fn s120_a_standby_has_its_own_addresses_and_says_nothing_about_what_is_the_active_one_s() {
    with_standby(&pair(), |bench| {
        assert_eq!(report(bench).role, PairRole::Standby);
        for floating in [G, V] {
            bench.inject(INNER, &Build::arp_request(bench.members[0].mac, A, floating).bytes());
        }
        bench.run(ms(5));
        bench.inject(INNER, &Build::arp_request(bench.members[0].mac, A, F).bytes());
        bench.rest(secs(70));
        for floating in [G, V] {
            assert!(arp_of(&bench.seen, floating).is_empty(), "{floating} is the other one's");
        }
        let answer = Build::arp_reply(OURS[1], F, bench.members[0].mac, A).bytes();
        assert!(bench.seen.iter().any(|seen| seen.port == INNER && seen.frame == answer));
        let fixed = Build::arp_request(OURS[1], F, F).bytes();
        assert!(bench.seen.iter().any(|seen| seen.port == INNER && seen.frame == fixed), "its own is announced");
        assert!(!bench.members[0].probes.is_empty(), "it probes");
        bench.look();
        let ping = |from: &str, to: &str| Build::echo_request(from, to, 7, 1).payload(b"ping");
        bench.answers(HOST_A, &ping(A, F), Build::echo_reply(F, A, 7, 1).payload(b"ping"));
        bench.answers(ROUTER, &ping(PHONE, E), Build::echo_reply(E, PHONE, 7, 1).payload(b"ping"));
        let all = for_the_active();
        for (from, sent) in &all {
            bench.swallows(*from, sent);
        }
        assert_eq!(drops(bench, DropReason::PairStandby), all.len() as u64, "{:?}", bench.lead.counted());
        assert!(bench.flows(Default::default()).is_empty());
    });
}

/// A standby hears the active one announce what it will have itself: no alarm, no defence, whoever that is.
#[test]
fn s120_a_standby_does_not_dispute_what_the_active_one_announces() {
    with_standby(&pair(), |bench| {
        for frame in [G, V].into_iter().flat_map(|address| announcements(OTHER, address)) {
            bench.inject(INNER, &frame);
            bench.run(ms(5));
        }
        bench.rest(secs(15));
        let disputes = |text: &String| text.contains("claim") || text.contains("active");
        assert!(!bench.alarms().iter().any(disputes), "{:?}", bench.alarms());
        assert!([G, V].iter().all(|address| arp_of(&bench.seen, address).is_empty()));
    });
}

#[test]
fn s121_a_standby_that_becomes_active_announces_what_it_has_and_forwards() {
    with_standby(&pair(), |bench| {
        bench.swallows(ROUTER, &request(at(PHONE, 5060), V));
        bench.seen.clear();
        let word = bench.now();
        keepalived(bench, "MASTER");
        bench.run(ms(10));
        let first: Vec<Vec<u8>> = [G, V].into_iter().flat_map(|address| announcements(OURS[1], address)).collect();
        let said = |seen: &[Seen]| {
            let ours = seen.iter().filter(|seen| seen.is_arp() && seen.headers().src() == seen.headers().dst());
            ours.map(|seen| (seen.port, seen.frame.clone())).collect::<Vec<_>>()
        };
        let expected: Vec<_> = first.iter().map(|frame| (INNER, frame.clone())).collect();
        assert_eq!(said(&bench.seen), expected, "each address in both forms, and nothing else");
        bench.look();
        bench.served_by(at(PHONE, 5060), HOST_A);
        bench.answers(HOST_A, &Build::echo_request(A, G, 7, 1), Build::echo_reply(G, A, 7, 1));
        bench.run(secs(3));
        let again = arp_of(&bench.seen, V);
        assert_eq!(again.iter().map(|seen| seen.frame.clone()).collect::<Vec<_>>(), announcements(OURS[1], V));
        assert!(again[0].at.since(word) > secs(1), "whoever believed somebody else a moment ago hears it again");
        let report = report(bench);
        assert_eq!((report.role, report.cause, report.takeovers), (PairRole::Active, RoleCause::Keepalived, 1));
        let last = report.last_takeover.expect("it has taken over");
        let marks = [last.published_us, last.installed_us, last.announced_first_us, last.announced_last_us];
        let marks: Vec<u64> = marks.into_iter().map(|mark| mark.expect("it has happened")).collect();
        assert!(marks.is_sorted() && marks[3] <= 10_000, "{marks:?}");
    });
}

/// Nothing is said in the name of an address before every worker takes what comes for it.
#[test]
fn s121_announcements_wait_for_the_last_worker() {
    with_standby(&pair(), |bench| {
        keepalived(bench, "MASTER");
        let sent = request(at(PHONE, 5060), V);
        while arp_of(&bench.seen, V).is_empty() {
            bench.turn();
        }
        bench.look();
        bench.forwards(ROUTER, sent, HOST_A, request(at(PHONE, 5060), A));
    });
}

#[test]
fn s121_an_active_one_that_stands_by_stops_at_once() {
    with_standby(&pair(), |bench| {
        become_active(bench);
        bench.served_by(at(PHONE, 5060), HOST_A);
        for state in ["BACKUP", "FAULT", "STOP"] {
            keepalived(bench, state);
            bench.seen.clear();
            let before = drops(bench, DropReason::PairStandby);
            for (from, sent) in &for_the_active() {
                bench.swallows(*from, sent);
            }
            assert_eq!(drops(bench, DropReason::PairStandby) - before, for_the_active().len() as u64, "{state}");
            bench.inject(INNER, &Build::arp_request(bench.members[0].mac, A, V).bytes());
            bench.rest(secs(70));
            assert!([G, V].iter().all(|address| arp_of(&bench.seen, address).is_empty()), "{state}");
            become_active(bench);
        }
        assert_eq!(report(bench).takeovers, 4);
    });
}

/// What was held by cached routes of flows is not forwarded by a standby, and continues when it is active again.
#[test]
fn s121_flows_that_stand_are_neither_forwarded_by_a_standby_nor_forgotten() {
    with_standby(&pair(), |bench| {
        become_active(bench);
        let inward = |number: u32| Build::udp(at(PEER, 5060), at(V, 40_000)).payload(&number.to_be_bytes());
        let outward = |number: u32| Build::udp(at(A, 40_000), at(PEER, 5060)).payload(&number.to_be_bytes());
        let out = |number: u32| Build::udp(at(V, 40_000), at(PEER, 5060)).payload(&number.to_be_bytes());
        let back = |number: u32| Build::udp(at(PEER, 5060), at(A, 40_000)).payload(&number.to_be_bytes());
        for number in 0..4 {
            bench.forwards(HOST_A, outward(number), ROUTER, out(number));
            bench.forwards(ROUTER, inward(number), HOST_A, back(number));
        }
        keepalived(bench, "BACKUP");
        bench.turn();
        bench.swallows(ROUTER, &inward(5));
        bench.swallows(HOST_A, &outward(5));
        assert_eq!(bench.flows(Default::default()).len(), 1);
        become_active(bench);
        bench.forwards(ROUTER, inward(6), HOST_A, back(6));
        bench.forwards(HOST_A, outward(6), ROUTER, out(6));
    });
}

#[test]
fn s122_for_a_while_after_a_takeover_nothing_is_refused_and_what_the_other_one_knows_continues() {
    let file = pair().with("pool = \"pair-1\"\nlisten", "pool = \"pair-1\"\nunmatched = \"reject-now\"\nlisten");
    with_standby(&file, |bench| {
        keepalived(bench, "MASTER");
        bench.run(ms(100));
        bench.look();
        let nobody = Build::udp(at(PHONE, 5060), at(V, 7_777)).payload(b"nobody listens there");
        let syn = Build::tcp(at(PHONE, 40_002), at(V, 7_777), SYN, 7, 0);
        bench.swallows(ROUTER, &nobody);
        bench.swallows(ROUTER, &syn);
        assert_eq!(drops(bench, DropReason::PairSettling), 2);
        // A router's errors hold whoever is active.
        let expired = Build::udp(at(VISITOR, 50_000), at(A, 161)).payload(b"expired").ttl(1);
        bench.answers(ROUTER, &expired, Build::icmp_error(E, VISITOR, 11, 0, &expired));
        // A connection that only the other one knew is taken up by the active member: its port is not translated.
        let inside = |to: &str| Build::tcp(at(PHONE, 40_001), at(to, 5060), DATA, 77, 99).payload(b"OPTIONS");
        bench.forwards(ROUTER, inside(V), HOST_A, inside(A));
        // Whether a SYN that only the other one has seen was to the virtual address is not known until it is repeated.
        let caller = at(PHONE, 40_003);
        let accepts = |from: &str| Build::tcp(at(from, 5060), caller, SYN_ACK, 9_000, 8);
        bench.swallows(HOST_A, &accepts(A));
        let opens = |to: &str| Build::tcp(caller, at(to, 5060), SYN, 7, 0);
        bench.forwards(ROUTER, opens(V), HOST_A, opens(A));
        bench.forwards(HOST_A, accepts(A), ROUTER, accepts(V));
        assert!(report(bench).settling_ms > 0);
        bench.run(secs(3));
        bench.look();
        bench.answers(ROUTER, &nobody, Build::icmp_error(V, PHONE, 3, 3, &nobody));
        assert_eq!(bench.pass(ROUTER, &syn).len(), 1, "a reset");
        assert_eq!((report(bench).settling_ms, drops(bench, DropReason::PairSettling)), (0, 3));
    });
}

/// A pool that refuses while it has no member does not while the other appliance may have had one.
#[test]
fn s122_no_member_refuses_nobody_before_it_has_settled() {
    let file = pair()
        .with("name = \"pair-1\"\nmembers", "name = \"pair-1\"\nno_member = \"reject\"\ngap = \"100ms\"\nmembers");
    with_standby(&file, |bench| {
        bench.members[0].powered = false;
        bench.rest(secs(20));
        keepalived(bench, "MASTER");
        bench.run(ms(100));
        bench.look();
        let sent = request(at(PHONE, 5060), V);
        bench.swallows(ROUTER, &sent);
        bench.run(secs(4));
        bench.look();
        bench.refused(at(PHONE, 5061));
    });
}

fn with_virtual_mac() -> File {
    let floating = "floating = [\"10.20.0.1/24\"]";
    pair().with(floating, &format!("{floating}\nvrid = 51")).and("virtual_mac = true\n")
}

#[test]
fn s123_floating_addresses_are_at_the_virtual_router_s_mac_and_fixed_ones_at_the_port_s() {
    with_standby(&with_virtual_mac(), |bench| {
        keepalived(bench, "MASTER");
        bench.run(ms(10));
        let said: Vec<Vec<u8>> = [G, V].into_iter().flat_map(|address| announcements(VIRTUAL, address)).collect();
        let heard: Vec<_> = [G, V].iter().flat_map(|address| arp_of(&bench.seen, address)).collect();
        assert_eq!(heard.iter().map(|seen| seen.frame.clone()).collect::<Vec<_>>(), said);
        bench.run(secs(4));
        let mac = bench.members[0].mac;
        for (asked, answered) in [(G, VIRTUAL), (V, VIRTUAL), (F, OURS[1])] {
            bench.seen.clear();
            bench.inject(INNER, &Build::arp_request(mac, A, asked).bytes());
            bench.run(ms(3));
            // The frame is the port's own, as RFC 9568 8.1.2 has it.
            let reply = Build::arp_reply(answered, asked, mac, A).macs(OURS[1], mac).bytes();
            let frames: Vec<_> = arp_of(&bench.seen, asked).into_iter().map(|seen| seen.frame.clone()).collect();
            assert_eq!(frames, [reply], "{asked}");
        }
        bench.look();
        // To the virtual router, and to the port itself: as the first packet of a flow, and by its cached route.
        for (port, to) in [(40_000, VIRTUAL), (40_001, OURS[1])] {
            for number in 0..4_u8 {
                let sent = Build::udp(at(A, port), at(PEER, 5060)).payload(&[number]).macs(mac, to);
                bench.inject(INNER, &sent.bytes());
                bench.run(ms(3));
                let seen = bench.look();
                bench.expect(&seen, ROUTER, &Build::udp(at(V, port), at(PEER, 5060)).payload(&[number]).ttl(63));
            }
        }
    });
}

#[test]
fn s123_a_standby_does_not_take_frames_for_the_virtual_router() {
    with_standby(&with_virtual_mac(), |bench| {
        let sent = Build::echo_request(A, G, 7, 1).macs(bench.members[0].mac, VIRTUAL).bytes();
        bench.inject(INNER, &sent);
        bench.run(ms(3));
        assert!(bench.look().is_empty());
        assert_eq!((drops(bench, DropReason::NotForUs), drops(bench, DropReason::PairStandby)), (1, 0));
        become_active(bench);
        bench.inject(INNER, &sent);
        bench.run(ms(3));
        let seen = bench.look();
        bench.expect_own(&seen, HOST_A, &Build::echo_reply(G, A, 7, 1));
    });
}

fn peer(role: PairRole, priority: u16) -> PairNews {
    let address = "192.0.2.3".parse().unwrap();
    PairNews::Word(PairWord::State(PeerState { role, priority, address, macs: vec![OTHER], order: 0 }))
}

/// The other one claims both addresses for so many seconds.
fn claim(bench: &mut Bench, seconds: u64) {
    for _ in 0..seconds {
        for frame in announcements(OTHER, V) {
            bench.inject(INNER, &frame);
        }
        bench.run(secs(1));
    }
}

#[test]
fn s124_two_active_ones_are_an_alarm_and_the_lower_priority_yields() {
    with_standby(&pair(), |bench| {
        become_active(bench);
        news(bench, peer(PairRole::Standby, 110));
        news(bench, PairNews::PeerLost);
        bench.seen.clear();
        claim(bench, 3);
        let alarms = bench.alarms();
        let named = |text: &&String| text.contains("both appliances") && text.contains(&OTHER.to_string());
        assert_eq!(alarms.iter().filter(named).count(), 1, "{alarms:?}");
        assert!(!alarms.iter().any(|text| text.contains("duplicate")), "{alarms:?}");
        let now = report(bench);
        assert_eq!((now.role, now.cause), (PairRole::Standby, RoleCause::Split));
        bench.look();
        bench.swallows(ROUTER, &request(at(PHONE, 5060), V));
        // The other one leaves the role.
        news(bench, peer(PairRole::Standby, 110));
        bench.run(secs(4));
        assert_eq!(report(bench).role, PairRole::Active);
        bench.look();
        bench.served_by(at(PHONE, 5060), HOST_A);
    });
}

#[test]
fn s124_the_higher_priority_stays_and_a_stranger_is_a_duplicate_address() {
    with_standby(&pair(), |bench| {
        become_active(bench);
        news(bench, peer(PairRole::Active, 90));
        bench.run(secs(5));
        let now = report(bench);
        assert_eq!((now.role, now.split_since.is_some()), (PairRole::Active, true));
        news(bench, peer(PairRole::Standby, 200));
        assert_eq!(report(bench).split_since, None);
        assert!(bench.alarms().iter().all(|text| !text.contains("both")), "{:?}", bench.alarms());
        let stranger = Mac([2, 0, 0, 0xbd, 0, 0x63]);
        for _ in 0..4 {
            bench.inject(INNER, &Build::arp_request(stranger, V, V).bytes());
            bench.run(secs(1));
        }
        assert_eq!(report(bench).role, PairRole::Active);
        let alarms = bench.alarms();
        assert!(
            alarms.iter().any(|text| text.contains("duplicate") && text.contains(&stranger.to_string())),
            "{alarms:?}"
        );
    });
}

#[test]
fn s125_an_operator_s_word_may_be_said_twice_and_one_that_costs_connections_has_to_be_meant() {
    with_standby(&pair(), |bench| {
        let first = role(bench, PairRole::Active, false).unwrap();
        bench.run(secs(1));
        let second = role(bench, PairRole::Active, false).unwrap();
        assert_eq!((first.role, first.cause, first.takeovers), (PairRole::Active, RoleCause::Operator, 1));
        assert_eq!((second.since, second.takeovers), (first.since, 1));
        let third = role(bench, PairRole::Standby, false).unwrap();
        assert_eq!((third.role, third.cause), (PairRole::Standby, RoleCause::Operator));
        assert_eq!(role(bench, PairRole::Standby, false).unwrap().since, third.since);
        news(bench, peer(PairRole::Active, 100));
        news(bench, PairNews::Sync(SyncState { is_in_sync: false, lag_flows: 12, lag: ms(30) }));
        let refused = role(bench, PairRole::Active, false).unwrap_err();
        assert!(refused.contains("12 changes") && refused.contains("--yes"), "{refused}");
        assert_eq!(report(bench).role, PairRole::Standby);
        assert_eq!(role(bench, PairRole::Active, true).unwrap().role, PairRole::Active);
    });
}

#[test]
fn s125_health_says_in_one_line_why_an_appliance_is_not_fit_to_be_active() {
    with_standby(&pair(), |bench| {
        let fit = HealthReport { state: Fitness::Fit, reasons: vec![] };
        assert_eq!(health(bench), fit);
        news(bench, peer(PairRole::Active, 100));
        news(bench, PairNews::Sync(SyncState { is_in_sync: false, lag_flows: 12, lag: ms(30) }));
        let behind = health(bench);
        assert!(behind.state == Fitness::NotYet && behind.reasons[0].contains("12 changes"), "{behind:?}");
        news(bench, PairNews::Sync(SyncState { is_in_sync: true, lag_flows: 0, lag: ms(0) }));
        assert_eq!(health(bench), fit);
        bench.link(OUTER, false);
        let unplugged = health(bench);
        assert!(unplugged.state == Fitness::Unfit && unplugged.reasons[0].contains("outer"), "{unplugged:?}");
        bench.link(OUTER, true);
        bench.run(secs(1));
        assert_eq!(health(bench), fit);
        bench.members.iter_mut().for_each(|member| member.powered = false);
        bench.rest(secs(20));
        assert_eq!(health(bench).state, Fitness::Unfit);
        bench.members[0].powered = true;
        bench.rest(secs(10));
        become_active(bench);
        assert_eq!(health(bench), fit);
        keepalived(bench, "BACKUP");
        assert_eq!(health(bench).state, Fitness::NotYet, "two that take over by turns do not end");
    });
}

/// The other appliance, which is active, has this member active, by its seventh choice.
fn pools(active: &str, generation: u32) -> PairNews {
    let member = |address: &str| RememberedMember {
        address: address.parse().unwrap(),
        up: true,
        down: false,
        lost_before: 0,
        released: None,
        lost_role: None,
        served_until: None,
    };
    let pool = RememberedPool {
        name: "pair-1".into(),
        active: Some(active.parse().unwrap()),
        since: 0,
        generation,
        members: [A, B].map(member).to_vec(),
    };
    PairNews::Word(PairWord::Pools(Remembered { pools: vec![pool], ..Remembered::default() }))
}

#[test]
fn s126_a_standby_has_the_active_members_of_the_active_one_and_a_takeover_moves_none_of_them() {
    with_standby(&pair(), |bench| {
        bench.members[1].serve();
        bench.run(secs(3));
        let before = bench.switchovers().len();
        news(bench, pools(B, 7));
        bench.run(secs(3));
        assert_eq!(bench.active().as_deref(), Some("sip-b"), "whatever this one would choose");
        bench.members[1].powered = false;
        bench.rest(secs(20));
        assert_eq!(bench.active().as_deref(), Some("sip-b"), "the other one says whether that is so");
        bench.members[1].powered = true;
        bench.rest(secs(10));
        become_active(bench);
        assert_eq!((bench.active().as_deref(), bench.switchovers().len()), (Some("sip-b"), before));
        bench.look();
        bench.served_by(at(PHONE, 5060), HOST_B);
        news(bench, pools(A, 9));
        bench.run(secs(1));
        assert_eq!(bench.active().as_deref(), Some("sip-b"), "an active one follows nobody");
        bench.members[1].powered = false;
        bench.until(secs(20), |bench| bench.active().as_deref() == Some("sip-a"));
    });
}

/// Who was chosen by the other one, and is down by this one's own probes, does not stay when it is this one's to choose.
#[test]
fn s126_at_a_takeover_a_member_that_is_down_is_replaced() {
    with_standby(&pair(), |bench| {
        news(bench, pools(B, 7));
        bench.run(secs(1));
        assert_eq!(bench.active().as_deref(), Some("sip-b"));
        become_active(bench);
        assert_eq!(bench.active().as_deref(), Some("sip-a"));
        bench.look();
        bench.served_by(at(PHONE, 5060), HOST_A);
    });
}

#[test]
fn s127_of_keepalived_s_lines_those_of_our_instance_count_and_unknown_ones_are_counted() {
    with_standby(&pair(), |bench| {
        for line in
            ["INSTANCE \"VI_2\" MASTER 100", "GROUP \"VI_1\" MASTER 100", "nonsense", "INSTANCE \"VI_1\" KING 1"]
        {
            news(bench, PairNews::Keepalived(line.into()));
        }
        let now = report(bench);
        assert_eq!((now.role, now.unknown_lines), (PairRole::Standby, 2));
        become_active(bench);
        assert_eq!(report(bench).role, PairRole::Active);
        news(bench, PairNews::KeepalivedGone);
        assert_eq!((report(bench).role, report(bench).cause), (PairRole::Standby, RoleCause::Keepalived));
        news(bench, PairNews::Kernel(true));
        assert_eq!((report(bench).role, report(bench).cause), (PairRole::Active, RoleCause::Kernel));
        let roles = |logged: &testbench::bench::Logged| logged.row.fields().contains("pair.role");
        assert_eq!(bench.lead.log.iter().filter(|line| roles(line)).count(), 3);
    });
}

#[test]
fn s129_a_reload_that_adds_or_removes_the_pair_moves_nothing() {
    with_workers(&File::two_arm(), |bench| {
        bench.until(secs(30), |bench| bench.active().as_deref() == Some("sip-a"));
        let refused = bench.ask(Request::Pair {}).unwrap_err();
        assert!(refused.contains("no [pair]"), "{refused}");
        let Ok(Data::Status(status)) = bench.ask(Request::Status {}) else { panic!() };
        assert_eq!(status.pair, None);
        bench.run(secs(6));
        bench.look();
        bench.served_by(at(PHONE, 5060), HOST_A);
        bench.lead.file = File::two_arm().and("\n[pair]\nrole = \"standby\"\n");
        bench.ask(Request::reload()).unwrap();
        let now = report(bench);
        assert_eq!((now.role, now.cause, now.settling_ms), (PairRole::Active, RoleCause::Alone, 0));
        bench.look();
        bench.served_by(at(PHONE, 5061), HOST_A);
        role(bench, PairRole::Standby, false).unwrap();
        bench.swallows(ROUTER, &request(at(PHONE, 5062), V));
        bench.lead.file = File::two_arm();
        bench.ask(Request::reload()).unwrap();
        bench.run(secs(1));
        bench.look();
        bench.served_by(at(PHONE, 5063), HOST_A);
    });
}

/// The two files: alike but for the addresses that each has for itself.
fn two_files(priorities: [u16; 2]) -> [File; 2] {
    let file = |last: usize, priority: u16| {
        File::two_arm()
            .with("\"192.0.2.2/24\"]", &format!("\"192.0.2.{last}/24\"]\nfloating = [\"192.0.2.10/24\"]"))
            .with("\"10.20.0.1/24\"]", &format!("\"10.20.0.{last}/24\"]\nfloating = [\"10.20.0.1/24\"]"))
            .and(&format!("\n[pair]\npriority = {priority}\n"))
    };
    [file(2, priorities[0]), file(3, priorities[1])]
}

fn twins(seed: u64, workers: usize) -> Twins {
    let files = two_files([100, 90]);
    let mut twins = Twins::new([&files[0], &files[1]], ["10.20.0.2", "10.20.0.3"], workers, seed);
    twins.rest(secs(8));
    twins
}

const MASTER: &str = "INSTANCE \"VI_1\" MASTER 100";
const BACKUP: &str = "INSTANCE \"VI_1\" BACKUP 100";

/// A call in each direction, to wherever neighbours believe the floating addresses: who forwarded what.
fn calls(twins: &mut Twins, port: u16) -> Vec<(usize, Seen)> {
    twins.look();
    twins.send(OUTER, "192.0.2.10".parse().unwrap(), &request(at(PHONE, port), V));
    twins.send(INNER, G.parse().unwrap(), &call(A, at(PHONE, port)));
    twins.run(ms(3));
    twins.look()
}

fn sources(seen: &[(usize, Seen)]) -> Vec<(usize, String, String)> {
    let ends = |seen: &Seen| (seen.headers().src().to_string(), seen.headers().dst().to_string());
    let mut all: Vec<_> = seen.iter().map(|(lead, seen)| (*lead, ends(seen).0, ends(seen).1)).collect();
    all.sort();
    all
}

#[test]
fn s128_of_two_appliances_the_active_one_alone_serves_and_neighbours_find_it_after_each_takeover() {
    for workers in [1, 3] {
        let mut twins = twins(workers as u64, workers);
        assert!(calls(&mut twins, 5060).is_empty(), "both stand by");
        for round in 0..6_u16 {
            let active = usize::from(round % 2);
            twins.tell(1 - active, PairNews::Keepalived(BACKUP.into()));
            twins.tell(active, PairNews::Keepalived(MASTER.into()));
            twins.run(ms(5));
            let seen = calls(&mut twins, 5_060 + round);
            let expected = [(active, V.into(), PHONE.into()), (active, PHONE.into(), A.into())];
            assert_eq!(sources(&seen), expected, "round {round}: within 5 ms, and once");
            twins.rest(ms(u64::from(round) * 700));
        }
        assert!(twins.leads.iter().all(|lead| lead.log.iter().all(|line| !line.message.contains("duplicate"))));
        twins.shut_down();
    }
}

/// Whatever the two hear, and in whatever order: each packet is forwarded once at most, and with the virtual address; as soon as one is
/// active alone, once exactly. Two that are both active become one.
#[test]
fn s128_whatever_two_appliances_hear_no_packet_leaves_twice_or_with_a_wrong_source() {
    for seed in 1..=4_u64 {
        let mut twins = twins(seed, 2);
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = |of: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % of
        };
        let mut is_master = [false; 2];
        for step in 0..40_u16 {
            let lead = draw(2) as usize;
            is_master[lead] = draw(3) > 0;
            let line = if is_master[lead] { MASTER } else { BACKUP };
            twins.tell(lead, PairNews::Keepalived(line.into()));
            twins.run(ms(draw(40)));
            let seen = calls(&mut twins, 6_000 + step);
            let [inward, outward] = [A, PHONE].map(|to| sources(&seen).into_iter().filter(|one| one.2 == to).count());
            assert_eq!(inward + outward, seen.len(), "seed {seed}, step {step}: {:?}", sources(&seen));
            assert!(inward <= 1 && outward <= 1, "seed {seed}, step {step}: {:?}", sources(&seen));
            assert!(sources(&seen).iter().all(|one| one.2 == A || one.1 == V), "seed {seed}, step {step}");
            if is_master == [false, true] || is_master == [true, false] {
                // As long as a claim of the other one's counts, and a little more.
                twins.rest(secs(6));
                let active = usize::from(is_master[1]);
                let expected = [(active, V.to_owned(), PHONE.to_owned()), (active, PHONE.to_owned(), A.to_owned())];
                let seen = calls(&mut twins, 8_000 + step);
                assert_eq!(sources(&seen), expected, "seed {seed}, step {step}");
            }
        }
        twins.shut_down();
    }
}
