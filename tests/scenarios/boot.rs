//! Scenarios 15 to 17: what is announced on the link at the start, who becomes active, and what a client hears until then.

use crate::{run, with_a_active, with_workers};
use fairlead::admin::rows::{MemberState, Role};
use fairlead::policy::intent::PortId;
use fairlead::time::Instant;
use fairlead::wire::Mac;
use fairlead::wire::build::Build;
use testbench::bench::frames::*;
use testbench::bench::{Bench, Connection, File, INNER, OURS, OUTER, Seen, Service};

/// When an address was announced on a port: frames that are, whole, the announcement of RFC 5227 2.3.
fn announced(seen: &[Seen], port: PortId, announcement: &[u8]) -> Vec<Instant> {
    seen.iter().filter(|seen| seen.port == port && seen.frame == announcement).map(|seen| seen.at).collect()
}

/// At least two, the second two seconds after the first; none before `from`.
#[track_caller]
fn told_to_the_link(times: &[Instant], from: Instant) {
    assert!(times.len() >= 2, "announced at {times:?}");
    assert!(times[0] >= from && times[0].since(from) <= ms(10), "the first at {:?}", times[0]);
    let apart = times[1].since(times[0]);
    assert!(apart >= ms(1_999) && apart <= ms(2_001), "the second {apart:?} later");
}

/// How many ARP packets on a port announce anything at all.
fn announcements(seen: &[Seen], port: PortId) -> usize {
    let here = seen.iter().filter(|seen| seen.port == port && seen.is_arp());
    here.filter(|seen| seen.headers().src() == seen.headers().dst()).count()
}

#[test]
fn s15_each_address_is_announced_twice_two_seconds_apart_once_its_link_is_up() {
    for workers in [1, 3] {
        run(Bench::unplugged(&File::two_arm(), workers, 7), workers, |bench| {
            bench.run(secs(1));
            assert_eq!(announcements(&bench.seen, OUTER) + announcements(&bench.seen, INNER), 0, "no link is up");
            bench.link(INNER, true);
            let inner_up = bench.now();
            bench.run(secs(3));
            assert_eq!(announcements(&bench.seen, OUTER), 0, "the other link is down");
            bench.link(OUTER, true);
            let outer_up = bench.now();
            bench.run(secs(3));
            let announcement = |mac: Mac, address: &str| Build::arp_request(mac, address, address).bytes();
            told_to_the_link(&announced(&bench.seen, INNER, &announcement(OURS[1], G)), inner_up);
            told_to_the_link(&announced(&bench.seen, INNER, &announcement(OURS[1], V)), inner_up);
            told_to_the_link(&announced(&bench.seen, OUTER, &announcement(OURS[0], E)), outer_up);
            let foreign =
                bench.seen.iter().filter(|seen| seen.is_arp() && seen.headers().src() == seen.headers().dst());
            for seen in foreign {
                let (ip, ours) = (seen.headers().src().to_string(), [E, G, V]);
                assert!(ours.contains(&ip.as_str()), "{ip} is not ours to announce");
                assert_eq!(ip == E, seen.port == OUTER, "{ip} was announced on the wrong link");
            }
        });
    }
}

#[test]
fn s15_a_link_that_comes_back_gets_announcements_again() {
    with_workers(&File::two_arm(), |bench| {
        bench.rest(secs(70));
        bench.link(INNER, false);
        bench.seen.clear();
        bench.run(secs(1));
        bench.link(INNER, true);
        let back = bench.now();
        bench.run(secs(3));
        for address in [G, V] {
            let announcement = Build::arp_request(OURS[1], address, address).bytes();
            told_to_the_link(&announced(&bench.seen, INNER, &announcement), back);
        }
        assert_eq!(announced(&bench.seen, OUTER, &Build::arp_request(OURS[0], E, E).bytes()), []);
    });
}

#[test]
fn s15_on_a_tagged_port_announcements_are_tagged() {
    let file = File::two_arm().with("port = \"inner\"\naddresses", "port = \"inner\"\nvlan = 200\naddresses");
    with_workers(&file, |bench| {
        bench.run(secs(3));
        for address in [G, V] {
            let announcement = Build::arp_request(OURS[1], address, address).vlan(200).bytes();
            told_to_the_link(&announced(&bench.seen, INNER, &announcement), Instant::ZERO);
        }
    });
}

#[test]
fn s16_the_member_that_answers_becomes_active_within_rise_times_interval() {
    with_workers(&File::two_arm(), |bench| {
        // Two answers, half a second apart; the first probe waits for at most an interval and for ARP.
        bench.run(ms(1_020));
        let (a, b) = (bench.row("sip-a"), bench.row("sip-b"));
        assert_eq!((a.state, a.role), (MemberState::Up, Role::Active), "{a:?}");
        assert!(a.reason.contains("200"), "{a:?}");
        assert_eq!((b.state, b.role), (MemberState::Down, Role::Standby), "{b:?}");
        assert!(b.reason.contains("unreachable"), "{b:?}");
        bench.served_by(at(PHONE, 5060), HOST_A);
    });
}

#[test]
fn s17_at_boot_nobody_is_active_while_neither_answers() {
    with_workers(&File::two_arm(), |bench| {
        bench.members[0].retire();
        // Until the probes have decided, nobody is rejected.
        bench.swallows(ROUTER, &request(at(PHONE, 5060), V));
        bench.run(ms(2_500));
        bench.look();
        for second in 0..5 {
            bench.refused(at(PHONE, 5060));
            let (client, vip) = (at(PHONE, 40_001 + second), at(V, 5060));
            let seen = bench.pass(ROUTER, &Build::tcp(client, vip, SYN, 1000, 0));
            assert_eq!(seen.len(), 1);
            assert_eq!(seen[0].port, OUTER);
            assert_eq!(seen[0].reset(vip, client), 0);
            assert_eq!(bench.active(), None);
            bench.run(secs(1));
            bench.look();
        }
        bench.members[1].serve();
        bench.run(ms(1_500));
        assert_eq!(bench.active().as_deref(), Some("sip-b"));
        bench.served_by(at(PHONE, 5060), HOST_B);
        Connection::inward(bench, at(PHONE, 40_100), 5060, HOST_B).open(bench).exchange(bench);
    });
}

/// The usual course: the port of the standby opens after the active member has died.
#[test]
fn s17_between_the_death_of_one_and_the_rise_of_the_other_the_lost_member_stays_the_target() {
    with_a_active(&File::two_arm(), |bench| {
        let (client, vip) = (at(PHONE, 40_001), at(V, 5060));
        let old = Connection::inward(bench, client, 5060, HOST_A).open(bench);
        bench.members[0].udp = Service::Swallows;
        bench.until(secs(5), |bench| bench.state("sip-a") == MemberState::Down);
        bench.run(secs(6));
        let seen = bench.look();
        assert!(seen.is_empty(), "nobody is reset or refused: {:?}", seen[0].headers());
        bench.served_by(at(PHONE, 5060), HOST_A);
        bench.members[1].serve();
        bench.until(secs(5), |bench| bench.active().as_deref() == Some("sip-b"));
        bench.run(ms(20));
        let resets: Vec<u32> =
            bench.look().iter().filter(|seen| seen.port == OUTER).map(|seen| seen.reset(vip, client)).collect();
        assert_eq!(resets, [old.next.1], "its connection is reset when another is chosen");
        bench.served_by(at(PHONE, 5060), HOST_B);
        let rows = bench.switchovers();
        assert_eq!(rows.len(), 2, "sip-a, and then sip-b: {rows:?}");
        let (lost, up) = (rows[1].lost.expect("found lost"), rows[1].up.expect("found up"));
        assert_eq!((rows[1].from.as_deref(), rows[1].to.as_deref()), (Some("sip-a"), Some("sip-b")));
        assert!(up > lost + 6_000_000 && rows[1].detected >= up, "{:?}", rows[1]);
    });
}

/// `no_member = "reject"` and "drop" begin after the gap, and with them the resets.
#[test]
fn s17_rejecting_and_resetting_begin_after_the_gap() {
    let monitors = "monitors = [\"sip-options\"]";
    let file = File::two_arm().with(monitors, &format!("{monitors}\nno_member = \"reject\"\ngap = \"3s\""));
    with_a_active(&file, |bench| {
        let client = at(PHONE, 40_001);
        let old = Connection::inward(bench, client, 5060, HOST_A).open(bench);
        bench.members[0].udp = Service::Swallows;
        bench.until(secs(5), |bench| bench.state("sip-a") == MemberState::Down);
        bench.run(ms(2_900));
        assert!(bench.look().is_empty(), "within the gap");
        bench.served_by(at(PHONE, 5060), HOST_A);
        bench.run(ms(200));
        let resets: Vec<u32> =
            bench.look().iter().filter(|seen| seen.port == OUTER).map(|seen| seen.reset(at(V, 5060), client)).collect();
        assert_eq!((resets, bench.active()), (vec![old.next.1], None));
        bench.refused(at(PHONE, 5060));
    });
}

#[test]
fn s17_refusals_at_boot_are_limited() {
    let file = File::two_arm().with("rejects_per_second = 1000", "rejects_per_second = 50");
    with_workers(&file, |bench| {
        bench.members[0].retire();
        bench.run(secs(2));
        bench.look();
        let before = bench.counter("drop_no_active_member");
        let start = bench.now();
        for datagram in 0..1_000 {
            bench.send(ROUTER, &request(at(PHONE, 5060), V).id(datagram));
            bench.turn();
        }
        bench.run(ms(3));
        assert!(bench.now().since(start) <= ms(1_010));
        let refusals = bench.look();
        assert!(refusals.len() >= 50 && refusals.len() <= 2 * 50, "{} of 1000 within a second", refusals.len());
        let refused = bench.counter("drop_no_active_member") - before;
        assert_eq!(refused + bench.counter("drop_reject_rate_limited"), 1_000);
        assert_eq!(refused, refusals.len() as u64, "each refusal that was made went out");
    });
}
