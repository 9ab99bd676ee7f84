//! What the workers measured, put together; and a worker that does not turn.

use super::*;
use crate::admin::rows::LatencyRow;

fn rows(answer: Answer) -> Vec<LatencyRow> {
    match answer.unwrap().data {
        Data::Latency(rows) => rows,
        other => panic!("{other:?}"),
    }
}

fn latency(bench: &mut Bench, reset: bool) -> Vec<LatencyRow> {
    rows(bench.ask(Request::Latency { reset }).expect("awake workers answer at once"))
}

fn alarms(bench: &mut Bench) -> Vec<String> {
    match bench.ask(Request::Status {}).unwrap().unwrap().data {
        Data::Status(status) => status.alarms.into_iter().map(|alarm| alarm.message).collect(),
        other => panic!("{other:?}"),
    }
}

fn measure(bench: &mut Bench, worker: usize, us: u64, frames: u64) {
    let (span, at) = (Duration::from_micros(us), bench.now);
    let latency = bench.latency(worker);
    latency.forwarding.record(span, frames);
    latency.turns.record(span, 1);
    latency.stalls += u64::from(us > 1_000);
    if span > latency.longest {
        (latency.longest, latency.longest_at) = (span, at);
    }
}

fn near(told: u64, us: u64) -> bool {
    (us * 1_000..=us * 1_010).contains(&told)
}

#[test]
fn what_workers_measured_is_told_apart_and_together() {
    let mut bench = Bench::settled();
    measure(&mut bench, 0, 10, 900);
    bench.run(1_500);
    measure(&mut bench, 0, 20, 90);
    measure(&mut bench, 1, 4_000, 10);
    let rows = latency(&mut bench, false);
    assert_eq!(rows.iter().map(|row| row.worker).collect::<Vec<_>>(), [Some(0), Some(1), None]);
    let counts = |of: fn(&LatencyRow) -> u64| rows.iter().map(of).collect::<Vec<_>>();
    assert_eq!(counts(|row| row.forwarding.count), [990, 10, 1_000]);
    assert_eq!(counts(|row| row.loops.count), [2, 1, 3]);
    assert_eq!(counts(|row| row.stalls), [0, 1, 1]);
    assert_eq!(counts(|row| row.longest_ns), [20_000, 4_000_000, 4_000_000]);
    let all = &rows[2];
    assert_eq!((all.forwarding.sum_ns, all.stall_ns), (900 * 10_000 + 90 * 20_000 + 10 * 4_000_000, 1_000_000));
    assert!(near(all.forwarding.p50_ns, 10) && near(all.forwarding.p90_ns, 10), "{all:?}");
    assert!(
        near(all.forwarding.p99_ns, 20) && near(all.forwarding.p999_ns, 4_000) && near(all.forwarding.max_ns, 4_000),
        "{all:?}"
    );
    assert_eq!(all.longest_at, Some(bench.controller.machine.wall(bench.now)));
    let up_to = |us: u64| all.forwarding.buckets.iter().find(|bucket| bucket.up_to_ns == us * 1_000).unwrap().count;
    assert_eq!((up_to(5), up_to(10), up_to(20), up_to(2_000), up_to(5_000)), (0, 900, 990, 990, 1_000));
}

#[test]
fn a_reset_tells_what_was_and_begins_anew() {
    let mut bench = Bench::settled();
    measure(&mut bench, 1, 5_000, 7);
    let before = latency(&mut bench, true);
    assert_eq!((before[2].forwarding.count, before[2].stalls), (7, 1));
    let after = latency(&mut bench, false);
    assert_eq!((after[2].forwarding.count, after[2].stalls, after[2].longest_at), (0, 0, None));
    assert!(after[2].since > before[2].since && after[2].since == bench.controller.machine.wall(bench.now));
    assert_eq!(bench.controller.latencies.stalls(), 1, "the counter of stalls goes on");
}

#[test]
fn without_a_workers_word_the_last_one_is_told_but_nothing_is_reset() {
    let mut bench = Bench::settled();
    measure(&mut bench, 0, 10, 3);
    bench.run(1_000);
    let heard = latency(&mut bench, false)[0].until;
    bench.sleep(1, true);
    bench.run(100);
    let refused = bench.ask_and_wait(Request::Latency { reset: true }, 2_100).unwrap_err();
    assert_eq!(refused.code, Code::NoAnswer);
    assert!(refused.message.contains("worker 1 did not answer"), "{}", refused.message);
    let rows = rows(bench.ask_and_wait(Request::Latency { reset: false }, 2_100));
    assert_eq!((rows[0].forwarding.count, rows[1].until, rows[2].until), (3, heard, heard));
    assert!(rows[0].until > heard);
}

#[test]
fn a_worker_that_does_not_turn_is_an_alarm_until_it_does() {
    let mut bench = Bench::settled();
    bench.sleep(1, true);
    bench.run(1_400);
    assert!(alarms(&mut bench).is_empty(), "it may be one look late");
    bench.run(200);
    let shown = alarms(&mut bench);
    assert_eq!(shown.len(), 1);
    assert!(shown[0].starts_with("worker 1 has not completed a loop iteration for 1s"), "{shown:?}");
    assert!(shown[0].contains("core 2"), "{shown:?}");
    bench.run(10_000);
    assert!(alarms(&mut bench)[0].contains("for 11s"), "it says for how long");
    assert_eq!(bench.logged("alarm: worker 1"), 1, "it is logged once");
    bench.sleep(1, false);
    assert!(alarms(&mut bench).is_empty());
    assert_eq!(bench.logged("alarm cleared: worker 1"), 1);
    bench.run(10_000);
    assert!(alarms(&mut bench).is_empty());
}

#[test]
fn a_pause_of_management_itself_is_no_alarm() {
    let mut bench = Bench::settled();
    bench.run(1_000);
    bench.sleep(0, true);
    bench.sleep(1, true);
    bench.run(500);
    bench.now += Duration::from_secs(30);
    bench.give(Input::Tick);
    bench.sleep(0, false);
    bench.sleep(1, false);
    bench.run(5_000);
    assert_eq!(bench.logged("alarm: worker"), 0);
}

#[test]
fn stalls_are_told_once_in_a_while() {
    let mut bench = Bench::settled();
    measure(&mut bench, 0, 4_200, 1);
    bench.run(2_000);
    assert_eq!(bench.logged("worker 0 had 1 loop iteration longer than 1ms, the longest 4.2ms"), 1);
    for _ in 0..50 {
        measure(&mut bench, 0, 2_000, 1);
        bench.run(1_000);
    }
    assert_eq!(bench.logged("longer than 1ms, the longest"), 1);
    bench.run(15_000);
    assert_eq!(bench.logged("worker 0 had 50 loop iterations longer than 1ms, the longest 2.0ms"), 1);
    assert_eq!(bench.logged("longer than 1ms, the longest"), 2);
}
