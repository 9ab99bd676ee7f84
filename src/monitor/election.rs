//! Which member of a pool is active, and why.
//!
//! Owns one pure function, [`choose`]. It is sticky: the active member stays until it is lost, the operator says
//! otherwise, or the pool fails back by its own setting. Two members that answer keep the current one and raise an alarm
//! (T-20); nobody is chosen because he stands first in the file, only because a probe said so (scenario 82).
//!
//! The operator's words weigh as follows. *Offline* is like down, and nothing chooses such a member. *Drained* means no
//! new work: a drained active member loses its role at once, to another that is up or to nobody. *Forced* chooses a member
//! whatever its probes say and even if drained; not if offline.

use crate::policy::health::State;
use crate::policy::intent::{FailBack, MemberId, NoMember};

/// A member as it stands for election.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Who.
    pub member: MemberId,
    /// The operator's name for it.
    pub name: &'a str,
    /// What its probes say, with the operator's word laid over.
    pub state: State,
    /// Why it is in that state.
    pub reason: &'a str,
}

/// All that the choice depends on.
#[derive(Clone, Copy, Debug)]
pub struct Ballot<'a> {
    /// The members of the pool in the order of the file.
    pub candidates: &'a [Candidate<'a>],
    /// Who is active now.
    pub current: Option<MemberId>,
    /// Whom the operator wants.
    pub forced: Option<MemberId>,
    /// Whether a member earlier in the list takes over again.
    pub fail_back: FailBack,
    /// What happens when nobody is up.
    pub no_member: NoMember,
}

/// Who is active from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Who; `None`: nobody.
    pub active: Option<MemberId>,
    /// Why, in words for an operator.
    pub reason: String,
    /// What somebody should look at, if anything.
    pub alarm: Option<String>,
}

/// Chooses the active member of a pool.
pub fn choose(ballot: &Ballot<'_>) -> Choice {
    let (active, reason) = ballot.forced_choice().unwrap_or_else(|| ballot.free_choice());
    Choice { active, reason, alarm: ballot.alarm(active) }
}

impl<'a> Ballot<'a> {
    fn find(&self, member: Option<MemberId>) -> Option<&'a Candidate<'a>> {
        self.candidates.iter().find(|candidate| Some(candidate.member) == member)
    }

    fn first_up(&self) -> Option<&'a Candidate<'a>> {
        self.candidates.iter().find(|candidate| candidate.state == State::Up)
    }

    fn forced_choice(&self) -> Option<(Option<MemberId>, String)> {
        let forced = self.find(self.forced)?;
        if forced.state == State::Offline {
            return None;
        }
        Some((Some(forced.member), format!("{} is forced by the operator; it is {}", forced.name, known(forced))))
    }

    fn free_choice(&self) -> (Option<MemberId>, String) {
        match self.find(self.current) {
            Some(current) => self.keep_or_replace(current),
            None => match self.first_up() {
                Some(first) => (Some(first.member), format!("{} answers: {}", first.name, first.reason)),
                None => (None, self.nobody()),
            },
        }
    }

    fn keep_or_replace(&self, current: &Candidate<'_>) -> (Option<MemberId>, String) {
        match (current.state, self.first_up()) {
            (State::Up, Some(first)) if self.fail_back == FailBack::Immediate && first.member != current.member => (
                Some(first.member),
                format!(
                    "{} takes over again: it is up and stands before {}, fail_back is immediate",
                    first.name, current.name
                ),
            ),
            (State::Up | State::Unknown, _) => {
                (Some(current.member), format!("{} stays active: {}", current.name, current.reason))
            }
            (_, Some(next)) => {
                (Some(next.member), format!("{} takes over: {} is {}", next.name, current.name, known(current)))
            }
            (State::Down, None) if self.no_member == NoMember::KeepLast => (
                Some(current.member),
                format!(
                    "{} is kept although {}: no member is up and no_member is keep-last",
                    current.name,
                    known(current)
                ),
            ),
            (_, None) => (None, self.nobody()),
        }
    }

    fn nobody(&self) -> String {
        let states: Vec<_> = self.candidates.iter().map(|one| format!("{} is {}", one.name, known(one))).collect();
        format!("no member is up: {}", states.join("; "))
    }

    fn alarm(&self, active: Option<MemberId>) -> Option<String> {
        let up: Vec<_> = self.candidates.iter().filter(|candidate| candidate.state == State::Up).collect();
        let names = || up.iter().map(|candidate| candidate.name).collect::<Vec<_>>().join(", ");
        match self.find(active) {
            Some(one) if up.len() > 1 => Some(format!(
                "{} members answer ({}); {} is active, the pair should agree on one",
                up.len(),
                names(),
                one.name
            )),
            Some(one) if one.state != State::Up && !up.is_empty() => {
                Some(format!("{} is active but {}, while {} is up", one.name, known(one), names()))
            }
            Some(one) if one.state == State::Down => Some(format!("{} is active but {}", one.name, known(one))),
            Some(_) => None,
            None if self.candidates.iter().any(|candidate| candidate.state == State::Unknown) => None,
            None => Some(self.nobody()),
        }
    }
}

/// The state, and why if there are words for it.
fn known(candidate: &Candidate<'_>) -> String {
    match candidate.reason {
        "" => candidate.state.to_string(),
        reason => format!("{} ({reason})", candidate.state),
    }
}
