//! The program of `[notify]`, which is told what happens.
//!
//! Owns which events wait for it, that one runs at a time, and what is said when it fails. It is run by whoever takes an
//! [`Output::Notify`], as a program of an external monitor is; nobody waits for it, and what finds the queue full is counted and not told.

use super::outbox::{Outbox, Output};
use super::program_run::{Exit, ProbeId, ProgramExit, ProgramRun};
use crate::admin::events::{EventRow, Subject};
use crate::config::{LogLevel, Notify};
use crate::events::{AlarmCode, EventName};
use crate::time::{Duration, Instant};
use std::collections::VecDeque;
use std::sync::Arc;

/// Events that wait.
pub(super) const WAITING: usize = 64;
/// So much later than its time limit it must have been said to have ended.
const GRACE: Duration = Duration::from_secs(5);
/// None has been dropped for so long before the alarm about it is cleared.
const CALM: Duration = Duration::from_secs(60);
/// The alarms by their keys.
const FAILING: &str = "notify failing";
const OVERFLOW: &str = "notify overflow";

/// What is to be told, and what has become of it.
#[derive(Default)]
pub(super) struct Notifier {
    waiting: VecDeque<Arc<EventRow>>,
    running: Option<Running>,
    /// The last event that was looked at.
    seen: u64,
    /// Since the start.
    pub(super) run: u64,
    pub(super) failed: u64,
    pub(super) dropped: u64,
    /// Some were dropped lately.
    full_until: Option<Instant>,
    /// What failed when it was last run.
    failing: Option<Vec<String>>,
}

struct Running {
    event: Arc<EventRow>,
    /// Until when its end must have been heard of.
    until: Instant,
    is_late: bool,
}

impl Notifier {
    /// Nothing of before is told.
    pub(super) fn new(seen: u64) -> Notifier {
        Notifier { seen, ..Notifier::default() }
    }

    /// What has happened since is queued, and the next one told.
    pub(super) fn poll(&mut self, notify: &Notify, out: &mut Outbox, now: Instant) {
        self.gather(notify, out, now);
        if let Some(running) = self.running.as_mut().filter(|one| !one.is_late && one.until <= now) {
            running.is_late = true;
            let why = "it was killed when its time was up, and has not ended: nothing is told until it has";
            self.fail(why, notify, out, now);
        }
        if notify.command.is_empty() {
            self.waiting.clear();
            self.full_until = self.full_until.map(|_| now);
        }
        if self.failing.as_ref().is_some_and(|failing| *failing != notify.command) {
            self.failing = None;
            out.clear(FAILING, || "[notify] names another program, or none".into());
        }
        self.start_next(notify, out, now);
        if self.full_until.is_some_and(|until| until <= now) {
            self.full_until = None;
            out.clear(OVERFLOW, || "events are passed on to the program of [notify] again".into());
        }
    }

    fn gather(&mut self, notify: &Notify, out: &mut Outbox, now: Instant) {
        let before = self.dropped;
        if !notify.command.is_empty() {
            self.dropped += out.events.lost_after(self.seen);
            for row in out.events.after(self.seen).filter(|row| is_wanted(row, notify)) {
                match self.waiting.len() < WAITING {
                    true => self.waiting.push_back(Arc::clone(row)),
                    false => self.dropped += 1,
                }
            }
        }
        self.seen = out.events.last();
        if self.dropped > before {
            self.full_until = Some(now + CALM);
            let message = format!(
                "{} events were not passed on to {}: {WAITING} wait already, and one is told at a time",
                self.dropped,
                named(notify)
            );
            out.raise(OVERFLOW, (AlarmCode::NotifyOverflow, Subject::none()), message, now);
            self.seen = out.events.last();
        }
    }

    fn start_next(&mut self, notify: &Notify, out: &mut Outbox, now: Instant) {
        if self.running.is_some() {
            return;
        }
        let (Some((program, arguments)), Some(event)) = (notify.command.split_first(), self.waiting.pop_front()) else {
            return;
        };
        self.run += 1;
        let run = ProgramRun {
            // Of no probe: its end comes back by another way.
            probe: ProbeId(0),
            program: program.clone(),
            arguments: arguments.to_vec(),
            environment: vec![("PATH", "/usr/local/bin:/usr/bin:/bin".into()), ("FAIRLEAD_EVENT", event.event.clone())],
            input: (event.json() + "\n").into_bytes(),
            limit: notify.timeout,
        };
        self.running = Some(Running { event, until: now + notify.timeout + GRACE, is_late: false });
        out.push(Output::Notify(Box::new(run)));
    }

    /// The one that ran has ended.
    pub(super) fn on_end(&mut self, exit: &ProgramExit, notify: &Notify, out: &mut Outbox, now: Instant) {
        let Some(running) = self.running.take() else { return };
        let why = match &exit.how {
            Exit::Status { status: Some(0), .. } => {
                self.failing = None;
                out.clear(FAILING, || format!("{} is told what happens again", named(notify)));
                return;
            }
            // It has been said.
            _ if running.is_late => return,
            Exit::Status { status: Some(status), output } => {
                format!("exit status {status}{}", said(output))
            }
            Exit::Status { status: None, .. } => "a signal ended it".to_owned(),
            Exit::Killed => format!("it took longer than {} s and was killed", notify.timeout.as_secs_f64()),
            Exit::NotStarted(why) | Exit::NotRun(why) => why.clone(),
        };
        self.running = Some(running);
        self.fail(&why, notify, out, now);
        self.running = None;
    }

    fn fail(&mut self, why: &str, notify: &Notify, out: &mut Outbox, now: Instant) {
        self.failed += 1;
        self.failing = Some(notify.command.clone());
        let event = self.running.as_ref().map_or("", |running| running.event.event.as_str());
        let message = format!("{} was not told of {event}: {why}", named(notify));
        out.log(EventName::NotifyFailed, LogLevel::Warn, message.clone());
        out.raise(FAILING, (AlarmCode::NotifyFailing, Subject::none()), message, now);
    }

    /// When [`Notifier::poll`] is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let late = self.running.as_ref().filter(|one| !one.is_late).map(|one| one.until);
        late.into_iter().chain(self.full_until).min()
    }
}

/// What concerns the program itself is not told to it: that would never end.
fn is_wanted(row: &EventRow, notify: &Notify) -> bool {
    let ours = [AlarmCode::NotifyFailing, AlarmCode::NotifyOverflow].map(|code| code.to_string());
    let is_ours = row.is(EventName::NotifyFailed) || row.alarm.as_ref().is_some_and(|alarm| ours.contains(alarm));
    !is_ours && notify.events.iter().any(|name| row.is(*name))
}

fn named(notify: &Notify) -> &str {
    notify.command.first().map_or("the program of [notify]", String::as_str)
}

/// What it printed first, fit for a reason.
fn said(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let line: String =
        text.trim().lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(80).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        notifier: Notifier,
        out: Outbox,
        notify: Notify,
        now: Instant,
    }

    fn bench() -> Bench {
        let notify = Notify {
            command: vec!["/bin/tell".into(), "-v".into()],
            events: vec![EventName::Switchover, EventName::AlarmRaised],
            timeout: Duration::from_secs(10),
        };
        Bench { notifier: Notifier::new(0), out: Outbox::default(), notify, now: Instant::from_millis(1) }
    }

    impl Bench {
        fn happens(&mut self, name: EventName) {
            self.out.log(name, LogLevel::Info, "something".into());
        }

        fn runs(&mut self) -> Vec<ProgramRun> {
            self.notifier.poll(&self.notify, &mut self.out, self.now);
            let run = |output| if let Output::Notify(run) = output { Some(*run) } else { None };
            std::iter::from_fn(|| self.out.pop()).filter_map(run).collect()
        }

        fn ends(&mut self, how: Exit) {
            let exit = ProgramExit { how, took: Duration::ZERO };
            self.notifier.on_end(&exit, &self.notify, &mut self.out, self.now);
        }

        fn alarms(&self) -> Vec<String> {
            self.out.alarms.standing().map(|alarm| alarm.of.0.to_string()).collect()
        }
    }

    fn exited(status: i32) -> Exit {
        Exit::Status { status: Some(status), output: b"no route\n".to_vec() }
    }

    #[test]
    fn one_at_a_time_is_told_what_was_asked_for_as_json() {
        let mut bench = bench();
        for name in [EventName::Switchover, EventName::MemberUp, EventName::AlarmRaised] {
            bench.happens(name);
        }
        let [run] = &bench.runs()[..] else { panic!() };
        assert_eq!(
            (run.program.as_str(), &run.arguments[..], run.limit),
            ("/bin/tell", &["-v".to_owned()][..], Duration::from_secs(10))
        );
        let row: EventRow = serde_json::from_slice(&run.input).unwrap();
        assert_eq!((row.event.as_str(), row.number), ("switchover", 1));
        assert!(run.environment.contains(&("FAIRLEAD_EVENT", "switchover".into())));
        assert_eq!(bench.runs(), [], "one runs");
        bench.ends(exited(0));
        let [run] = &bench.runs()[..] else { panic!() };
        assert!(String::from_utf8_lossy(&run.input).contains("\"alarm.raised\""));
        bench.ends(exited(0));
        assert_eq!((bench.runs(), bench.alarms(), bench.notifier.run), (vec![], vec![], 2));
    }

    #[test]
    fn one_that_hangs_delays_nobody_and_what_is_beyond_the_queue_is_counted() {
        let mut bench = bench();
        (0..WAITING + 8).for_each(|_| bench.happens(EventName::Switchover));
        assert_eq!(bench.runs().len(), 1);
        assert_eq!((bench.notifier.dropped, bench.alarms()), (8, vec!["notify.overflow".to_owned()]));
        bench.now += Duration::from_secs(16);
        assert_eq!(bench.runs(), [], "it is still there");
        assert_eq!(
            (bench.notifier.failed, bench.alarms()),
            (1, vec!["notify.failing".to_owned(), "notify.overflow".into()])
        );
        assert_eq!(bench.runs(), []);
        assert_eq!(bench.notifier.failed, 1, "said once");
        bench.ends(Exit::Killed);
        assert_eq!((bench.runs().len(), bench.notifier.failed), (1, 1));
        bench.ends(exited(0));
        assert_eq!(bench.alarms(), ["notify.overflow"]);
        bench.now += CALM;
        bench.runs();
        assert_eq!(bench.alarms(), [""; 0]);
    }

    /// Else its own failure would be told to it, fail, and be told again.
    #[test]
    fn a_failure_is_counted_and_an_alarm_and_never_told_to_the_program_itself() {
        let mut bench = bench();
        bench.notify.events = EventName::ALL.to_vec();
        for how in [exited(3), Exit::Killed, Exit::NotRun("no memory".into()), Exit::NotStarted("no such file".into())]
        {
            bench.happens(EventName::MemberUp);
            assert_eq!(bench.runs().len(), 1);
            bench.ends(how);
            assert_eq!((bench.runs(), bench.alarms()), (vec![], vec!["notify.failing".to_owned()]));
        }
        assert_eq!(bench.notifier.failed, 4);
        let said: Vec<_> = bench.out.events.after(0).filter(|row| row.is(EventName::NotifyFailed)).collect();
        assert!(
            said[0].message.ends_with("/bin/tell was not told of member.up: exit status 3: no route"),
            "{}",
            said[0].message
        );
        assert!(said[1].message.ends_with("it took longer than 10 s and was killed"), "{}", said[1].message);
    }

    #[test]
    fn without_a_program_nothing_waits() {
        let mut bench = bench();
        bench.notify.command.clear();
        bench.happens(EventName::Switchover);
        assert_eq!((bench.runs(), bench.notifier.waiting.len(), bench.notifier.dropped), (vec![], 0, 0));
    }
}
