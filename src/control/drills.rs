//! Drills: a pool is switched over for practice, and back after a while.
//!
//! Owns each pool's drill, the one that runs or the last one, and what it does next ([`Drill::step`]): knows neither clock nor
//! controller, which does it (`drilling`).

use super::waiting::INSTALL_PATIENCE;
use crate::admin::drill::DrillReport;
use crate::policy::Epoch;
use crate::policy::health::Generation;
use crate::policy::intent::{MemberId, PoolId};
use crate::time::Instant;
use std::collections::BTreeMap;

/// The drills, by pool.
pub(super) type Drills = BTreeMap<PoolId, Drill>;

/// A drill that runs, or has ended.
pub(super) struct Drill {
    pub(super) from: MemberId,
    pub(super) to: MemberId,
    /// See [`MemberStatus::lost_before`](super::pools::MemberStatus::lost_before): of `from`, when the drill began.
    pub(super) lost_before: Generation,
    pub(super) stage: Stage,
    pub(super) began: Instant,
    pub(super) back_at: Instant,
    /// The epoch that holds the switch back, from then on.
    pub(super) back_in: Option<Epoch>,
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
    /// What every worker has.
    pub(super) installed: Epoch,
    /// Why the pool has the active member that it has.
    pub(super) reason: String,
    /// Why the member before cannot have the role, if it cannot.
    pub(super) from_unfit: Option<String>,
    /// Why the other one cannot.
    pub(super) to_unfit: Option<String>,
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
            Stage::There if let Some(why) = &seen.to_unfit => {
                Step::Ended(format!("{why}, and elections decide: {}", seen.reason))
            }
            Stage::There if seen.active != Some(self.to) => {
                Step::Ended(format!("{to} is no longer active: {}", seen.reason))
            }
            Stage::There if now < self.back_at => Step::Wait,
            Stage::There => match &seen.from_unfit {
                None => Step::SwitchBack,
                Some(why) => Step::Ended(format!("not switched back, as {why}: {to} stays active")),
            },
            Stage::Back if seen.active != Some(self.from) => {
                Step::Ended(format!("{from} is not active: {}", seen.reason))
            }
            Stage::Back if self.back_in.is_some_and(|epoch| epoch <= seen.installed) => {
                Step::Done(format!("{from} is active again"))
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::rows::{DrillState, Wall};

    const A: MemberId = MemberId(0);
    const B: MemberId = MemberId(1);
    const BACK_AT: Instant = Instant::from_millis(30_000);

    fn drill(stage: Stage, back_in: Option<Epoch>) -> Drill {
        let report = DrillReport {
            pool: "pair-1".into(),
            from: "sip-a".into(),
            to: "sip-b".into(),
            state: DrillState::Running,
            outcome: String::new(),
            began: Wall::default(),
            back_after_s: 30,
            flows: 0,
            from_lost: false,
            flows_back: None,
            switchovers: Vec::new(),
        };
        let (began, lost_before) = (Instant::ZERO, Generation(0));
        Drill { from: A, to: B, lost_before, stage, began, back_at: BACK_AT, back_in, ended: None, report }
    }

    fn seen(active: MemberId, installed: u64) -> Seen {
        let reason = "as elections go".to_owned();
        let installed = Epoch(installed);
        Seen { active: Some(active), forced: false, installed, reason, from_unfit: None, to_unfit: None }
    }

    /// Later snapshots may always be on their way.
    #[test]
    fn a_drill_is_done_with_the_epoch_that_holds_the_switch_back_and_not_before() {
        let back = drill(Stage::Back, Some(Epoch(7)));
        let step = |installed, now| back.step(&seen(A, installed), now);
        assert_eq!(step(6, BACK_AT), Step::Wait);
        for installed in [7, 8, 100] {
            assert_eq!(step(installed, BACK_AT), Step::Done("sip-a is active again".into()));
        }
        let late = BACK_AT + INSTALL_PATIENCE;
        assert!(matches!(step(6, late), Step::Ended(why) if why.contains("not every worker has installed that")));
        assert_eq!(drill(Stage::Back, None).step(&seen(A, 100), BACK_AT), Step::Wait);
    }

    #[test]
    fn whatever_keeps_a_member_from_being_chosen_ends_the_drill() {
        let why = || Some("sip-x says that it is standby".to_owned());
        let there = drill(Stage::There, None);
        let rows = [
            (
                Seen { to_unfit: why(), ..seen(B, 9) },
                "sip-x says that it is standby, and elections decide: as elections go",
            ),
            (seen(A, 9), "sip-b is no longer active: as elections go"),
            (
                Seen { from_unfit: why(), ..seen(B, 9) },
                "not switched back, as sip-x says that it is standby: sip-b stays active",
            ),
            (Seen { forced: true, ..seen(B, 9) }, "the operator has forced a member meanwhile, which counts"),
        ];
        for (seen, outcome) in rows {
            assert_eq!(there.step(&seen, BACK_AT), Step::Ended(outcome.into()));
        }
        assert_eq!(there.step(&Seen { from_unfit: why(), ..seen(B, 9) }, Instant::ZERO), Step::Wait, "it may recover");
        assert_eq!(there.step(&seen(B, 9), BACK_AT), Step::SwitchBack);
    }
}
