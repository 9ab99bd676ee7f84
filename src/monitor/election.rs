//! Which member of a pool is active, and why.
//!
//! Owns one pure function, [`choose`]. It is sticky: the active member stays until it is lost, the operator says
//! otherwise, or the pool fails back by its own setting. If two members answer, the current one stays and an alarm is raised
//! (scenario 30). No member is chosen for being first in the file, only because a probe succeeded (scenario 82).
//!
//! The standby's port is usually closed until it is promoted, so the active member is lost before another is up. Who is chosen
//! then is the caller's to say, by [`Keeps`]: the lost member stays the target, or nobody is.
//!
//! Where monitors hear which role a member has in its pair, the pair's own choice is followed: who is up and says that it is active
//! takes over from one that says it is standby. If both say the same, the present one stays, with an alarm; a standby is better
//! than nobody.
//!
//! What the operator sets takes effect as follows. An *offline* member counts as down and is never chosen: if it is active, it
//! loses the role at once. A *drained* one is never chosen newly: if it is active, it keeps the role until another is up. A
//! *forced* member is chosen whatever its probes say, even if drained, but not if offline.

use crate::policy::health::State;
use crate::policy::intent::{FailBack, MemberId, Says};
use std::time::Duration;

/// A member as it stands for election.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub member: MemberId,
    /// The operator's name for it.
    pub name: &'a str,
    /// What its probes say, overridden by what the operator has set.
    pub state: State,
    /// Why it is in that state.
    pub reason: &'a str,
    /// Its probes say that it is down, whatever the operator has set.
    pub is_lost: bool,
    /// What it says itself of its role in its pair.
    pub says: Says,
    /// It is chosen newly only if nobody else is up: it goes up and down too often, or was down and has not been enabled since.
    pub is_reserve: bool,
}

/// Whether an active member that is lost stays the target while no other is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Until another is chosen.
    Last,
    /// For so long: another may come up.
    ForGap(Duration),
    /// No longer.
    Nobody,
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
    /// What happens while no member is up.
    pub keeps: Keeps,
}

/// Who is active from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The active member, if there is one.
    pub active: Option<MemberId>,
    /// Why, in words for an operator.
    pub reason: String,
    /// What an operator should look at, if anything.
    pub alarm: Option<String>,
}

/// Chooses the active member of a pool.
pub fn choose(ballot: &Ballot<'_>) -> Choice {
    let (chosen, reason) = ballot.choice();
    let active = chosen.map(|one| one.member);
    Choice { active, reason, alarm: ballot.alarm(active) }
}

/// Of those that are up the first that says it is active, else the first that does not say it is standby, else the first; one
/// that is held back only if all are.
pub fn best_up<'a, 'b>(candidates: impl IntoIterator<Item = &'b Candidate<'a>>) -> Option<&'b Candidate<'a>>
where
    'a: 'b,
{
    let rank = |says| match says {
        Says::Active => 0,
        Says::Nothing => 1,
        Says::Standby => 2,
    };
    let up = candidates.into_iter().filter(|one| one.state == State::Up);
    up.min_by_key(|one| (one.is_reserve, rank(one.says)))
}

impl<'a> Ballot<'a> {
    fn find(&self, member: Option<MemberId>) -> Option<&'a Candidate<'a>> {
        self.candidates.iter().find(|candidate| Some(candidate.member) == member)
    }

    fn up(&self) -> impl Iterator<Item = &'a Candidate<'a>> {
        self.candidates.iter().filter(|candidate| candidate.state == State::Up)
    }

    /// The first row that fits decides.
    fn choice(&self) -> (Option<&'a Candidate<'a>>, String) {
        let forced = self.find(self.forced).filter(|one| one.state != State::Offline);
        let (current, best) = (self.find(self.current), best_up(self.candidates));
        match (forced, current.map(|one| (one, one.state)), best) {
            (Some(one), ..) => (forced, format!("{} is forced by the operator; it is {}", one.name, known(one))),
            (None, Some((one, State::Up)), Some(next)) if one.yields_to(next) => (
                best,
                format!("{} takes over: it says that it is active, and {} that it is standby", next.name, one.name),
            ),
            (None, Some((one, State::Up)), _) if let Some(first) = self.fails_back(one) => {
                let why = format!("it is up and listed before {}, and fail_back is immediate", one.name);
                (Some(first), format!("{} takes over again: {why}", first.name))
            }
            (None, Some((one, State::Up)), _) => (current, format!("{} is {}", one.name, known(one))),
            (None, Some((one, State::Unknown)), _) => (current, format!("{} stays active: {}", one.name, one.reason)),
            (None, Some((one, _)), Some(next)) => {
                (best, format!("{} takes over: {} is {}", next.name, one.name, known(one)))
            }
            (None, None, Some(next)) if let Some(other) = self.may_be_active(next) => (
                None,
                format!("{} says that it is standby: the first answers of {} are waited for", next.name, other.name),
            ),
            (None, None, Some(next)) => (best, format!("{} answers: {}", next.name, next.reason)),
            (None, Some((one, State::Down | State::Drained)), None) => match self.kept(one) {
                Some(why) => (current, format!("{} stays active although it is {}: {why}", one.name, known(one))),
                None => (None, self.none_is_up()),
            },
            (None, _, None) => (None, self.none_is_up()),
        }
    }

    /// Why `current`, which is down or drained, keeps the role, if it does.
    fn kept(&self, current: &Candidate<'_>) -> Option<String> {
        match self.keeps {
            _ if !current.is_lost => Some("no other member is up".into()),
            Keeps::Last => Some("no member is up and no_member is keep-last".into()),
            Keeps::ForGap(gap) => Some(format!("another member has {gap:?} to come up")),
            Keeps::Nobody => None,
        }
    }

    /// Another member is listed before the current one, and takes over again whenever it is up. Where a pair chooses for itself,
    /// its choice stands.
    fn fails_back(&self, current: &Candidate<'_>) -> Option<&'a Candidate<'a>> {
        let mut earlier = self.up().take_while(|one| one.member != current.member);
        let first = earlier.find(|one| !one.is_reserve)?;
        let is_free = current.says != Says::Active && first.says == Says::Nothing;
        (self.fail_back == FailBack::Immediate && is_free).then_some(first)
    }

    /// Nobody up says that it is active, and this one has not answered yet.
    fn may_be_active(&self, best: &Candidate<'_>) -> Option<&'a Candidate<'a>> {
        let is_new = |one: &&Candidate<'_>| best.says == Says::Standby && one.state == State::Unknown;
        self.candidates.iter().find(is_new)
    }

    fn none_is_up(&self) -> String {
        let states: Vec<_> = self.candidates.iter().map(|one| format!("{} is {}", one.name, known(one))).collect();
        format!("no member is up: {}", states.join("; "))
    }

    fn alarm(&self, active: Option<MemberId>) -> Option<String> {
        let up: Vec<_> = self.up().collect();
        let names = || up.iter().map(|candidate| candidate.name).collect::<Vec<_>>().join(", ");
        match self.find(active) {
            Some(one) if up.len() > 1 => discord(one, &up),
            Some(one) if one.state != State::Up && !up.is_empty() => {
                Some(format!("{} is active but {}, while {} is up", one.name, known(one), names()))
            }
            Some(one) if one.state == State::Down => Some(format!(
                "no SIP Server of the pool answers: {} is active but {}, and datagrams still go to it, the last one that was chosen",
                one.name,
                known(one)
            )),
            Some(one) if one.state == State::Drained => {
                Some(format!("{} is active but {}, and no other member is up", one.name, known(one)))
            }
            Some(one) if one.says == Says::Standby && one.state == State::Up => {
                Some(format!("{} is active but says that it is standby, and no other member is up", one.name))
            }
            Some(_) => None,
            None if self.candidates.iter().any(|candidate| candidate.state == State::Unknown) => None,
            None => Some(self.none_is_up()),
        }
    }
}

impl Candidate<'_> {
    /// The pair has chosen the other one.
    fn yields_to(&self, next: &Candidate<'_>) -> bool {
        (self.says, next.says) == (Says::Standby, Says::Active) && !next.is_reserve
    }
}

/// What several members that are up say of their roles, unless they agree that `active` is the one.
fn discord(active: &Candidate<'_>, up: &[&Candidate<'_>]) -> Option<String> {
    let names = |who: &[&Candidate<'_>]| who.iter().map(|one| one.name).collect::<Vec<_>>().join(", ");
    let who_say = |says: Says| up.iter().filter(|one| one.says == says).copied().collect::<Vec<_>>();
    let (active_ones, standbys) = (who_say(Says::Active), who_say(Says::Standby));
    match active_ones.as_slice() {
        [only] if only.member == active.member && standbys.len() + 1 == up.len() => None,
        [only] if only.member != active.member => {
            Some(format!("{} says that it is active, but {} is", only.name, active.name))
        }
        [_, _, ..] => Some(format!(
            "{} members say that they are active ({}); {} is, the pair should agree on one",
            active_ones.len(),
            names(&active_ones),
            active.name
        )),
        _ if standbys.len() == up.len() => Some(format!(
            "{} members answer, and all say that they are standby ({}); {} is active all the same",
            up.len(),
            names(up),
            active.name
        )),
        _ => Some(format!(
            "{} members answer ({}); {} is active, the pair should agree on one",
            up.len(),
            names(up),
            active.name
        )),
    }
}

/// The state, and why if there are words for it.
fn known(candidate: &Candidate<'_>) -> String {
    match candidate.reason {
        "" => candidate.state.to_string(),
        reason => format!("{} ({reason})", candidate.state),
    }
}

#[cfg(test)]
mod tests;
