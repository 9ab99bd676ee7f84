//! Scenario 110, the controller's part: what is left at the end, in which order and for how long, and what is done with it.

use super::*;
use crate::engine::LeftOut;
use crate::handover::{Counts, Remembered, RememberedMember, RememberedPool};
use crate::policy::intent::Mode;

fn remembered(active: Option<u8>, up: [bool; 2]) -> Remembered {
    let member = |last: u8, up| RememberedMember {
        address: [10, 20, 0, last].into(),
        up,
        down: !up,
        lost_before: if last == 11 { 4 } else { 0 },
        released: None,
        lost_role: None,
        served_until: None,
    };
    let pool = RememberedPool {
        name: "pair-1".into(),
        active: active.map(|last| [10, 20, 0, last].into()),
        since: 0,
        generation: 5,
        members: vec![member(11, up[0]), member(12, up[1])],
    };
    Remembered { snat_seed: 1, pools: vec![pool], ..Remembered::default() }
}

fn left(remembered: Remembered) -> Option<HandoverFound> {
    let mut taken = Taken { flows: 7, speakers: 1, ..Taken::default() };
    taken.skipped.count(LeftOut::Expired);
    let (age, took) = (Duration::from_millis(1_500), Duration::from_millis(12));
    let outcome = Ok(TakenUp { remembered, age, taken, took });
    Some(HandoverFound { place: "/run/fairlead/state".into(), outcome })
}

fn written() -> Input {
    let counts = Counts { flows: 12, gone: 2, speakers: 1, askers: 0, stays: 3 };
    Input::HandedOver(Ok(Written { counts, bytes: 4_321 }))
}

#[test]
fn who_was_active_is_at_once_and_nothing_is_said_of_a_switchover() {
    let mut bench = Bench::succeeding(&two_arm(), left(remembered(Some(12), [false, true])));
    assert_eq!(bench.active().as_deref(), Some("sip-b"), "with the first snapshot");
    let (pool, a) = (&bench.snapshot().pools[0], &bench.snapshot().members[A]);
    assert_eq!((pool.generation.0, a.lost_before.0), (5, 4), "flows are as lost as they were");
    let line = "7 flows, 1 speaker, 0 persistence records of the process before taken up in 12 ms, written 1.5 s before: 1 \
                left out: 1 as its time was up";
    assert_eq!(bench.logged(line), 1, "{:?}", bench.logs);
    let rows = members(&mut bench);
    assert_eq!((rows[B].role, rows[B].state), (Role::Active, MemberState::Unknown));
    assert_eq!(rows[B].reason, "it was up before the restart, and its first answers are waited for");
    bench.hosts[A].manner = Manner::Refuses;
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(2_000);
    assert_eq!((bench.active().as_deref(), bench.logged("sip-b takes over")), (Some("sip-b"), 0));
    assert!(members(&mut bench)[B].reason.contains("200"), "the probes confirm it");
}

#[test]
fn who_does_not_answer_any_more_is_refuted_like_any_other() {
    let mut bench = Bench::succeeding(&two_arm(), left(remembered(Some(12), [false, true])));
    // sip-a answers, sip-b refuses: the bench's usual.
    bench.run(2_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    assert!(bench.snapshot().pools[0].generation.0 > 5);
    let b = &bench.snapshot().members[B];
    assert_eq!(b.lost_before, bench.snapshot().pools[0].generation);
}

#[test]
fn members_that_shared_the_work_do_so_at_once() {
    let mut intent = two_arm();
    intent.pools.iter_mut().for_each(|pool| pool.mode = Mode::RoundRobin);
    let bench = Bench::succeeding(&intent, left(remembered(None, [true, true])));
    assert_eq!(bench.snapshot().pools[0].targets().count(), 2);
    let bench = Bench::succeeding(&intent, left(remembered(None, [true, false])));
    assert_eq!(bench.snapshot().pools[0].targets().collect::<Vec<_>>(), [MemberId(0)]);
}

#[test]
fn a_member_that_is_not_in_its_pool_any_more_is_not_active() {
    let mut found = remembered(Some(12), [true, true]);
    found.pools[0].members.remove(1);
    let bench = Bench::succeeding(&two_arm(), left(found));
    assert_eq!(bench.active(), None);
    let mut found = remembered(Some(12), [true, true]);
    found.pools[0].name = "another".into();
    found.pools[0].members.remove(0);
    let mut bench = Bench::succeeding(&two_arm(), left(found));
    assert_eq!((bench.active(), bench.logged("1 pool not in the file any more")), (None, 1));
    bench.run(1_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
}

#[test]
fn what_was_refused_is_said() {
    let outcome = Err("it is damaged. It is moved aside: /run/fairlead/state.refused".into());
    let found = HandoverFound { place: "/run/fairlead/state".into(), outcome };
    let bench = Bench::succeeding(&two_arm(), Some(found));
    assert_eq!(bench.active(), None);
    assert_eq!(bench.logged("/run/fairlead/state does not count, nothing was taken up: it is damaged."), 1);
}

#[test]
fn at_the_end_forwarding_stops_when_flows_are_given_and_what_is_known_then_is_left() {
    let mut bench = Bench::succeeding(&two_arm(), None);
    bench.run(1_000);
    bench.sleep(1, true);
    bench.give(Input::Stop);
    let order = bench.ordered.take().expect("a file is ordered");
    assert_eq!((order.receivers.len(), order.place.to_str(), order.epoch > 0), (2, Some("/run/fairlead/state"), true));
    let asked = bench.options.len();
    bench.run(600);
    assert!(bench.options.len() > asked && bench.remembered.is_none(), "probes go on while a worker walks");
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    bench.sleep(1, false);
    let rest = bench.remembered.take().expect("all flows are given");
    let pool = &rest.pools[0];
    assert_eq!((pool.name.as_str(), pool.active), ("pair-1", Some([10, 20, 0, 11].into())));
    assert_eq!(pool.members.iter().map(|member| member.up).collect::<Vec<_>>(), [true, false]);
    assert!(!bench.stopped, "the file is not written");
    bench.give(written());
    assert!(bench.stopped && order.given_up.load(std::sync::atomic::Ordering::Relaxed));
    let line = "10 flows, 1 speaker, 3 persistence records written to /run/fairlead/state for the next start: 4321 bytes in 600 \
                ms, 0 ms of it after forwarding stopped";
    assert_eq!(bench.logged(line), 1, "{:?}", bench.logs);
}

#[test]
fn whoever_takes_too_long_is_not_waited_for() {
    let mut bench = Bench::succeeding(&two_arm(), None);
    bench.run(1_000);
    bench.sleep(1, true);
    bench.give(Input::Stop);
    bench.run(999);
    assert!(bench.remembered.is_none());
    bench.run(1);
    assert!(bench.remembered.is_some(), "forwarding stops after a second");
    bench.sleep(1, false);
    bench.run(998);
    assert!(!bench.stopped);
    bench.run(2);
    assert!(bench.stopped, "and the file is given up after two");
    assert_eq!(bench.logged("nothing is left for the next start: /run/fairlead/state: it took longer than 2s"), 1);
    bench.give(written());
    assert_eq!(bench.logged("written to"), 0);
}

#[test]
fn a_file_that_cannot_be_written_ends_the_wait_at_once() {
    let mut bench = Bench::succeeding(&two_arm(), None);
    bench.run(1_000);
    bench.sleep(1, true);
    bench.give(Input::Stop);
    bench.give(Input::HandedOver(Err("No space left on device".into())));
    bench.sleep(1, false);
    bench.run(1);
    assert!(bench.stopped);
    assert_eq!(bench.logged("nothing is left for the next start: /run/fairlead/state: No space left on device"), 1);
}
