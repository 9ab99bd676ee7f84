//! What a program is told, what its end says, and which run at once.

use super::*;
use crate::control::harness::two_arm;
use crate::policy::intent::MonitorKind;

struct Bench {
    programs: Programs,
    out: Outbox,
    monitor: Monitor,
    member: Member,
    now: Instant,
}

impl Bench {
    fn new(up_when: UpWhen) -> Bench {
        let intent = two_arm();
        let external =
            ExternalProbe { command: "/bin/probe".into(), arguments: vec!["-v".into()], port: Some(5060), up_when };
        let monitor = Monitor {
            kind: MonitorKind::External(external),
            timeout: Duration::from_millis(400),
            interval: Duration::from_secs(3_600),
            ..intent.monitors[0].clone()
        };
        let now = Instant::from_millis(5);
        let mut bench = Bench {
            programs: Programs::default(),
            out: Outbox::default(),
            monitor,
            member: intent.members[0].clone(),
            now,
        };
        bench.programs.look(now);
        bench
    }

    /// A probe of a check of its own.
    fn begin(&mut self, probe: u64) {
        self.begin_of(probe, MemberId(probe as u16));
    }

    fn begin_of(&mut self, probe: u64, member: MemberId) {
        let MonitorKind::External(external) = &self.monitor.kind else { panic!() };
        let start = Start { probe: ProbeId(probe), member, monitor: MonitorId(0) };
        let whom = (&self.member, self.member.address);
        self.programs.begin(start, (&self.monitor, external), whom, &mut self.out, self.now);
    }

    fn started(&mut self) -> Vec<ProgramRun> {
        let run = |output| if let Output::RunProgram(run) = output { Some(*run) } else { None };
        std::iter::from_fn(|| self.out.pop()).filter_map(run).collect()
    }

    fn started_probes(&mut self) -> Vec<u64> {
        self.started().iter().map(|run| run.probe.0).collect()
    }

    /// So much later; management looks all the time.
    fn wait(&mut self, millis: u64) {
        for _ in 0..millis {
            self.now += Duration::from_millis(1);
            self.programs.look(self.now);
        }
    }

    fn outcomes(&mut self) -> Vec<(ProbeId, Outcome)> {
        self.programs.take_outcomes(&mut self.out, self.now)
    }

    fn end(&mut self, probe: u64, exit: ProgramExit) -> Vec<(ProbeId, Outcome)> {
        self.programs.on_end(ProbeId(probe), exit);
        self.outcomes()
    }

    fn alarms(&self) -> Vec<&str> {
        self.out.alarms.iter().map(|(_, message)| message).collect()
    }
}

const TOOK: Duration = Duration::from_millis(6);

fn exit(how: Exit) -> ProgramExit {
    ProgramExit { how, took: TOOK }
}

fn exited(status: i32, output: &str) -> ProgramExit {
    exit(Exit::Status { status: Some(status), output: output.into() })
}

#[test]
fn a_program_is_told_whom_to_ask_and_nothing_else() {
    let mut bench = Bench::new(UpWhen::Exit);
    bench.begin(1);
    let run = bench.started().remove(0);
    assert_eq!(run.program, "/bin/probe");
    assert_eq!(run.arguments, ["10.20.0.11", "5060", "-v"]);
    assert_eq!(run.limit, bench.monitor.timeout);
    let names: Vec<&str> = run.environment.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["PATH", "FAIRLEAD_ADDRESS", "FAIRLEAD_PORT", "FAIRLEAD_MEMBER", "FAIRLEAD_MONITOR"]);
    assert_eq!(run.environment[3].1, "sip-a");
}

/// The time is that of whoever ran it, not that of management, which may hear of the end late.
#[test]
fn how_it_ends_says_how_the_member_is() {
    let long = format!("\n\x1b[31m{}\n", "x".repeat(200));
    let shown = format!("exit status 0: [31m{}", "x".repeat(76));
    let rows = [
        (UpWhen::Exit, exited(0, ""), Ok("exit status 0")),
        (UpWhen::Exit, exited(0, " all well \nmore"), Ok("exit status 0: all well")),
        (UpWhen::Exit, exited(0, &long), Ok(shown.as_str())),
        (UpWhen::Exit, exited(2, "no route"), Err("exit status 2: no route")),
        (UpWhen::Exit, exit(Exit::Status { status: None, output: vec![] }), Err("ended by a signal")),
        (UpWhen::Exit, exit(Exit::NotStarted("no such file".into())), Err("no such file")),
        (UpWhen::Output, exited(1, "UP"), Ok("exit status 1: UP")),
        (UpWhen::Output, exited(0, ""), Err("it printed nothing; exit status 0")),
    ];
    for (up_when, end, expected) in rows {
        let mut bench = Bench::new(up_when);
        bench.begin(1);
        let at = bench.now + TOOK;
        bench.wait(40);
        let outcomes = bench.end(1, end.clone());
        let expected = match expected {
            Ok(words) => Outcome::Good { rtt: TOOK, at, detail: words.into() },
            Err(reason) => Outcome::Failed { reason: reason.into() },
        };
        assert_eq!(outcomes, [(ProbeId(1), expected)], "{end:?}");
    }
    let mut bench = Bench::new(UpWhen::Exit);
    bench.begin(1);
    assert_eq!(bench.end(1, exit(Exit::Killed)), [(ProbeId(1), Outcome::Timeout)]);
    assert_eq!(bench.end(1, exited(0, "")), [], "it ends once");
}

#[test]
fn what_speaks_against_a_member_decides_nothing_if_management_paused_meanwhile() {
    let failures = [exited(1, "no"), exit(Exit::Killed), exit(Exit::Status { status: None, output: vec![] })];
    for (pause, decides) in [(150, true), (201, false)] {
        for failure in failures.clone() {
            let mut bench = Bench::new(UpWhen::Exit);
            bench.begin(1);
            bench.wait(10);
            bench.now += Duration::from_millis(pause);
            bench.programs.look(bench.now);
            bench.wait(10);
            let outcomes = bench.end(1, failure.clone());
            assert_eq!(outcomes[0].1 != Outcome::AWAY, decides, "{pause} ms, {failure:?}");
        }
        let mut bench = Bench::new(UpWhen::Exit);
        bench.begin(1);
        bench.now += Duration::from_millis(pause);
        bench.programs.look(bench.now);
        assert!(matches!(bench.end(1, exited(0, ""))[0].1, Outcome::Good { rtt: TOOK, .. }), "who answers lives");
    }
    // While it hears nothing, management does not say that a program was silent.
    let mut bench = Bench::new(UpWhen::Exit);
    bench.begin(1);
    bench.now += Duration::from_secs(10);
    bench.programs.look(bench.now);
    assert_eq!(bench.outcomes(), []);
    assert_eq!(bench.end(1, exit(Exit::Killed)), [(ProbeId(1), Outcome::AWAY)]);
}

/// It was good too late: that is silence, and management was not there to hear of it in time.
#[test]
fn a_good_end_beyond_the_time_limit_is_silence_unless_management_paused_meanwhile() {
    for (pause, expected) in [(1, Outcome::Timeout), (201, Outcome::AWAY)] {
        for (up_when, took, is_good) in
            [(UpWhen::Exit, 400, true), (UpWhen::Exit, 401, false), (UpWhen::Output, 401, false)]
        {
            let mut bench = Bench::new(up_when);
            bench.begin(1);
            bench.now += Duration::from_millis(pause);
            bench.programs.look(bench.now);
            let late = ProgramExit { took: Duration::from_millis(took), ..exited(0, "UP") };
            let outcome = bench.end(1, late).remove(0).1;
            match is_good {
                true => assert!(matches!(outcome, Outcome::Good { .. }), "{pause} ms: {outcome:?}"),
                false => assert_eq!(outcome, expected, "{pause} ms"),
            }
        }
    }
}

#[test]
fn what_fairlead_could_not_run_decides_nothing_and_an_alarm_says_why_until_that_check_runs_again() {
    let mut bench = Bench::new(UpWhen::Exit);
    bench.monitor.interval = Duration::from_secs(2);
    let not_run = |why: &str| exit(Exit::NotRun(why.into()));
    let (a, b) = (MemberId(0), MemberId(1));
    bench.begin_of(1, a);
    assert_eq!(bench.end(1, not_run("no thread is to be had")), [(ProbeId(1), NOT_RUN)]);
    let alarm = "/bin/probe for sip-a: Fairlead could not run it, so its probes decide nothing: no thread is to be had";
    assert_eq!(bench.alarms(), [alarm]);
    bench.begin_of(2, b);
    assert!(matches!(bench.end(2, exited(0, ""))[0].1, Outcome::Good { .. }));
    assert_eq!(bench.alarms(), [alarm], "another check says nothing of that one");
    bench.begin_of(3, a);
    assert!(matches!(bench.end(3, exit(Exit::NotStarted("no such file".into())))[0].1, Outcome::Failed { .. }));
    assert_eq!(bench.alarms(), [alarm], "it has not run");
    bench.begin_of(4, a);
    assert_eq!(bench.end(4, exited(1, "no")).len(), 1);
    assert_eq!(bench.alarms(), Vec::<&str>::new());
    // Its check may be gone from the file.
    bench.begin_of(5, a);
    bench.end(5, not_run("its time was up"));
    bench.wait(59_999);
    assert_eq!((bench.outcomes(), bench.alarms().len()), (vec![], 1));
    assert_eq!(bench.programs.next_deadline(bench.now), Some(bench.now + Duration::from_millis(1)));
    bench.wait(1);
    assert_eq!((bench.outcomes(), bench.alarms().len()), (vec![], 0));
}

#[test]
fn at_most_sixteen_run_at_once_first_come_first_served() {
    let mut bench = Bench::new(UpWhen::Exit);
    (1..=40).for_each(|probe| bench.begin(probe));
    assert_eq!(bench.started_probes(), (1..=16).collect::<Vec<_>>());
    bench.end(3, exited(0, ""));
    assert_eq!(bench.started_probes(), [17]);
}

#[test]
fn no_two_of_one_check_run_at_once() {
    let mut bench = Bench::new(UpWhen::Exit);
    let (a, b) = (MemberId(0), MemberId(1));
    for (probe, member) in [(1, a), (2, a), (3, b), (4, b)] {
        bench.begin_of(probe, member);
    }
    assert_eq!(bench.started_probes(), [1, 3]);
    bench.end(3, exited(0, ""));
    assert_eq!(bench.started_probes(), [4]);
    bench.end(1, exited(0, ""));
    assert_eq!(bench.started_probes(), [2]);
}

/// A program in a system call that does not return outlives SIGKILL.
#[test]
fn one_that_does_not_end_is_silent_in_time_and_keeps_its_place() {
    let mut bench = Bench::new(UpWhen::Exit);
    (1..=20).for_each(|probe| bench.begin(probe));
    assert_eq!(bench.started().len(), MOST);
    bench.wait(1_399);
    assert_eq!(bench.outcomes(), [], "400 ms, and a second");
    bench.wait(1);
    let outcomes = bench.outcomes();
    assert_eq!(outcomes, (1..=16).map(|probe| (ProbeId(probe), Outcome::Timeout)).collect::<Vec<_>>());
    assert_eq!(
        bench.alarms(),
        [
            "16 programs of external monitors have been killed and not ended, /bin/probe for sip-a among them: they count as \
         silent, and 0 of 16 can run at once"
        ]
    );
    bench.wait(60_000);
    assert_eq!((bench.outcomes(), bench.started_probes()), (vec![], vec![]), "no place is free");
    bench.begin_of(30, MemberId(7));
    let reason = "the program of a probe before was killed and has not ended".into();
    assert_eq!(bench.outcomes(), [(ProbeId(30), Outcome::Failed { reason })], "its check is not run beside itself");
    assert_eq!(bench.end(2, exit(Exit::Killed)), [], "it has been said");
    assert_eq!(bench.started_probes(), [17]);
    for probe in (1..=16).filter(|probe| ![2, 7].contains(probe)) {
        bench.end(probe, exit(Exit::Killed));
    }
    assert_eq!(bench.started_probes(), [18, 19, 20]);
    assert!(bench.alarms()[0].starts_with("1 program of external monitors has been killed and not ended"));
    bench.end(7, exit(Exit::Killed));
    assert_eq!(bench.alarms(), Vec::<&str>::new());
    bench.begin_of(31, MemberId(7));
    assert_eq!(bench.started_probes(), [31]);
}

#[test]
fn what_waits_is_bounded_and_what_is_due_beyond_decides_nothing() {
    let mut bench = Bench::new(UpWhen::Exit);
    (1..=16 + 1_024).for_each(|probe| bench.begin(probe));
    assert_eq!((bench.outcomes(), bench.alarms()), (vec![], vec![]));
    bench.begin(2_000);
    assert_eq!(bench.outcomes(), [(ProbeId(2_000), NO_PLACE)]);
    assert_eq!(
        bench.alarms(),
        [
            "1024 programs of external monitors wait to be run, 16 at once: what is due beyond that decides nothing; write \
         longer intervals"
        ]
    );
    (1..=511).for_each(|probe| _ = bench.end(probe, exited(0, "")));
    assert_eq!(bench.alarms().len(), 1);
    bench.end(512, exited(0, ""));
    assert_eq!(bench.alarms(), Vec::<&str>::new(), "half of them wait no longer");
}

/// What it would say by then is late, and the next one is due.
#[test]
fn what_has_waited_for_its_interval_decides_nothing_and_an_alarm_says_how_many_wait_and_how_long() {
    let mut bench = Bench::new(UpWhen::Exit);
    (bench.monitor.interval, bench.monitor.timeout) = (Duration::from_millis(500), Duration::from_secs(300));
    (1..=16).for_each(|probe| bench.begin(probe));
    bench.wait(100);
    (17..=20).for_each(|probe| bench.begin(probe));
    bench.wait(100);
    bench.begin(21);
    bench.started();
    bench.wait(399);
    assert_eq!(bench.outcomes(), []);
    assert_eq!(bench.programs.next_deadline(bench.now), Some(bench.now + Duration::from_millis(1)));
    bench.wait(1);
    let outcomes = bench.end(1, exited(0, ""));
    assert_eq!(outcomes[1..], [18, 19, 20].map(|probe| (ProbeId(probe), TOO_LATE)));
    assert_eq!(bench.started_probes(), [17], "the first of them has the place that is free");
    assert_eq!(
        bench.alarms(),
        [
            "4 programs of external monitors wait to be run, 16 at once, the first for 500ms: one that has waited for its interval \
             decides nothing; write longer intervals or shorter timeouts"
        ]
    );
    bench.end(2, exited(0, ""));
    assert_eq!(bench.started_probes(), [21]);
    bench.wait(59_999);
    assert_eq!((bench.outcomes(), bench.alarms().len()), (vec![], 1));
    bench.wait(1);
    assert_eq!((bench.outcomes(), bench.alarms().len()), (vec![], 0), "none was late for a minute");
}

#[test]
fn another_file_drops_those_that_wait_for_nobody_and_none_that_runs_loses_its_place() {
    let mut bench = Bench::new(UpWhen::Exit);
    (1..=20).for_each(|probe| bench.begin(probe));
    bench.started();
    bench.programs.keep(|probe| probe == ProbeId(19));
    for probe in 1..=4 {
        bench.end(probe, exited(0, ""));
    }
    assert_eq!(bench.started_probes(), [19]);
    assert_eq!(bench.programs.running.len(), 13);
}

#[test]
fn while_one_runs_management_looks_often_enough_to_know_that_it_does() {
    let mut bench = Bench::new(UpWhen::Exit);
    assert_eq!(bench.programs.next_deadline(bench.now), None);
    bench.begin(1);
    assert_eq!(bench.programs.next_deadline(bench.now), Some(bench.now + LOOK));
    bench.wait(1_400);
    bench.outcomes();
    assert_eq!(bench.programs.next_deadline(bench.now), None, "it hangs: there is nothing to be late for");
}
