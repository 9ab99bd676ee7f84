//! The appliance follows a pair that chooses its active member itself.

use super::*;
use crate::policy::intent::{CodeRange, Intent, MonitorKind};

/// A standby answers 503; every half second is asked.
pub(super) fn file() -> Intent {
    let mut intent = two_arm();
    let monitor = &mut intent.monitors[0];
    let MonitorKind::Sip(sip) = &mut monitor.kind else { panic!("not SIP") };
    sip.roles.standby_codes = vec![CodeRange { first: 503, last: 503 }];
    (monitor.interval, monitor.timeout) = (Duration::from_millis(500), Duration::from_millis(400));
    intent
}

fn roles(bench: &mut Bench, a: u16, b: u16) {
    (bench.hosts[A].manner, bench.hosts[B].manner) = (Manner::Answers(a), Manner::Answers(b));
}

fn alarms(bench: &mut Bench) -> Vec<String> {
    let Data::Status(status) = bench.ask(Request::Status {}).unwrap().unwrap().data else { panic!() };
    status.alarms.into_iter().map(|row| row.message).collect()
}

fn pair() -> Bench {
    let mut bench = Bench::of(&file());
    roles(&mut bench, 503, 200);
    bench.run(3_000);
    bench
}

#[test]
fn at_the_start_the_one_that_says_it_is_active_is_chosen() {
    let mut bench = pair();
    assert_eq!((bench.active().as_deref(), bench.logged("switchover of pool")), (Some("sip-b"), 1), "{:?}", bench.logs);
    assert_eq!(alarms(&mut bench), Vec::<String>::new(), "they agree");
    let rows = members(&mut bench);
    assert_eq!((rows[A].state, rows[A].role, rows[B].role), (MemberState::Up, Role::Standby, Role::Active));
    assert_eq!(rows[A].reason, "sip-options: 503 Whatever, standby");
}

#[test]
fn when_the_pair_changes_its_roles_it_is_followed_within_one_burst() {
    let mut bench = pair();
    let mut expected = 1;
    for (phase, (a, b, active)) in [(200, 503, "sip-a"), (503, 200, "sip-b")].into_iter().cycle().take(20).enumerate() {
        bench.run(1_000 + 37 * phase as u64);
        roles(&mut bench, a, b);
        let (changed, asked) = (bench.now, bench.options.len());
        while bench.active().as_deref() != Some(active) {
            assert!(bench.now.since(changed) < Duration::from_secs(1), "{:?}", bench.logs);
            bench.run(1);
        }
        // The active member is asked every sixth of a second; then come the burst, and both answers.
        let (took, probes) = (bench.now.since(changed), bench.options.len() - asked);
        assert!(took <= Duration::from_millis(167 + 75), "{took:?} with {probes} probes");
        assert!(probes <= 10, "{probes}");
        expected += 1;
        assert_eq!(bench.logged("switchover of pool"), expected);
        assert_eq!((bench.snapshot().members[A].lost_before.0, bench.snapshot().members[B].lost_before.0), (0, 0));
    }
    assert!(bench.logged("sip-a takes over: it says that it is active, and sip-b that it is standby") > 0);
    assert_eq!(bench.logged("never gave a good answer"), 0);
}

#[test]
fn where_both_say_the_same_the_present_one_stays_and_an_alarm_says_so() {
    let rows = [
        (200, "2 members say that they are active (sip-a, sip-b); sip-b is, the pair should agree on one"),
        (503, "2 members answer, and all say that they are standby (sip-a, sip-b); sip-b is active all the same"),
    ];
    for (both, alarm) in rows {
        let mut bench = pair();
        roles(&mut bench, both, both);
        bench.run(5_000);
        assert_eq!((bench.active().as_deref(), bench.logged("switchover of pool")), (Some("sip-b"), 1));
        assert_eq!(alarms(&mut bench), [format!("pool pair-1: {alarm}")]);
        roles(&mut bench, 200, 503);
        bench.run(1_000);
        assert_eq!((bench.active().as_deref(), alarms(&mut bench).len()), (Some("sip-a"), 0));
    }
}

/// The standby is promoted by its pair only after the appliance has found the active one dead.
#[test]
fn a_standby_takes_over_from_a_dead_member() {
    let mut bench = pair();
    bench.hosts[B].manner = Manner::Mute;
    bench.run(1_500);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    assert_eq!(alarms(&mut bench).iter().filter(|alarm| alarm.contains("says that it is standby")).count(), 1);
    bench.hosts[A].manner = Manner::Answers(200);
    bench.run(1_000);
    assert_eq!((bench.active().as_deref(), alarms(&mut bench)), (Some("sip-a"), vec![]));
}
