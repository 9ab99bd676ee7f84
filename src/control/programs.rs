//! Probes that a program of the operator's carries: which run, which wait, and what their end says of a member.
//!
//! Owns the bound on how many run at once, that no two of one check do, how long one may wait, and when their time is up. A program that
//! does not end keeps its place, so that those which hang cannot pile up. Starts nothing: whoever takes a [`ProgramRun`] does, and says by
//! a [`ProgramExit`] how it ended.

use super::outbox::{Outbox, Output};
use super::program_run::{Exit, ProgramExit, ProgramRun};
use crate::admin::events::Subject;
use crate::events::AlarmCode;
use crate::monitor::{Outcome, ProbeId, Start};
use crate::policy::intent::{ExternalProbe, Member, MemberId, Monitor, MonitorId, UpWhen};
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Programs that run at once.
pub const MOST: usize = 16;
/// Those that wait for it; a probe beyond says nothing about its member.
const WAITING: usize = 1_024;
/// What such a probe says.
const NO_PLACE: Outcome = Outcome::Inconclusive { why: "too many programs wait to be run" };
/// And one that has waited for a place until the next of its check would be due.
const TOO_LATE: Outcome = Outcome::Inconclusive { why: "its program has waited for an interval to be run" };
/// And one whose program Fairlead could not run.
const NOT_RUN: Outcome = Outcome::Inconclusive { why: "Fairlead could not run its program" };
/// So long none must have been too late, or not run, before the alarm about it is cleared; two intervals of theirs if that is more.
const CALM: Duration = Duration::from_secs(60);
/// So much later than its time limit a program must have been said to have ended: it takes a moment to be killed and heard of.
const GRACE: Duration = Duration::from_secs(1);
/// While programs run, management looks at least so often.
const LOOK: Duration = Duration::from_millis(50);
/// A longer pause of management explains any failure: what kept it from its core may have kept the program from its own.
const PAUSE: Duration = Duration::from_millis(200);
/// The alarms by their keys: programs that do not end, too many that wait, those that wait too long, and those that Fairlead cannot
/// run.
const HUNG: &str = "programs hung";
const FULL: &str = "programs waiting";
const SLOW: &str = "programs late";
const UNABLE: &str = "programs not run";

/// The programs that run and wait.
#[derive(Default)]
pub(super) struct Programs {
    running: BTreeMap<ProbeId, Running>,
    /// Oldest first.
    waiting: Vec<Waiting>,
    /// Those that have ended since it was last looked at what they say.
    ended: Vec<(ProbeId, ProgramExit)>,
    outcomes: Vec<(ProbeId, Outcome)>,
    looked: Instant,
    /// How many hang, as far as the alarm says.
    hung: usize,
    /// An alarm says that too many wait.
    is_full: bool,
    /// An alarm says that they wait too long, until then unless another one does.
    slow_until: Option<Instant>,
    /// An alarm says that one of this check could not be run, until then unless one of it runs before, or another could not be run.
    unable: Option<(Check, Instant)>,
}

/// What must not run twice at once.
type Check = (MemberId, MonitorId);

struct Waiting {
    check: Check,
    /// The program, and for whom it is run.
    name: String,
    run: ProgramRun,
    up_when: UpWhen,
    since: Instant,
    interval: Duration,
}

impl Waiting {
    fn until(&self) -> Instant {
        self.since + self.interval
    }
}

struct Running {
    check: Check,
    name: String,
    started: Instant,
    limit: Duration,
    interval: Duration,
    /// Until when its end must have been heard of.
    until: Instant,
    up_when: UpWhen,
    /// Management has paused while it ran.
    was_away: bool,
    /// Its end was not heard of in time, and what that means has been said.
    is_late: bool,
}

impl Programs {
    /// A probe of `member` is due.
    pub(super) fn begin(
        &mut self,
        start: Start,
        (monitor, external): (&Monitor, &ExternalProbe),
        (member, asked): (&Member, Ipv4Addr),
        out: &mut Outbox,
        now: Instant,
    ) {
        let (probe, check) = (start.probe, (start.member, start.monitor));
        if self.running.values().any(|one| one.is_late && one.check == check) {
            return self.outcomes.push((probe, hangs()));
        }
        if self.waiting.len() >= WAITING {
            self.is_full = true;
            let message = format!(
                "{WAITING} programs of external monitors wait to be run, {MOST} at once: what is due beyond that decides nothing; \
                 write longer intervals"
            );
            out.raise(FULL, (AlarmCode::ProgramsWaiting, Subject::none()), message, now);
            return self.outcomes.push((probe, NO_PLACE));
        }
        let name = format!("{} for {}", external.command, member.name);
        let run = run_of(probe, (monitor, external), (member, asked));
        let (up_when, interval) = (external.up_when, monitor.interval);
        self.waiting.push(Waiting { check, name, run, up_when, since: now, interval });
        self.start_next(out, now);
    }

    /// Another file applies: a probe that nobody awaits any more is not run. One that runs keeps its place until it has ended.
    pub(super) fn keep(&mut self, awaited: impl Fn(ProbeId) -> bool) {
        self.waiting.retain(|one| awaited(one.run.probe));
    }

    /// Those that have waited longest, but none of a check of which one runs.
    fn start_next(&mut self, out: &mut Outbox, now: Instant) {
        while self.running.len() < MOST
            && let Some(at) = self.waiting.iter().position(|one| self.running.values().all(|it| it.check != one.check))
        {
            let Waiting { check, name, run, up_when, interval, .. } = self.waiting.remove(at);
            let (started, limit, until) = (now, run.limit, now + run.limit + GRACE);
            let (was_away, is_late) = (false, false);
            let running = Running { check, name, started, limit, interval, until, up_when, was_away, is_late };
            self.running.insert(run.probe, running);
            out.push(Output::RunProgram(Box::new(run)));
        }
        if self.is_full && self.waiting.len() <= WAITING / 2 {
            self.is_full = false;
            out.clear(FULL, || "programs of external monitors do not wait too long any more".into());
        }
    }

    /// Management is here. To be said at least each [`LOOK`] while a program runs.
    pub(super) fn look(&mut self, now: Instant) {
        let pause = now.since(self.looked);
        self.looked = self.looked.max(now);
        for one in self.running.values_mut().filter(|one| pause > one.limit.clamp(LOOK, PAUSE)) {
            one.was_away = true;
            // That it has ended may not have been read yet.
            one.until = one.until.max(now + GRACE);
        }
    }

    /// One that was started has ended.
    pub(super) fn on_end(&mut self, probe: ProbeId, exit: ProgramExit) {
        if self.running.contains_key(&probe) {
            self.ended.push((probe, exit));
        }
    }

    /// What has become known since this was last asked. A program whose end nobody hears of is silent in time, and keeps its place.
    pub(super) fn take_outcomes(&mut self, out: &mut Outbox, now: Instant) -> Vec<(ProbeId, Outcome)> {
        for (probe, exit) in std::mem::take(&mut self.ended) {
            let Some(running) = self.running.remove(&probe) else { continue };
            self.report_unable(&running, &exit.how, out, now);
            if !running.is_late {
                self.outcomes.push((probe, running.judge(exit, now)));
            }
        }
        for (probe, one) in self.running.iter_mut().filter(|(_, one)| !one.is_late && one.until <= now) {
            one.is_late = true;
            self.outcomes.push((*probe, one.failed(Outcome::Timeout)));
            let of_it = self.waiting.extract_if(.., |other| other.check == one.check);
            self.outcomes.extend(of_it.map(|other| (other.run.probe, hangs())));
        }
        self.start_next(out, now);
        self.give_up_late(out, now);
        self.report_hung(out, now);
        if self.unable.is_some_and(|(_, until)| until <= now) {
            self.are_able(out);
        }
        std::mem::take(&mut self.outcomes)
    }

    /// What has waited until the next of its check would be due says nothing of now.
    fn give_up_late(&mut self, out: &mut Outbox, now: Instant) {
        let count = self.waiting.len();
        let waited = self.waiting.first().map_or(Duration::ZERO, |first| now.since(first.since));
        for one in self.waiting.extract_if(.., |one| one.until() <= now) {
            self.outcomes.push((one.run.probe, TOO_LATE));
            self.slow_until = self.slow_until.max(Some(now + CALM.max(one.interval * 2)));
        }
        if self.waiting.len() < count {
            let (programs, wait) = if count == 1 { ("program", "waits") } else { ("programs", "wait") };
            let waited = Duration::from_millis(waited.as_millis().try_into().unwrap_or(u64::MAX));
            let message = format!(
                "{count} {programs} of external monitors {wait} to be run, {MOST} at once, the first for {waited:?}: one that has \
                 waited for its interval decides nothing; write longer intervals or shorter timeouts"
            );
            out.raise(SLOW, (AlarmCode::ProgramsLate, Subject::none()), message, now);
        } else if self.slow_until.is_some_and(|until| until <= now) {
            self.slow_until = None;
            out.clear(SLOW, || "programs of external monitors are run within their intervals again".into());
        }
    }

    fn report_unable(&mut self, of: &Running, how: &Exit, out: &mut Outbox, now: Instant) {
        match how {
            Exit::NotRun(why) => {
                self.unable = Some((of.check, now + CALM.max(of.interval * 2)));
                let message = format!("{}: Fairlead could not run it, so its probes decide nothing: {why}", of.name);
                out.raise(UNABLE, (AlarmCode::ProgramsNotRun, Subject::none()), message, now);
            }
            Exit::NotStarted(_) => {}
            Exit::Status { .. } | Exit::Killed => {
                if self.unable.is_some_and(|(check, _)| check == of.check) {
                    self.are_able(out);
                }
            }
        }
    }

    fn are_able(&mut self, out: &mut Outbox) {
        self.unable = None;
        out.clear(UNABLE, || "programs of external monitors are run again".into());
    }

    fn report_hung(&mut self, out: &mut Outbox, now: Instant) {
        let mut late = self.running.values().filter(|one| one.is_late);
        let count = late.clone().count();
        if std::mem::replace(&mut self.hung, count) == count {
            return;
        }
        let Some(first) = late.next() else {
            _ = out.clear(HUNG, || "every program of an external monitor has ended".into());
            return;
        };
        let (programs, has) = if count == 1 { ("program", "has") } else { ("programs", "have") };
        let message = format!(
            "{count} {programs} of external monitors {has} been killed and not ended, {} among them: they count as silent, and {} \
             of {MOST} can run at once",
            first.name,
            MOST - count
        );
        out.raise(HUNG, (AlarmCode::ProgramsHung, Subject::none()), message, now);
    }

    /// When [`Programs::look`] or [`Programs::take_outcomes`] is due.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let waits = (!self.outcomes.is_empty() || !self.ended.is_empty()).then_some(now);
        let due = |one: &Running| one.until.min(self.looked + LOOK);
        let ends = self.running.values().filter(|one| !one.is_late).map(due);
        let calm = self.slow_until.into_iter().chain(self.unable.map(|(_, until)| until));
        waits.or_else(|| ends.chain(self.waiting.iter().map(Waiting::until)).chain(calm).min())
    }
}

impl Running {
    fn judge(&self, exit: ProgramExit, now: Instant) -> Outcome {
        let took = exit.took;
        let (status, output) = match exit.how {
            Exit::Killed => return self.failed(Outcome::Timeout),
            Exit::NotStarted(reason) => return Outcome::Failed { reason },
            Exit::NotRun(_) => return NOT_RUN,
            // Silence to whoever asked, however it ended then.
            Exit::Status { .. } if took > self.limit => return self.failed(Outcome::Timeout),
            Exit::Status { status, output } => (status, output),
        };
        let how = status.map_or_else(|| "ended by a signal".to_owned(), |status| format!("exit status {status}"));
        let said = first_line(&output);
        let is_good = match self.up_when {
            UpWhen::Exit => status == Some(0),
            UpWhen::Output => !output.is_empty(),
        };
        let words = if said.is_empty() { how } else { format!("{how}: {said}") };
        match is_good {
            true => Outcome::Good { rtt: took, at: now.min(self.started + took), detail: words.into() },
            false if self.up_when == UpWhen::Output => {
                self.failed(Outcome::Failed { reason: format!("it printed nothing; {words}") })
            }
            false => self.failed(Outcome::Failed { reason: words }),
        }
    }

    /// What speaks against the member, unless it may have come of what kept management from its core.
    fn failed(&self, outcome: Outcome) -> Outcome {
        if self.was_away { Outcome::AWAY } else { outcome }
    }
}

/// The program is told whom to ask, and nothing else.
fn run_of(
    probe: ProbeId,
    (monitor, external): (&Monitor, &ExternalProbe),
    (member, asked): (&Member, Ipv4Addr),
) -> ProgramRun {
    let (address, port) = (asked.to_string(), external.port.unwrap_or(0).to_string());
    ProgramRun {
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
        input: Vec::new(),
        limit: monitor.timeout,
    }
}

/// What a probe says whose program cannot be run, because the one before is still there.
fn hangs() -> Outcome {
    Outcome::Failed { reason: "the program of a probe before was killed and has not ended".into() }
}

/// What it printed first, fit for a reason: at most 80 characters, none of them a control character.
fn first_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().filter(|letter| !letter.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests;
