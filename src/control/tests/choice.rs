//! Who is active: scenarios 16 to 34, and the line each switch logs: 85.

use super::*;
use crate::policy::intent::{FailBack, PoolId};

#[test]
fn scenario_16_who_answers_is_active_who_refuses_is_standby_and_the_reasons_say_so() {
    let mut bench = Bench::new();
    assert!(bench.ready);
    bench.run(700);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    let rows = members(&mut bench);
    assert_eq!((rows[A].state, rows[A].role), (MemberState::Up, Role::Active));
    assert_eq!((rows[B].state, rows[B].role), (MemberState::Down, Role::Standby));
    assert!(rows[A].reason.contains("200"), "{}", rows[A].reason);
    assert!(rows[B].reason.contains("unreachable"), "{}", rows[B].reason);
    assert_eq!((rows[A].flows, rows[B].flows), (6, 2), "of both workers");
    assert!(rows[A].probes[0].last_rtt_us.is_some_and(|rtt| rtt >= 300));
}

#[test]
fn scenario_17_nobody_answers_at_boot() {
    let mut bench = Bench::new();
    bench.hosts[A].manner = Manner::Mute;
    bench.run(2_000);
    assert_eq!(bench.active(), None);
    match bench.ask(Request::Status {}).unwrap().unwrap().data {
        Data::Status(status) => {
            assert_eq!(status.virtual_servers[0].state, VirtualServerState::Down);
            assert!(status.alarms.iter().any(|alarm| alarm.message.contains("no member is up")), "{:?}", status.alarms);
            assert_eq!((status.name.as_str(), status.workers.len(), status.workers[1].core), ("lead-1", 2, 2));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn scenario_18_a_loss_is_detected_and_installed_within_700_ms() {
    let mut bench = Bench::settled();
    let lost = bench.now;
    (bench.hosts[A].manner, bench.hosts[B].manner) = (Manner::Mute, Manner::Answers(200));
    while bench.active().as_deref() != Some("sip-b") {
        bench.run(1);
        assert!(bench.now.since(lost) < Duration::from_millis(700), "{:?}", bench.now.since(lost));
    }
    let Data::Switchovers(rows) = bench.ask(Request::Switchovers {}).unwrap().unwrap().data else { panic!() };
    let last = rows.last().unwrap();
    assert_eq!((last.from.as_deref(), last.to.as_deref()), (Some("sip-a"), Some("sip-b")));
    let first_failed = last.first_failed_probe.unwrap();
    assert!(last.last_good_answer.unwrap() < first_failed && first_failed >= lost.nanos() / 1_000, "{last:?}");
    assert!(first_failed + 160_000 <= last.detected, "its whole timeout has passed: {last:?}");
    assert!(last.published.unwrap() >= last.detected && last.installed.unwrap() >= last.published.unwrap());
    assert_eq!(bench.logged("switchover of pool pair-1: sip-a -> sip-b"), 1);
}

#[test]
fn scenario_20_a_hint_makes_the_whole_pair_be_asked_at_once() {
    let mut bench = Bench::settled();
    bench.run_between_probes();
    let (before, sent) = (bench.now, bench.options.len());
    bench.give(Input::Event(Event::Hint(MemberId(1))));
    let asked: Vec<Ipv4Addr> = bench.options[sent..].iter().map(|(to, _)| *to).collect();
    assert_eq!((asked.len(), bench.now), (2, before), "{asked:?}");
    assert_eq!(bench.active().as_deref(), Some("sip-a"), "a hint decides nothing");
}

/// Where the standby opens its port after the verdict about the other, the switchover does not wait for its interval.
#[test]
fn scenario_18_who_opens_its_port_while_the_active_one_is_silent_is_chosen_within_150_ms() {
    let mut bench = Bench::settled();
    bench.hosts[A].manner = Manner::Refuses;
    bench.run(1_500);
    for offset in [0, 37, 81] {
        bench.run(offset);
        let (from, to) = if bench.active().as_deref() == Some("sip-a") { (A, B) } else { (B, A) };
        bench.hosts[to].manner = Manner::Answers(200);
        let opened = bench.now;
        while bench.active().as_deref() != Some(["sip-a", "sip-b"][to]) {
            bench.run(1);
            assert!(bench.now.since(opened) <= Duration::from_millis(150), "{:?}", bench.now.since(opened));
        }
        assert_eq!(members(&mut bench)[from].state, MemberState::Down);
        bench.run(2_000);
        bench.hosts[to].manner = Manner::Refuses;
        bench.run(1_500);
    }
}

/// Once a choice is made, or the active one answers again, nobody is asked more often than the file says.
#[test]
fn scenario_18_the_others_are_asked_ten_times_a_second_only_while_the_active_one_is_silent() {
    let mut bench = Bench::settled();
    let asked = |bench: &mut Bench, millis| {
        let sent = bench.options.len();
        bench.run(millis);
        bench.options[sent..].iter().filter(|(to, _)| *to == Ipv4Addr::new(10, 20, 0, 12)).count()
    };
    assert!((4..=6).contains(&asked(&mut bench, 1_000)));
    bench.hosts[A].manner = Manner::Mute;
    bench.run(1_000);
    assert!((9..=11).contains(&asked(&mut bench, 1_000)));
    bench.hosts[A].manner = Manner::Answers(200);
    bench.run(1_000);
    assert!((4..=6).contains(&asked(&mut bench, 1_000)));
    bench.ask(member_set("sip-b", AdminState::Draining)).unwrap().unwrap();
    bench.hosts[A].manner = Manner::Mute;
    bench.run(1_000);
    assert!((4..=6).contains(&asked(&mut bench, 1_000)), "it cannot take over");
}

/// What a member refuses may be passed on once a probe that came after it was answered well, and not before.
#[test]
fn scenario_22_workers_hear_that_a_member_which_a_sign_was_about_lives() {
    let mut bench = Bench::settled();
    bench.run(1_000);
    assert_eq!(bench.confirmed, [], "no sign, no news");
    bench.run_between_probes();
    bench.give(Input::Event(Event::Hint(MemberId(0))));
    bench.run(50);
    assert_eq!(bench.confirmed, [MemberId(0)]);
    bench.confirmed.clear();
    bench.hosts[A].manner = Manner::Refuses;
    bench.run_between_probes();
    bench.give(Input::Event(Event::Hint(MemberId(0))));
    bench.run(3_000);
    assert_eq!(bench.confirmed, []);
    bench.hosts[A].manner = Manner::Answers(200);
    bench.run(1_000);
    assert_eq!(bench.confirmed, [MemberId(0)], "it was only hindered");
}

#[test]
fn scenario_21_and_24_the_lost_member_neither_claims_nor_keeps_its_tcp() {
    let mut bench = Bench::settled();
    let while_active = bench.snapshot().pools[0].generation;
    (bench.hosts[A].manner, bench.hosts[B].manner) = (Manner::Refuses, Manner::Answers(200));
    bench.run(700);
    let member = |bench: &Bench, at: usize| bench.snapshot().members[at].clone();
    assert!(member(&bench, A).lost_before > while_active && !member(&bench, A).may_claim);
    assert!(member(&bench, B).lost_before <= while_active && member(&bench, B).may_claim);
    bench.run(33_000);
    assert!(member(&bench, A).may_claim, "an echo of 32 seconds ago is none");
}

#[test]
fn scenario_29_no_fail_back_until_forced() {
    let mut bench = Bench::settled();
    (bench.hosts[A].manner, bench.hosts[B].manner) = (Manner::Refuses, Manner::Answers(200));
    bench.run(1_000);
    bench.hosts[A].manner = Manner::Answers(200);
    bench.run(3_000);
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    let told = bench.ask(force("sip-a")).expect("workers are awake").unwrap();
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    assert_eq!(told.epoch, bench.snapshot().epoch.0);
    bench.ask(Request::PoolAuto { pool: "pair-1".into() }).unwrap().unwrap();
    bench.run(3_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
}

#[test]
fn what_was_due_by_itself_is_not_put_down_to_who_asks_something_then() {
    let mut intent = two_arm();
    let pool = &mut intent.pools[PoolId(0)];
    (pool.fail_back, pool.fail_back_after) = (FailBack::Immediate, std::time::Duration::from_secs(10));
    let mut bench = Bench::restarted(&intent, Ok(None));
    bench.run(1_000);
    (bench.hosts[A].manner, bench.hosts[B].manner) = (Manner::Refuses, Manner::Answers(200));
    bench.run(1_000);
    bench.hosts[A].manner = Manner::Answers(200);
    bench.run(9_000);
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    // Nothing is handled meanwhile, and what comes first is a request.
    bench.now += Duration::from_millis(3_000);
    bench.ask(member_set("sip-b", AdminState::Enabled));
    let Data::Switchovers(rows) = bench.ask(Request::Switchovers {}).unwrap().unwrap().data else { panic!() };
    let last = rows.last().unwrap();
    assert_eq!((last.to.as_deref(), last.cause), (Some("sip-a"), Cause::Monitor), "{last:?}");
}

/// What nobody found out took no time to be found.
#[test]
fn scenario_29_who_forces_another_one_while_the_active_one_is_down_detects_nothing() {
    let mut bench = Bench::settled();
    bench.hosts[A].manner = Manner::Mute;
    bench.run(2_000);
    let rows = members(&mut bench);
    assert_eq!((rows[A].state, rows[A].role), (MemberState::Down, Role::Active), "it stays the target");
    bench.ask_and_wait(Request::PoolForce { pool: "pair-1".into(), member: "sip-b".into() }, 100).unwrap();
    let Data::Switchovers(rows) = bench.ask(Request::Switchovers {}).unwrap().unwrap().data else { panic!() };
    let last = rows.last().unwrap();
    assert_eq!((last.from.as_deref(), last.to.as_deref(), last.cause), (Some("sip-a"), Some("sip-b"), Cause::Operator));
    assert_eq!((last.last_good_answer, last.first_failed_probe), (None, None), "{last:?}");
    assert!(last.lost.is_some_and(|lost| lost < last.detected), "that it was down is known: {last:?}");
}

#[test]
fn scenario_30_two_that_answer_raise_an_alarm_and_move_nothing() {
    let mut bench = Bench::settled();
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(500);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    assert_eq!(bench.logged("2 members answer"), 1);
    bench.hosts[B].manner = Manner::Refuses;
    bench.run(500);
    assert_eq!(bench.logged("alarm cleared: pool pair-1"), 1);
}

#[test]
fn scenario_31_an_open_port_without_an_answer_makes_nobody_active() {
    let mut bench = Bench::settled();
    for _ in 0..20 {
        bench.hosts[B].manner = Manner::Mute;
        bench.run(50);
        bench.hosts[B].manner = Manner::Refuses;
        bench.run(150);
    }
    assert_eq!((bench.active().as_deref(), bench.logged("switchover")), (Some("sip-a"), 1));
}

#[test]
fn scenario_32_one_lost_answer_moves_nothing_and_one_success_neither() {
    let mut bench = Bench::settled();
    bench.hosts[A].manner = Manner::Mute;
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(200);
    bench.hosts[A].manner = Manner::Answers(200);
    bench.hosts[B].manner = Manner::Refuses;
    bench.run(2_000);
    assert_eq!((bench.active().as_deref(), bench.logged("switchover")), (Some("sip-a"), 1));
}

#[test]
fn scenario_33_only_the_codes_of_the_filter_are_good() {
    let mut bench = Bench::settled();
    bench.hosts[A].manner = Manner::Answers(503);
    bench.run(1_000);
    let row = |bench: &mut Bench| members(bench).swap_remove(A);
    assert_eq!((row(&mut bench).state, row(&mut bench).role), (MemberState::Down, Role::Active));
    assert!(row(&mut bench).reason.contains("503"));
    bench.hosts[A].manner = Manner::Answers(302);
    bench.run(1_000);
    assert_eq!((row(&mut bench).state, bench.active().as_deref()), (MemberState::Up, Some("sip-a")));
}

#[test]
fn scenario_34_no_two_probes_share_a_call_id_and_they_leave_from_the_self_ip() {
    let mut bench = Bench::settled();
    bench.run(2_000);
    let line = |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let ids: BTreeSet<String> =
        bench.options.iter().map(|(_, text)| line(text, "Call-ID") + &line(text, "Via")).collect();
    assert_eq!(ids.len(), bench.options.len());
    let probes = bench.frames.iter().map(|(_, _, frame)| Packet::parse(frame).unwrap());
    for probe in probes.filter(|headers| matches!(headers.kind, Kind::Udp)) {
        assert_eq!(probe.src(), Ipv4Addr::new(10, 20, 0, 1));
    }
}

/// Of a standby as well, whose changes move nothing.
#[test]
fn a_member_that_goes_up_or_down_is_logged_with_the_reason() {
    let mut bench = Bench::settled();
    let logged = |bench: &mut Bench| {
        let about = |(_, line): &(LogLevel, String)| line.starts_with("member sip-b is ");
        std::mem::take(&mut bench.logs).into_iter().filter(about).collect::<Vec<_>>()
    };
    let first = logged(&mut bench);
    assert!(first.len() == 1 && first[0].0 == LogLevel::Info && first[0].1.contains("is down: "), "{first:?}");
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(3_000);
    let up = logged(&mut bench);
    assert!(up.len() == 1 && up[0].0 == LogLevel::Info && up[0].1.contains("is up: sip-options: 200"), "{up:?}");
    bench.hosts[B].manner = Manner::Refuses;
    bench.run(3_000);
    let down = logged(&mut bench);
    assert!(down.len() == 1 && down[0].0 == LogLevel::Warn, "{down:?}");
    assert!(down[0].1.contains("member sip-b is down: sip-options: port 5060/udp is closed"), "{down:?}");
}

/// The usual course: the standby opens its port after the active member has died.
#[test]
fn scenario_17_a_lost_member_stays_the_target_until_another_is_up_and_one_switchover_tells_of_it() {
    let mut bench = Bench::settled();
    bench.hosts[A].manner = Manner::Refuses;
    let died = bench.now;
    bench.run(2_000);
    assert_eq!(bench.active().as_deref(), Some("sip-a"));
    assert_eq!(bench.snapshot().members[A].lost_before.0, 0, "its connections are not reset");
    assert_eq!(bench.logged("sip-a is active but down"), 1);
    bench.hosts[B].manner = Manner::Answers(200);
    let opened = bench.now;
    bench.run(1_000);
    assert_eq!(bench.active().as_deref(), Some("sip-b"));
    assert_eq!(bench.snapshot().members[A].lost_before, bench.snapshot().pools[0].generation, "now they are");
    let Data::Switchovers(rows) = bench.ask(Request::Switchovers {}).unwrap().unwrap().data else { panic!() };
    assert_eq!(rows.len(), 2, "one, and the first choice");
    let row = &rows[1];
    assert_eq!((row.from.as_deref(), row.to.as_deref(), row.cause), (Some("sip-a"), Some("sip-b"), Cause::Monitor));
    let (lost, up) = (row.lost.unwrap(), row.up.unwrap());
    let micros = |at: Instant| at.nanos() / 1_000;
    assert!(micros(died) < lost && lost < micros(died) + 700_000, "{row:?}");
    assert!(micros(opened) < up && up <= row.detected, "{row:?}");
}

/// Each policy other than keep-last begins after the gap, or at once if nobody may come.
#[test]
fn scenario_17_rejecting_begins_after_the_gap_unless_nobody_else_is_enabled() {
    for (others, least, most) in [(AdminState::Enabled, 3_000, 3_700), (AdminState::Draining, 0, 700)] {
        let mut rejecting = two_arm();
        (rejecting.pools[0].no_member, rejecting.pools[0].gap) = (NoMember::Reject, Duration::from_secs(3));
        let mut bench = Bench::settled();
        reload(&mut bench, Ok(file_of(&rejecting))).unwrap();
        bench.ask(member_set("sip-b", others)).unwrap().unwrap();
        bench.hosts[A].manner = Manner::Refuses;
        let died = bench.now;
        while bench.active().is_some() {
            assert_eq!(bench.snapshot().members[A].lost_before.0, 0);
            bench.run(1);
            assert!(bench.now.since(died) < Duration::from_secs(10), "{others:?}");
        }
        let after = bench.now.since(died).as_millis();
        assert!((least..most).contains(&after), "{others:?}: {after} ms");
        assert_eq!(bench.snapshot().members[A].lost_before, bench.snapshot().pools[0].generation);
    }
}

/// Each way to lose the active role or to get it, and its reason.
#[test]
fn s85_every_switch_logs_one_line_with_time_service_members_reason_and_latency() {
    let mut bench = Bench::settled();
    (bench.hosts[A].manner, bench.hosts[B].manner) = (Manner::Refuses, Manner::Answers(200));
    bench.run(1_000);
    bench.hosts[A].manner = Manner::Answers(200);
    bench.run(1_000);
    bench.ask(force("sip-a")).unwrap().unwrap();
    bench.run(1_000);
    bench.ask(member_set("sip-a", AdminState::Offline)).unwrap().unwrap();
    bench.run(1_000);
    let mut rejecting = two_arm();
    (rejecting.pools[0].no_member, rejecting.pools[0].gap) = (NoMember::Reject, Duration::from_millis(500));
    reload(&mut bench, Ok(file_of(&rejecting))).unwrap();
    (bench.hosts[A].manner, bench.hosts[B].manner) = (Manner::Mute, Manner::Mute);
    bench.run(3_000);
    let mut without_b = rejecting;
    without_b.members.pop();
    without_b.pools[0].members.pop();
    bench.hosts[B].manner = Manner::Answers(200);
    bench.run(1_000);
    reload_anyway(&mut bench, Ok(file_of(&without_b))).unwrap();

    let Data::Switchovers(rows) = bench.ask(Request::Switchovers {}).unwrap().unwrap().data else { panic!() };
    let name = |member: &Option<String>| member.clone().unwrap_or_else(|| "none".into());
    let steps: Vec<(String, String)> = rows.iter().map(|row| (name(&row.from), name(&row.to))).collect();
    let (a, b, nobody) = ("sip-a", "sip-b", "none");
    let expected = [(nobody, a), (a, b), (b, a), (a, b), (b, nobody), (nobody, b), (b, nobody)];
    assert_eq!(steps, expected.map(|(from, to)| (from.to_owned(), to.to_owned())));
    let reasons = [
        "sip-a answers: sip-options: 200",
        "sip-b takes over: sip-a is down (sip-options: port 5060/udp is closed",
        "sip-a is forced by the operator",
        "sip-b takes over: sip-a is offline",
        "no member is up: sip-a is offline",
        "sip-b answers: sip-options: 200",
        "sip-b is no longer a member",
    ];
    use Cause::{Monitor, Operator, Reload, Start};
    let causes: Vec<Cause> = rows.iter().map(|row| row.cause).collect();
    assert_eq!(causes, [Start, Monitor, Operator, Operator, Monitor, Monitor, Reload]);
    for (row, reason) in rows.iter().zip(reasons) {
        assert!(row.reason.starts_with(reason), "{reason}: {row:?}");
        let mut line = format!("switchover of pool pair-1: {} -> {}: {}", name(&row.from), name(&row.to), row.reason);
        match row.cause {
            Cause::Monitor if row.from.is_some() => {
                let latency = row.detected - row.last_good_answer.expect("it answered once");
                line +=
                    &format!("; detected {}.{} ms after its last good answer", latency / 1_000, latency % 1_000 / 100);
            }
            Cause::Monitor => {}
            cause => {
                let marks = (row.last_good_answer, row.first_failed_probe);
                assert_eq!(marks, (None, None), "nothing was detected: {row:?}");
                line += &format!(" ({cause})");
            }
        }
        let grave = if row.cause == Cause::Start { LogLevel::Info } else { LogLevel::Warn };
        let same = bench.logs.iter().filter(|(level, text)| (*level, text) == (grave, &line));
        assert_eq!(same.count(), 1, "{line}\n{:#?}", bench.logs);
    }
    assert_eq!(bench.logged("switchover of pool"), rows.len(), "and no other line");
}
