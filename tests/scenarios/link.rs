//! Scenarios 36, 76 and 77: a host that does not answer ARP, a stranger that claims our address, and neighbours that get
//! another MAC.

use crate::with_a_active;
use fairlead::admin::rows::{MemberState, NeighbourState};
use fairlead::admin::{Data, Request};
use fairlead::policy::intent::PortId;
use fairlead::time::Instant;
use fairlead::wire::Mac;
use fairlead::wire::build::Build;
use testbench::bench::frames::*;
use testbench::bench::{Bench, Connection, Far, File, INNER, OURS, OUTER, Seen};

/// What is known of a next hop.
fn neighbour(bench: &mut Bench, address: &str) -> NeighbourState {
    let Ok(Data::Neighbours(rows)) = bench.ask(Request::Neighbours {}) else { panic!("no neighbours") };
    rows.iter().find(|row| row.address.to_string() == address).expect("it is known").state
}

#[test]
fn s36_a_member_that_does_not_answer_arp_is_down_at_once() {
    // Probes alone would take up to thirty seconds.
    with_a_active(&File::two_arm().probing(10_000, 3), |bench| {
        bench.members[1].serve();
        bench.rest(secs(25));
        bench.members[0].powered = false;
        bench.step = ms(5);
        bench.until(secs(60), |bench| neighbour(bench, A) == NeighbourState::Failed);
        bench.run(ms(5));
        let row = bench.row("sip-a");
        assert_eq!((row.state, bench.active().as_deref()), (MemberState::Down, Some("sip-b")));
        assert!(row.reason.contains("ARP"), "{row:?}");
        let detected = bench.last_switchover();
        assert!(detected.reason.contains("sip-a"), "{detected:?}");
        bench.rest(secs(60));
        assert_eq!(bench.state("sip-a"), MemberState::Down, "and stays so");
        assert_eq!(bench.switchovers().len(), 2);
    });
}

#[test]
fn s36_packets_to_a_member_that_does_not_answer_arp_are_refused_with_host_unreachable_from_the_outer_address() {
    with_a_active(&File::two_arm(), |bench| {
        bench.run(secs(6));
        bench.members[0].powered = false;
        bench.until(secs(60), |bench| neighbour(bench, A) == NeighbourState::Failed);
        bench.run(ms(30));
        bench.look();
        let sent = [
            Build::udp(at(VISITOR, 50_000), at(A, 161)).payload(b"get"),
            Build::tcp(at(VISITOR, 50_000), at(A, 7000), SYN, 1, 0),
            Build::echo_request(VISITOR, A, 7, 1).payload(b"ping"),
        ];
        for sent in &sent {
            bench.answers(ROUTER, sent, Build::icmp_error(E, VISITOR, 3, 1, sent));
        }
        let mut rejections = Vec::new();
        for second in 0..15 {
            bench.send(ROUTER, &sent[second % 3].clone().id(second as u16));
            bench.run(secs(1));
            rejections.extend(bench.look());
        }
        bench.run(secs(5));
        rejections.extend(bench.look());
        assert_eq!(rejections.len(), 15, "each is refused, at once or when the next attempt has failed too");
        for seen in rejections {
            let (src, dst) = (seen.headers().src().to_string(), seen.headers().dst().to_string());
            assert_eq!(
                (seen.port, src.as_str(), dst.as_str(), seen.frame[34], seen.frame[35]),
                (OUTER, E, VISITOR, 3, 1)
            );
        }
        bench.members[0].powered = true;
        bench.until(secs(10), |bench| neighbour(bench, A) == NeighbourState::Reachable);
        bench.look();
        Connection::visit(bench, at(VISITOR, 50_001), HOST_A, 7000).open(bench).exchange(bench);
    });
}

#[test]
fn s36_what_waited_for_the_member_is_refused_when_it_is_given_up() {
    with_a_active(&File::two_arm(), |bench| {
        bench.run(secs(6));
        bench.look();
        let sent = Build::udp(at(VISITOR, 50_000), at("10.20.0.77", 161)).payload(b"get");
        bench.swallows(ROUTER, &sent);
        bench.run(secs(5));
        let seen = bench.look();
        bench.expect_own(&seen, ROUTER, &Build::icmp_error(E, VISITOR, 3, 1, &sent));
    });
}

const STRANGER: Mac = Mac([2, 0, 0, 0xbd, 0, 0x63]);

/// When our right to an address on the inner side was defended.
fn defences(seen: &[Seen], address: &str) -> Vec<Instant> {
    let defence = Build::arp_request(OURS[1], address, address).bytes();
    seen.iter().filter(|seen| seen.port == INNER && seen.frame == defence).map(|seen| seen.at).collect()
}

/// A stranger says `claim` once a second for 25 s.
fn claimed(address: &str, claim: &Build) {
    with_a_active(&File::two_arm(), |bench| {
        bench.rest(secs(70));
        let mut client = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        bench.seen.clear();
        let (mut defended, begin) = (Vec::new(), bench.now());
        for second in 0..25 {
            bench.inject(INNER, &claim.bytes());
            bench.run(ms(5));
            defended.extend(defences(&bench.seen, address));
            bench.served_by(at(PHONE, 5060 + second), HOST_A);
            client.exchange(bench);
            while bench.now() < begin + secs(u64::from(second) + 1) {
                bench.turn();
            }
            defended.extend(defences(&bench.seen, address));
            bench.look();
        }
        assert_eq!(defended.len(), 3, "{defended:?}");
        assert!(defended[0].since(begin) <= ms(5));
        assert!(defended.windows(2).all(|pair| pair[1].since(pair[0]) >= secs(10)), "{defended:?}");
        let alarms = bench.alarms();
        let names = |text: &String| text.contains(address) && text.contains("02:00:00:bd:00:63");
        assert_eq!(alarms.iter().filter(|text| names(text)).count(), 1, "{alarms:?}");
        let logged = bench.lead.log.iter().filter(|line| names(&line.message)).count();
        assert!((1..=3).contains(&logged), "{logged} lines for 25 claims");
        assert_eq!(bench.active().as_deref(), Some("sip-a"));
    });
}

#[test]
fn s76_a_stranger_that_announces_the_vip_is_answered_once_in_ten_seconds() {
    claimed(V, &Build::arp_request(STRANGER, V, V));
}

#[test]
fn s76_a_stranger_that_answers_for_the_vip_is_answered_once_in_ten_seconds() {
    claimed(V, &Build::arp_reply(STRANGER, V, Mac::BROADCAST, V));
}

#[test]
fn s76_a_stranger_that_asks_in_the_name_of_the_vip_is_answered_once_in_ten_seconds() {
    claimed(V, &Build::arp_request(STRANGER, V, A));
}

#[test]
fn s76_the_gateway_is_defended_like_the_vip() {
    claimed(G, &Build::arp_request(STRANGER, G, G));
}

#[test]
fn s76_an_arp_probe_for_the_vip_is_answered() {
    with_a_active(&File::two_arm(), |bench| {
        bench.run(secs(2));
        bench.seen.clear();
        bench.inject(INNER, &Build::arp_request(STRANGER, "0.0.0.0", V).bytes());
        bench.run(ms(5));
        let answer = Build::arp_reply(OURS[1], V, STRANGER, "0.0.0.0").bytes();
        let answers: Vec<_> = bench.seen.iter().filter(|seen| seen.frame == answer).collect();
        assert_eq!(answers.len(), 1);
        assert_eq!(bench.alarms(), Vec::<String>::new());
    });
}

/// The neighbour at `address` gets another MAC, says it by `word`, and packets use it 150 ms later: the old one was asked meanwhile.
fn moves(far: Far, address: &str, port: PortId, word: impl Fn(Mac) -> Build) {
    with_a_active(&File::two_arm(), |bench| {
        let mut inward = Connection::inward(bench, at(PHONE, 40_001), 5060, HOST_A).open(bench);
        let mut outward = Connection::outward(bench, HOST_A, 41_000, at(PEER, 5060)).open(bench);
        let mut visit = Connection::visit(bench, at(VISITOR, 50_000), HOST_A, 7000).open(bench);
        for vrid in 1..=5 {
            let mac = Mac([0, 0, 0x5e, 0, 1, vrid]);
            match far {
                Far::Router => bench.router.mac = mac,
                Far::Host(at) => bench.members[at].mac = mac,
            }
            bench.inject(port, &word(mac).bytes());
            bench.run(ms(150));
            bench.look();
            bench.served_by(at(PHONE, 5060), HOST_A);
            inward.exchange(bench);
            outward.exchange(bench);
            visit.exchange(bench);
            bench.run(secs(1));
            bench.look();
            assert_eq!(neighbour(bench, address), NeighbourState::Reachable);
        }
        assert_eq!((bench.alarms(), bench.switchovers().len()), (Vec::<String>::new(), 1));
    });
}

#[test]
fn s77_the_router_that_announces_another_mac_is_followed_within_150_ms() {
    moves(ROUTER, R, OUTER, |mac| Build::arp_request(mac, R, R));
}

#[test]
fn s77_the_router_that_announces_it_by_a_reply_is_followed_within_150_ms() {
    moves(ROUTER, R, OUTER, |mac| Build::arp_reply(mac, R, mac, R).macs(mac, Mac::BROADCAST));
}

#[test]
fn s77_the_router_that_asks_for_us_from_another_mac_is_followed_within_150_ms() {
    moves(ROUTER, R, OUTER, |mac| Build::arp_request(mac, R, E));
}

#[test]
fn s77_the_member_that_announces_another_mac_is_followed_within_150_ms() {
    moves(HOST_A, A, INNER, |mac| Build::arp_request(mac, A, A));
}

#[test]
fn s77_the_member_that_announces_it_by_a_reply_is_followed_within_150_ms() {
    moves(HOST_A, A, INNER, |mac| Build::arp_reply(mac, A, mac, A).macs(mac, Mac::BROADCAST));
}
