//! Scenarios 95 and 96: priority groups and slow start, with the appliance whole: what monitors find, what management works out of it,
//! and who gets what clients begin.

use crate::with_workers;
use fairlead::admin::rows::{MemberState, Role};
use fairlead::wire::Endpoint;
use testbench::bench::frames::*;
use testbench::bench::{Bench, File, Host};

const HOST_C: Far = Far::Host(2);

/// Three members by turns: sip-a and sip-b of priority 10, sip-c of priority 0.
fn file(keys: &str) -> File {
    File::two_arm()
        .with("monitors = [\"sip-options\"]", &format!("mode = \"round-robin\"\n{keys}\nmonitors = [\"sip-options\"]"))
        .with("address = \"10.20.0.11\" }", "address = \"10.20.0.11\", priority = 10 }")
        .with(
            "address = \"10.20.0.12\" },\n",
            "address = \"10.20.0.12\", priority = 10 },\n  { name = \"sip-c\", address = \"10.20.0.13\" },\n",
        )
}

/// All three answer from the start.
fn with_three(keys: &str, scenario: impl Fn(&mut Bench)) {
    with_workers(&file(keys), |bench| {
        bench.members.push(Host::new(13));
        bench.members.iter_mut().for_each(Host::serve);
        bench.until(secs(5), |bench| bench.rows().iter().all(|row| row.state == MemberState::Up));
        bench.run(secs(1));
        bench.look();
        scenario(bench);
    });
}

fn client(number: u32) -> Endpoint {
    Endpoint::new(std::net::Ipv4Addr::from(0xac10_0a00 + number), 5060)
}

/// A client's first datagram goes to a member, whole: which.
fn taken(bench: &mut Bench, number: u32) -> Far {
    let seen = bench.pass(ROUTER, &request(client(number), V));
    let member = match seen.first().map(|seen| seen.headers().dst_mac().0[5]) {
        Some(11) => HOST_A,
        Some(12) => HOST_B,
        Some(13) => HOST_C,
        other => panic!("{other:?} is no member"),
    };
    let own = bench.ip(member);
    bench.expect(&seen, member, &request(client(number), &own).ttl(63));
    member
}

/// How many of these new clients each member gets.
fn spread(bench: &mut Bench, numbers: std::ops::Range<u32>) -> [usize; 3] {
    let taken: Vec<Far> = numbers.map(|number| taken(bench, number)).collect();
    [HOST_A, HOST_B, HOST_C].map(|host| taken.iter().filter(|member| **member == host).count())
}

/// A member's ports close, or open again, and the monitors have found it.
fn find(bench: &mut Bench, at: usize, name: &str, state: MemberState) {
    match state {
        MemberState::Up => bench.members[at].serve(),
        _ => bench.members[at].retire(),
    }
    bench.until(secs(10), |bench| bench.state(name) == state);
    bench.run(ms(10));
    bench.look();
}

#[test]
fn s95_a_lower_group_takes_what_is_new_while_too_few_of_the_higher_are_up_and_keeps_it() {
    with_three("min_active = 2", |bench| {
        assert_eq!(spread(bench, 0..20)[2], 0);
        assert_eq!(bench.row("sip-c").role, Role::Standby);
        let reason = bench.row("sip-c").reason;
        assert!(
            reason.ends_with("spare: its priority 0 is not needed while higher ones have min_active = 2"),
            "{reason}"
        );
        find(bench, 1, "sip-b", MemberState::Down);
        let [a, b, c] = spread(bench, 100..120);
        assert!(a >= 8 && b == 0 && c >= 8, "{a} {b} {c}");
        let kept = (200..).find(|number| taken(bench, *number) == HOST_C).unwrap();
        find(bench, 1, "sip-b", MemberState::Up);
        assert_eq!(spread(bench, 300..320)[2], 0);
        bench.served_by(client(kept), HOST_C);
        bench.rest(secs(60));
        bench.look();
        bench.served_by(client(kept), HOST_C);
        // The last of all keeps the work, as without groups.
        find(bench, 0, "sip-a", MemberState::Down);
        find(bench, 1, "sip-b", MemberState::Down);
        assert_eq!(spread(bench, 400..406), [0, 0, 6]);
        find(bench, 2, "sip-c", MemberState::Down);
        assert_eq!(spread(bench, 500..506), [0, 0, 6]);
    });
}

#[test]
fn s96_a_member_that_comes_back_gets_its_share_little_by_little() {
    with_three("min_active = 2\nslow_start = \"10s\"", |bench| {
        assert_eq!(spread(bench, 0..20)[2], 0, "the first start is not slow");
        find(bench, 1, "sip-b", MemberState::Down);
        find(bench, 1, "sip-b", MemberState::Up);
        let reason = bench.row("sip-b").reason;
        assert!(reason.contains("in slow start: 5 % of its share, all of it from "), "{reason}");
        // It does not count: sip-c still takes part.
        let [a, b, c] = spread(bench, 100..182);
        assert!(a.abs_diff(40) <= 3 && (1..=4).contains(&b) && c.abs_diff(40) <= 3, "{a} {b} {c}");
        let kept = (200..).find(|number| taken(bench, *number) == HOST_B).unwrap();
        bench.rest(secs(5));
        bench.look();
        let half = spread(bench, 400..460);
        assert!((7..20).contains(&half[1]), "{half:?}");
        bench.served_by(client(kept), HOST_B);
        bench.until(secs(10), |bench| !bench.row("sip-b").reason.contains("slow start"));
        bench.run(ms(10));
        bench.look();
        let [a, b, c] = spread(bench, 500..520);
        assert!(a.abs_diff(10) <= 2 && b.abs_diff(10) <= 2 && c == 0, "{a} {b} {c}");
        bench.served_by(client(kept), HOST_B);
    });
}
