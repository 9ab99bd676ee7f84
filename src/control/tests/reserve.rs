//! Members that are held back: they go up and down too often, or have to be enabled first.

use super::*;
use crate::policy::intent::{FailBack, Intent};

fn bench(change: impl Fn(&mut Intent)) -> Bench {
    let mut intent = two_arm();
    // It would take over again at once.
    intent.pools[0].fail_back = FailBack::Immediate;
    change(&mut intent);
    let mut bench = Bench::of(&intent);
    bench.run(1_000);
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    bench
}

/// sip-a goes down, and up again.
fn flap(bench: &mut Bench) {
    bench.hosts[A].manner = Manner::Mute;
    bench.run(1_500);
    assert_eq!(bench.active().as_deref(), Some("sip-b"), "{:?}", bench.logs);
    bench.hosts[A].manner = Manner::Answers(200);
    bench.run(1_500);
}

fn reason(bench: &mut Bench) -> String {
    members(bench)[A].reason.clone()
}

#[test]
fn who_goes_up_and_down_too_often_does_not_take_over_until_it_is_quiet() {
    let mut bench = bench(|intent| {
        let pool = &mut intent.pools[0];
        (pool.flap_count, pool.flap_window, pool.flap_quiet) = (2, Duration::from_secs(60), Duration::from_secs(300));
    });
    flap(&mut bench);
    assert_eq!(bench.active().as_deref(), Some("sip-a"), "once is not too often");
    flap(&mut bench);
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    let told =
        "it went down 2 times in 60s, and is held back until it has been quiet for 5m; sip-options: 200 Whatever";
    assert_eq!(reason(&mut bench), told);
    assert_eq!(bench.logged("alarm: member sip-a: it went down 2 times in 60s"), 1);
    bench.run(298_000);
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    bench.run(4_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"), "it has been quiet, and fails back");
    assert_eq!((reason(&mut bench).as_str(), bench.logged("is no longer held back")), ("sip-options: 200 Whatever", 1));
}

#[test]
fn who_is_held_back_serves_if_nobody_else_is_up() {
    let mut bench = bench(|intent| intent.pools[0].flap_count = 1);
    flap(&mut bench);
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    bench.hosts[B].manner = Manner::Refuses;
    bench.run(2_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(2_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"), "who is up and active stays");
}

#[test]
fn who_was_down_waits_for_the_operator_if_the_file_says_so() {
    let mut bench = bench(|intent| intent.pools[0].manual_resume = true);
    assert_eq!(bench.logged("stays out"), 0, "a standby that opens its port was not lost");
    flap(&mut bench);
    bench.run(3_600_000);
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    let told = "it was down and stays out until `fairlead member enable sip-a`; sip-options: 200 Whatever";
    assert_eq!(reason(&mut bench), told);
    bench.ask_and_wait(member_set("sip-a", AdminState::Enabled), 1_000).unwrap();
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    flap(&mut bench);
    assert_eq!(bench.active().as_deref(), Some("sip-b"), "and again");
    let mut file = file_of(&two_arm());
    file.intent.pools[0].fail_back = FailBack::Immediate;
    reload(&mut bench, Ok(file)).unwrap();
    bench.run(1_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"), "the file does not ask for it any more");
}
