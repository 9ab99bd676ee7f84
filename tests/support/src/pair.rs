//! Two appliances of a pair in one thread: their workers, what they tell each other, and the wire between, which a test cuts, slows and
//! damages.

use crate::lab::{LabOn, Setting};
use fairlead::policy::intent::Intent;
use fairlead::sync::{Hello, News, Refusal, State, Sync};
use fairlead::time::{Duration, Instant};
use fairlead::worker::Command;
use fairlead::worker::sync::sync_links_with;
use std::collections::VecDeque;

/// How fast time goes while the two talk.
const STEP: Duration = Duration::from_millis(1);

/// Changes that a worker's ring has room for: a sixteenth of what it is in the field.
const ROOM: usize = 1_024;

/// One of the two.
pub struct Half<S: Setting> {
    pub lab: LabOn<S>,
    pub sync: Sync,
    /// What its management has heard.
    pub news: Vec<News>,
    /// Bytes on their way to it.
    pub arriving: VecDeque<u8>,
}

/// Both: the first is active at first. Their clocks are a day apart.
pub struct Pair<S: Setting, T: Setting> {
    pub first: Half<S>,
    pub second: Half<T>,
    /// Bytes that arrive in one step each way.
    pub rate: usize,
    /// Changes what arrives at the second one.
    pub damage: fn(&mut Vec<u8>),
    /// Why the last connection ended.
    pub ended: Option<Refusal>,
}

impl<S: Setting> Half<S> {
    fn new(intent: Intent, process: u64) -> Half<S> {
        let mut rig = S::rig(intent);
        rig.now += Duration::from_secs(86_400 * process);
        let hello = Hello { name: format!("lead-{process}"), process, ..Hello::default() };
        let (ends, links): (Vec<_>, Vec<_>) = sync_links_with(ROOM, S::WORKERS, rig.now).into_iter().unzip();
        let mut ends = ends.into_iter();
        assert!(rig.command(|| Command::Sync(ends.next())).is_empty());
        let lab = LabOn { rig, layout: crate::lab::Layout::TwoArm };
        Half { lab, sync: Sync::new(links, hello), news: Vec::new(), arriving: VecDeque::new() }
    }

    fn now(&self) -> Instant {
        self.lab.rig.now
    }

    /// This has come, and the workers take nothing in yet. Returns what it sends.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        let now = self.now();
        self.sync.receive(bytes, now).expect("it is what the other one says");
        self.sync.poll(now).expect("the connection stands");
        let sent = self.sync.output().map_or_else(Vec::new, |output| output.clone());
        self.sync.sent(sent.len());
        sent
    }

    /// A step to which nothing comes. Returns what it sends.
    pub fn talk(&mut self) -> Vec<u8> {
        self.step(0, |_| {}).expect("the connection stands")
    }

    /// One step: what has come, what is due, a few turns of the workers. Returns what it sends.
    fn step(&mut self, rate: usize, damage: fn(&mut Vec<u8>)) -> Result<Vec<u8>, Refusal> {
        self.lab.rig.now += STEP;
        let now = self.now();
        if self.sync.wants_bytes() {
            let count = self.arriving.len().min(rate);
            let mut bytes: Vec<u8> = self.arriving.drain(..count).collect();
            damage(&mut bytes);
            if !bytes.is_empty() {
                self.sync.receive(&bytes, now)?;
            }
        }
        self.sync.poll(now)?;
        let out = self.lab.rig.settle();
        assert!(out.is_empty(), "nothing is sent for that: {} frames", out.len());
        self.sync.poll(now)?;
        self.news.extend(std::iter::from_fn(|| self.sync.next_news()));
        let sent = self.sync.output().map_or_else(Vec::new, |output| output.clone());
        self.sync.sent(sent.len());
        Ok(sent)
    }
}

impl<S: Setting, T: Setting> Pair<S, T> {
    /// Both with the file of `intent`, which the second one has as `change` says.
    pub fn new(intent: Intent, change: impl FnOnce(&mut Intent)) -> Pair<S, T> {
        let mut second = intent.clone();
        change(&mut second);
        let (mut first, second) = (Half::new(intent, 1), Half::new(second, 2));
        first.sync.set_active(true, first.now());
        Pair { first, second, rate: usize::MAX, damage: |_| {}, ended: None }
    }

    /// The wire is there from now on.
    pub fn connect(&mut self) {
        self.first.arriving.clear();
        self.second.arriving.clear();
        self.first.sync.connected(self.first.now());
        self.second.sync.connected(self.second.now());
    }

    /// It is there no more.
    pub fn cut(&mut self) {
        self.first.sync.disconnected("the wire is cut", self.first.now());
        self.second.sync.disconnected("the wire is cut", self.second.now());
    }

    /// Time passes at both.
    pub fn run(&mut self, span: Duration) {
        for _ in 0..span.as_millis() {
            match self.first.step(self.rate, |_| {}) {
                Ok(sent) if self.first.sync.is_connected() => self.second.arriving.extend(sent),
                Ok(_) => {}
                Err(why) => self.end(why),
            }
            match self.second.step(self.rate, self.damage) {
                Ok(sent) if self.second.sync.is_connected() => self.first.arriving.extend(sent),
                Ok(_) => {}
                Err(why) => self.end(why),
            }
        }
    }

    /// Time passes at both, in steps of half a second of which the two talk for some.
    pub fn wait(&mut self, span: Duration) {
        for _ in 0..span.as_millis() / 500 {
            self.run(STEP * 3);
            self.first.lab.rig.wait(STEP * 497);
            self.second.lab.rig.wait(STEP * 497);
        }
    }

    /// Until the second one has all, for ten seconds at most.
    #[track_caller]
    pub fn settle(&mut self) {
        for _ in 0..1_000 {
            self.run(STEP * 10);
            let states = [self.first.sync.state(self.first.now()), self.second.sync.state(self.second.now())];
            let report = self.first.sync.report(self.first.now());
            if states == [State::InSync; 2] && report.lag_records == 0 {
                return;
            }
        }
        panic!("not in sync: {:?}, {:?}", self.first.sync.report(self.first.now()), self.ended);
    }

    /// The first one is gone, and the second one is active.
    pub fn take_over(self) -> LabOn<T> {
        let Half { mut sync, lab, .. } = self.second;
        sync.disconnected("the other one is gone", lab.rig.now);
        sync.set_active(true, lab.rig.now);
        lab
    }

    fn end(&mut self, why: Refusal) {
        self.cut();
        self.ended = Some(why);
    }
}
