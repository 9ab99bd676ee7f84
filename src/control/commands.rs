//! Probes that a program of the operator's carries: which run, which wait, and what their end says of a member.
//!
//! Owns the bound on how many run at once, and when their time is up. Starts nothing: whoever takes a [`CommandRun`] does, and says by
//! a [`CommandEnd`] how it ended.

use super::command_run::{CommandEnd, CommandRun};
use super::outbox::{Outbox, Output};
use crate::monitor::{Outcome, ProbeId};
use crate::policy::intent::{ExternalProbe, Member, Monitor, UpWhen};
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;

/// Programs that run at once.
pub const MOST: usize = 16;
/// Those that wait for it; a probe beyond says nothing about its member.
const WAITING: usize = 1_024;
/// So much later than its time limit a program must have been said to have ended: it takes a moment to be killed and heard of.
const GRACE: Duration = Duration::from_secs(1);

/// The programs that run and wait.
#[derive(Default)]
pub(super) struct Commands {
    running: BTreeMap<ProbeId, Running>,
    waiting: VecDeque<(CommandRun, UpWhen)>,
    outcomes: Vec<(ProbeId, Outcome)>,
}

struct Running {
    started: Instant,
    /// Until when its end must have been heard of.
    until: Instant,
    up_when: UpWhen,
}

impl Commands {
    /// A probe of `member` is due.
    pub(super) fn begin(
        &mut self,
        probe: ProbeId,
        (monitor, external): (&Monitor, &ExternalProbe),
        (member, asked): (&Member, Ipv4Addr),
        out: &mut Outbox,
        now: Instant,
    ) {
        if self.waiting.len() >= WAITING {
            return self.outcomes.push((probe, Outcome::Inconclusive));
        }
        let (address, port) = (asked.to_string(), external.port.unwrap_or(0).to_string());
        let run = CommandRun {
            probe,
            program: external.command.clone(),
            arguments: [address.clone(), port.clone()].into_iter().chain(external.arguments.iter().cloned()).collect(),
            environment: vec![
                ("PATH", "/usr/local/bin:/usr/bin:/bin".into()),
                ("FAIRLEAD_ADDRESS", address),
                ("FAIRLEAD_PORT", port),
                ("FAIRLEAD_MEMBER", member.name.clone()),
                ("FAIRLEAD_MONITOR", monitor.name.clone()),
            ],
            limit: monitor.timeout,
        };
        self.waiting.push_back((run, external.up_when));
        self.start_next(out, now);
    }

    fn start_next(&mut self, out: &mut Outbox, now: Instant) {
        while self.running.len() < MOST
            && let Some((run, up_when)) = self.waiting.pop_front()
        {
            self.running.insert(run.probe, Running { started: now, until: now + run.limit + GRACE, up_when });
            out.push(Output::RunCommand(Box::new(run)));
        }
    }

    /// One that was started has ended.
    pub(super) fn on_end(&mut self, probe: ProbeId, end: CommandEnd, out: &mut Outbox, now: Instant) {
        let Some(running) = self.running.remove(&probe) else { return };
        self.outcomes.push((probe, running.judge(end, now)));
        self.start_next(out, now);
    }

    /// The probes that have ended since this was last asked. One whose end nobody hears of is silent in time.
    pub(super) fn take_outcomes(&mut self, out: &mut Outbox, now: Instant) -> Vec<(ProbeId, Outcome)> {
        let late: Vec<ProbeId> = self.running.iter().filter(|(_, one)| one.until <= now).map(|(id, _)| *id).collect();
        late.into_iter().for_each(|probe| self.on_end(probe, CommandEnd::Killed, out, now));
        std::mem::take(&mut self.outcomes)
    }

    /// When [`Commands::take_outcomes`] has something.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let waits = (!self.outcomes.is_empty()).then_some(now);
        waits.or_else(|| self.running.values().map(|one| one.until).min())
    }
}

impl Running {
    fn judge(&self, end: CommandEnd, now: Instant) -> Outcome {
        let (status, output) = match end {
            CommandEnd::Killed => return Outcome::Timeout,
            CommandEnd::NotStarted(reason) => return Outcome::Failed { reason },
            CommandEnd::Exited { status, output } => (status, output),
        };
        let how = status.map_or_else(|| "ended by a signal".to_owned(), |status| format!("exit status {status}"));
        let said = first_line(&output);
        let is_good = match self.up_when {
            UpWhen::Exit => status == Some(0),
            UpWhen::Output => !output.is_empty(),
        };
        let words = if said.is_empty() { how } else { format!("{how}: {said}") };
        match is_good {
            true => Outcome::Good { rtt: now.since(self.started), at: now, detail: words.into() },
            false if self.up_when == UpWhen::Output => {
                Outcome::Failed { reason: format!("it printed nothing; {words}") }
            }
            false => Outcome::Failed { reason: words },
        }
    }
}

/// What it printed first, fit for a reason: at most 80 characters, none of them a control character.
fn first_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().filter(|letter| !letter.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::harness::two_arm;
    use crate::policy::intent::MonitorKind;

    struct Bench {
        commands: Commands,
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
            let monitor = Monitor { kind: MonitorKind::External(external), ..intent.monitors[0].clone() };
            let (commands, out) = (Commands::default(), Outbox::default());
            Bench { commands, out, monitor, member: intent.members[0].clone(), now: Instant::from_millis(5) }
        }

        fn begin(&mut self, probe: u64) {
            let MonitorKind::External(external) = &self.monitor.kind else { panic!() };
            let whom = (&self.member, self.member.address);
            self.commands.begin(ProbeId(probe), (&self.monitor, external), whom, &mut self.out, self.now);
        }

        fn started(&mut self) -> Vec<CommandRun> {
            let run = |output| if let Output::RunCommand(run) = output { Some(*run) } else { None };
            std::iter::from_fn(|| self.out.pop()).filter_map(run).collect()
        }

        fn end(&mut self, probe: u64, end: CommandEnd) -> Vec<(ProbeId, Outcome)> {
            self.commands.on_end(ProbeId(probe), end, &mut self.out, self.now);
            self.commands.take_outcomes(&mut self.out, self.now)
        }
    }

    fn exited(status: i32, output: &str) -> CommandEnd {
        CommandEnd::Exited { status: Some(status), output: output.into() }
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

    #[test]
    fn how_it_ends_says_how_the_member_is() {
        let long = format!("\n\x1b[31m{}\n", "x".repeat(200));
        let shown = format!("exit status 0: [31m{}", "x".repeat(76));
        let rows = [
            (UpWhen::Exit, exited(0, ""), Ok("exit status 0")),
            (UpWhen::Exit, exited(0, " all well \nmore"), Ok("exit status 0: all well")),
            (UpWhen::Exit, exited(0, &long), Ok(shown.as_str())),
            (UpWhen::Exit, exited(2, "no route"), Err("exit status 2: no route")),
            (UpWhen::Exit, CommandEnd::Exited { status: None, output: vec![] }, Err("ended by a signal")),
            (UpWhen::Exit, CommandEnd::NotStarted("no such file".into()), Err("no such file")),
            (UpWhen::Output, exited(1, "UP"), Ok("exit status 1: UP")),
            (UpWhen::Output, exited(0, ""), Err("it printed nothing; exit status 0")),
        ];
        for (up_when, end, expected) in rows {
            let mut bench = Bench::new(up_when);
            bench.begin(1);
            bench.now += Duration::from_millis(7);
            let (now, rtt) = (bench.now, Duration::from_millis(7));
            let outcomes = bench.end(1, end.clone());
            let expected = match expected {
                Ok(words) => Outcome::Good { rtt, at: now, detail: words.into() },
                Err(reason) => Outcome::Failed { reason: reason.into() },
            };
            assert_eq!(outcomes, [(ProbeId(1), expected)], "{end:?}");
        }
        let mut bench = Bench::new(UpWhen::Exit);
        bench.begin(1);
        assert_eq!(bench.end(1, CommandEnd::Killed), [(ProbeId(1), Outcome::Timeout)]);
        assert_eq!(bench.end(1, exited(0, "")), [], "it ends once");
    }

    #[test]
    fn at_most_sixteen_run_at_once_and_their_end_is_waited_for_no_longer_than_a_second() {
        let mut bench = Bench::new(UpWhen::Exit);
        (1..=40).for_each(|probe| bench.begin(probe));
        assert_eq!(bench.started().len(), MOST);
        bench.end(3, exited(0, ""));
        let next: Vec<ProbeId> = bench.started().iter().map(|run| run.probe).collect();
        assert_eq!(next, [ProbeId(17)], "first come, first served");
        let until = bench.now + bench.monitor.timeout + GRACE;
        assert_eq!(bench.commands.next_deadline(bench.now), Some(until));
        bench.now = until;
        let outcomes = bench.commands.take_outcomes(&mut bench.out, bench.now);
        assert!(
            outcomes.len() == MOST && outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Timeout),
            "{outcomes:?}"
        );
        assert_eq!(bench.started().len(), MOST, "others take their place");
        (100..2_000).for_each(|probe| bench.begin(probe));
        let outcomes = bench.commands.take_outcomes(&mut bench.out, bench.now);
        assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Inconclusive) && !outcomes.is_empty());
        assert_eq!(bench.commands.waiting.len(), WAITING);
    }
}
