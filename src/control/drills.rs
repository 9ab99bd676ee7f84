//! Drills: a pool is switched over for practice, and back after a while.
//!
//! Owns each pool's drill, the one that runs or the last one, and what it does next ([`Drill::step`]): knows neither clock nor
//! controller, which does it (`drilling`).

use super::waiting::INSTALL_PATIENCE;
use crate::admin::drill::DrillReport;
use crate::policy::health::State;
use crate::policy::intent::{MemberId, PoolId};
use crate::time::Instant;
use std::collections::BTreeMap;

/// The drills, by pool.
pub(super) type Drills = BTreeMap<PoolId, Drill>;

/// A drill that runs, or has ended.
pub(super) struct Drill {
    pub(super) from: MemberId,
    pub(super) to: MemberId,
    pub(super) stage: Stage,
    pub(super) began: Instant,
    pub(super) back_at: Instant,
    pub(super) ended: Option<Instant>,
    /// But for the switchovers, which have their own record.
    pub(super) report: DrillReport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    There,
    Back,
    Over,
}

/// What there is to know of the pool.
pub(super) struct Seen {
    pub(super) active: Option<MemberId>,
    /// The operator has chosen meanwhile.
    pub(super) forced: bool,
    /// Every worker has what was decided last.
    pub(super) installed: bool,
    /// Why the pool has the active member that it has.
    pub(super) reason: String,
    pub(super) from: (State, String),
    pub(super) to: (State, String),
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Wait,
    SwitchBack,
    /// All went as it should.
    Done(String),
    /// Something came between.
    Ended(String),
}

impl Drill {
    pub(super) fn step(&self, seen: &Seen, now: Instant) -> Step {
        let DrillReport { from, to, .. } = &self.report;
        let is_in_time = now < self.back_at + INSTALL_PATIENCE;
        match self.stage {
            Stage::Over => Step::Wait,
            _ if seen.forced => Step::Ended("the operator has forced a member meanwhile, which counts".into()),
            Stage::There if seen.to.0 != State::Up => {
                Step::Ended(format!("{to} is {} ({}), and elections decide: {}", seen.to.0, seen.to.1, seen.reason))
            }
            Stage::There if seen.active != Some(self.to) => {
                Step::Ended(format!("{to} is no longer active: {}", seen.reason))
            }
            Stage::There if now < self.back_at => Step::Wait,
            Stage::There if seen.from.0 == State::Up => Step::SwitchBack,
            Stage::There => Step::Ended(format!(
                "not switched back, as {from} is {} ({}): {to} stays active",
                seen.from.0, seen.from.1
            )),
            Stage::Back if seen.active != Some(self.from) => {
                Step::Ended(format!("{from} is not active: {}", seen.reason))
            }
            Stage::Back if seen.installed => Step::Done(format!("{from} is active again")),
            Stage::Back if is_in_time => Step::Wait,
            Stage::Back => Step::Ended(format!(
                "{from} is active again, but not every worker has installed that in {INSTALL_PATIENCE:?}"
            )),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::There => Some(self.back_at),
            Stage::Back => Some(self.back_at + INSTALL_PATIENCE),
            Stage::Over => None,
        }
    }
}
