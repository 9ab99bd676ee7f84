//! A member that answers probes, and whose answers to its peers take another way.

use super::*;

/// A request for sip-a waits too long, once a second.
fn asked(bench: &mut Bench, seconds: usize) {
    for _ in 0..seconds {
        bench.give(Input::Event(Event::Unanswered(MemberId(0))));
        bench.run(1_000);
    }
}

fn alarm(bench: &mut Bench) -> Option<String> {
    let Data::Status(status) = bench.ask(Request::Status {}).unwrap().unwrap().data else { panic!("no status") };
    status.alarms.into_iter().find(|row| row.code == "member.one-way").map(|row| row.message)
}

#[test]
fn a_member_that_is_asked_and_sends_nothing_for_half_a_minute_is_an_alarm_until_it_does() {
    let mut bench = Bench::settled();
    asked(&mut bench, 29);
    assert_eq!(alarm(&mut bench), None);
    asked(&mut bench, 3);
    let message = alarm(&mut bench).expect("for 30 s nothing has passed");
    let begins = "pool pair-1: sip-a answers probes, but for 3";
    assert!(message.starts_with(begins) && message.contains("its default gateway is another host"), "{message}");
    assert_eq!(bench.active().as_deref(), Some("sip-a"), "nothing is decided by it");
    bench.speaks(A);
    bench.run(2_000);
    assert_eq!(alarm(&mut bench), None);
    assert_eq!(bench.logged("alarm cleared: sip-a: what it sends passes again"), 1);
    asked(&mut bench, 20);
    bench.speaks(A);
    asked(&mut bench, 20);
    assert_eq!(alarm(&mut bench), None, "it has sent something within 30 s");
}

/// Who scans, or repeats what the server does not want, is no service that fails.
#[test]
fn a_few_requests_that_stay_without_an_answer_are_none() {
    let mut bench = Bench::settled();
    asked(&mut bench, 4);
    bench.run(55_000);
    assert_eq!(alarm(&mut bench), None);
    bench.run(10_000);
    asked(&mut bench, 4);
    bench.run(40_000);
    assert_eq!(alarm(&mut bench), None, "nobody had asked for a minute");
}

#[test]
fn of_a_member_that_is_down_other_alarms_tell() {
    let mut bench = Bench::settled();
    asked(&mut bench, 32);
    assert!(alarm(&mut bench).is_some());
    bench.hosts[A].manner = Manner::Mute;
    bench.run(5_000);
    assert_eq!(alarm(&mut bench), None);
}
