//! What is known of the appliance: samples in, rates out.
//!
//! Owns the last two samples, the trend of the last minute, and whether the appliance can be reached. Knows no terminal, and
//! reads no clock: time is in the samples. A rate is never negative, and never mixes what two runs of an appliance have counted.

use super::sample::{OfMember, Sample};
use super::trend::Trend;
use crate::time::Duration;
use std::collections::BTreeMap;

/// Since when there is no answer, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// By this program's clock.
    pub since: Duration,
    /// What is wrong, and what may be done.
    pub why: String,
}

/// What is known.
#[derive(Clone, Debug, Default)]
pub struct Model {
    before: Option<Sample>,
    now: Option<Sample>,
    of_member: Option<OfMember>,
    trend: Trend,
    lost: Option<Lost>,
}

impl Model {
    /// A sample has come.
    pub fn take(&mut self, mut sample: Sample) {
        self.lost = None;
        if let Some(of_member) = sample.of_member.take() {
            self.of_member = Some(of_member);
        }
        let before = self.now.take().filter(|before| is_same_run(before, &sample));
        match &before {
            None => self.trend.begin(sample.at),
            Some(before) => {
                let over = sample.at.saturating_sub(before.at);
                let counted: BTreeMap<&str, u64> = before.drops().map(|(reason, row)| (reason, row.value)).collect();
                for (reason, row) in sample.drops() {
                    let more = row.value.saturating_sub(counted.get(reason).copied().unwrap_or(0));
                    self.trend.add(reason, sample.at, over, more);
                }
            }
        }
        self.trend.forget(sample.at);
        (self.before, self.now) = (before, Some(sample));
    }

    /// No sample has come: why. What was known stays.
    pub fn lose(&mut self, at: Duration, why: String) {
        let since = self.lost.take().map_or(at, |lost| lost.since);
        self.lost = Some(Lost { since, why });
    }

    /// The latest sample.
    pub fn now(&self) -> Option<&Sample> {
        self.now.as_ref()
    }

    /// The one before it, of the same run of the appliance.
    pub fn before(&self) -> Option<&Sample> {
        self.before.as_ref()
    }

    /// What is known besides of this member.
    pub fn of_member(&self, name: &str) -> Option<&OfMember> {
        self.of_member.as_ref().filter(|row| row.name == name)
    }

    /// Whether, since when and why the appliance does not answer.
    pub fn lost(&self) -> Option<&Lost> {
        self.lost.as_ref()
    }

    /// How much what `of` finds has grown in a second, between the last two samples; `None`: that is not known.
    pub fn rate(&self, of: impl Fn(&Sample) -> Option<u64>) -> Option<f64> {
        self.rate_between(of(self.before.as_ref()?)?, of(self.now.as_ref()?)?)
    }

    /// The same of a count that was `before` and is `now`.
    pub fn rate_between(&self, before: u64, now: u64) -> Option<f64> {
        self.rate_over().and_then(|over| per_second(before, now, over))
    }

    fn rate_over(&self) -> Option<Duration> {
        Some(self.now.as_ref()?.at.saturating_sub(self.before.as_ref()?.at))
    }

    /// Drops for `reason` in the last minute: see [`Trend::cells`].
    pub fn trend(&self, reason: &str, cells: usize) -> Vec<Option<f64>> {
        self.now.as_ref().map_or_else(|| vec![None; cells], |now| self.trend.cells(reason, now.at, cells))
    }
}

/// How much a count has grown in a second; `None`: it fell, or no time has passed.
pub fn per_second(before: u64, now: u64, over: Duration) -> Option<f64> {
    let grown = now.checked_sub(before)?;
    (!over.is_zero()).then(|| grown as f64 / over.as_secs_f64())
}

/// The appliance has not started anew between the two: it is as much older as time has passed, give or take two seconds.
fn is_same_run(before: &Sample, now: &Sample) -> bool {
    let (old, new) = (before.status.uptime_s, now.status.uptime_s);
    let passed = now.at.saturating_sub(before.at).as_secs();
    before.status.name == now.status.name && new >= old && new + 2 >= old + passed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::rows::{CounterRow, PortRow, Status};

    fn sample(at: u64, uptime_s: u64, drops: u64) -> Sample {
        let counter =
            |name: &str, value, worker| CounterRow { name: name.into(), value, explanation: String::new(), worker };
        Sample {
            at: Duration::from_secs(at),
            status: Status { uptime_s, ports: Vec::<PortRow>::new(), ..Status::default() },
            counters: vec![
                counter("received", 1000 * at, None),
                counter("drop_no_flow", drops, None),
                counter("drop_no_flow", drops, Some(0)),
            ],
            ..Sample::default()
        }
    }

    fn drops(model: &Model) -> Option<f64> {
        model.rate(|sample| sample.drops().next().map(|(_, row)| row.value))
    }

    #[test]
    fn a_rate_is_what_two_samples_differ_by_in_a_second() {
        let mut model = Model::default();
        assert_eq!(drops(&model), None);
        model.take(sample(10, 100, 7));
        assert_eq!(drops(&model), None);
        model.take(sample(12, 102, 27));
        assert_eq!(drops(&model), Some(10.0));
        assert_eq!(model.trend("no_flow", 1), [Some(20.0)]);
    }

    #[test]
    fn a_count_that_falls_has_no_rate_and_another_run_begins_anew() {
        let mut model = Model::default();
        model.take(sample(10, 100, 30));
        model.take(sample(12, 102, 7));
        assert_eq!(drops(&model), None, "cleared by somebody");
        assert_eq!(model.trend("no_flow", 1), [Some(0.0)]);
        // Restarted, and longer up by now than it had been before.
        model.take(sample(300, 150, 1_000));
        assert!(model.before().is_none() && drops(&model).is_none());
        model.take(sample(301, 151, 1_005));
        assert_eq!(drops(&model), Some(5.0));
        model.take(sample(302, 0, 1_006));
        assert_eq!(drops(&model), None);
        model.take(sample(302, 0, 1_007));
        assert_eq!(drops(&model), None, "no time has passed");
    }

    #[test]
    fn what_was_known_stays_while_nobody_answers() {
        let mut model = Model::default();
        model.take(sample(10, 100, 30));
        model.lose(Duration::from_secs(11), "gone".into());
        model.lose(Duration::from_secs(15), "refused".into());
        let lost = model.lost().unwrap();
        assert_eq!((lost.since.as_secs(), lost.why.as_str()), (11, "refused"));
        assert_eq!(model.now().unwrap().at.as_secs(), 10);
        model.take(sample(20, 110, 130));
        assert_eq!((model.lost(), drops(&model)), (None, Some(10.0)), "over the time that nothing was heard of");
    }
}
