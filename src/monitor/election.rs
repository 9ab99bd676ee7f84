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

impl<'a> Ballot<'a> {
    fn find(&self, member: Option<MemberId>) -> Option<&'a Candidate<'a>> {
        self.candidates.iter().find(|candidate| Some(candidate.member) == member)
    }

    fn up(&self) -> impl Iterator<Item = &'a Candidate<'a>> {
        self.candidates.iter().filter(|candidate| candidate.state == State::Up)
    }

    /// Of those that are up the first that says it is active, else the first that does not say it is standby, else the first; one
    /// that is held back only if all are.
    fn best_up(&self) -> Option<&'a Candidate<'a>> {
        let rank = |says| match says {
            Says::Active => 0,
            Says::Nothing => 1,
            Says::Standby => 2,
        };
        self.up().min_by_key(|one| (one.is_reserve, rank(one.says)))
    }

    /// The first row that fits decides.
    fn choice(&self) -> (Option<&'a Candidate<'a>>, String) {
        let forced = self.find(self.forced).filter(|one| one.state != State::Offline);
        let (current, best) = (self.find(self.current), self.best_up());
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
            (None, Some((one, State::Up | State::Unknown)), _) => {
                (current, format!("{} stays active: {}", one.name, one.reason))
            }
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
            Some(one) if matches!(one.state, State::Down | State::Drained) => {
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
mod tests {
    use super::*;

    const A: MemberId = MemberId(0);
    const B: MemberId = MemberId(1);
    const C: MemberId = MemberId(2);
    const STATES: [State; 5] = [State::Unknown, State::Up, State::Down, State::Drained, State::Offline];

    fn candidate(member: MemberId, name: &'static str, state: State) -> Candidate<'static> {
        let reason = match state {
            State::Up => "sip-options: 200 OK",
            State::Down => "sip-options: no answer in 400ms (2 of 2)",
            State::Unknown => "sip-options: not probed yet",
            State::Drained | State::Offline => "by the operator",
        };
        Candidate { member, name, state, reason, is_lost: state == State::Down, says: Says::Nothing, is_reserve: false }
    }

    fn pair(a: State, b: State) -> [Candidate<'static>; 2] {
        [candidate(A, "sip-a", a), candidate(B, "sip-b", b)]
    }

    struct Row {
        what: &'static str,
        states: (State, State),
        current: Option<MemberId>,
        forced: Option<MemberId>,
        fail_back: FailBack,
        keeps: Keeps,
        expected: (Option<MemberId>, &'static str, Option<&'static str>),
    }

    fn row(
        what: &'static str,
        states: (State, State),
        current: Option<MemberId>,
        expected: (Option<MemberId>, &'static str, Option<&'static str>),
    ) -> Row {
        let (fail_back, keeps) = (FailBack::Never, Keeps::Nobody);
        Row { what, states, current, forced: None, fail_back, keeps, expected }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table, a row a ballot")]
    fn choices_and_their_words() {
        use State::{Down, Drained, Offline, Unknown, Up};
        let both = "2 members answer (sip-a, sip-b); sip-a is active, the pair should agree on one";
        let rows = [
            row(
                "16: A answers, B's port is closed",
                (Up, Down),
                None,
                (Some(A), "sip-a answers: sip-options: 200 OK", None),
            ),
            row(
                "82: after a restart no member is chosen by its place in the file",
                (Unknown, Unknown),
                None,
                (
                    None,
                    "no member is up: sip-a is unknown (sip-options: not probed yet); sip-b is unknown (sip-options: not probed yet)",
                    None,
                ),
            ),
            row(
                "82: B was active before the restart and is the first to answer",
                (Unknown, Up),
                None,
                (Some(B), "sip-b answers: sip-options: 200 OK", None),
            ),
            row(
                "18: A is lost, B answers",
                (Down, Up),
                Some(A),
                (Some(B), "sip-b takes over: sip-a is down (sip-options: no answer in 400ms (2 of 2))", None),
            ),
            row(
                "17: neither answers, and the gap is over",
                (Down, Down),
                Some(A),
                (
                    None,
                    "no member is up: sip-a is down (sip-options: no answer in 400ms (2 of 2)); sip-b is down (sip-options: no answer in 400ms (2 of 2))",
                    Some(
                        "no member is up: sip-a is down (sip-options: no answer in 400ms (2 of 2)); sip-b is down (sip-options: no answer in 400ms (2 of 2))",
                    ),
                ),
            ),
            row("30: both answer", (Up, Up), Some(A), (Some(A), "sip-a stays active: sip-options: 200 OK", Some(both))),
            row(
                "29: A recovers while B is active",
                (Up, Up),
                Some(B),
                (
                    Some(B),
                    "sip-b stays active: sip-options: 200 OK",
                    Some("2 members answer (sip-a, sip-b); sip-b is active, the pair should agree on one"),
                ),
            ),
            row(
                "a new monitor has not decided yet: the active member stays",
                (Unknown, Up),
                Some(A),
                (
                    Some(A),
                    "sip-a stays active: sip-options: not probed yet",
                    Some("sip-a is active but unknown (sip-options: not probed yet), while sip-b is up"),
                ),
            ),
            row(
                "37: A is taken offline",
                (Offline, Up),
                Some(A),
                (Some(B), "sip-b takes over: sip-a is offline (by the operator)", None),
            ),
            row(
                "37: A is drained",
                (Drained, Up),
                Some(A),
                (Some(B), "sip-b takes over: sip-a is drained (by the operator)", None),
            ),
            row(
                "37: a drained member keeps the role until another is up",
                (Drained, Down),
                Some(A),
                (
                    Some(A),
                    "sip-a stays active although it is drained (by the operator): no other member is up",
                    Some("sip-a is active but drained (by the operator), and no other member is up"),
                ),
            ),
            row(
                "a drained member is not chosen newly",
                (Drained, Unknown),
                None,
                (
                    None,
                    "no member is up: sip-a is drained (by the operator); sip-b is unknown (sip-options: not probed yet)",
                    None,
                ),
            ),
            Row {
                keeps: Keeps::ForGap(Duration::from_secs(4)),
                ..row(
                    "17: neither answers, and another may come",
                    (Down, Down),
                    Some(A),
                    (
                        Some(A),
                        "sip-a stays active although it is down (sip-options: no answer in 400ms (2 of 2)): another member has 4s to come up",
                        Some(
                            "sip-a is active but down (sip-options: no answer in 400ms (2 of 2)), and no other member is up",
                        ),
                    ),
                )
            },
            Row {
                forced: Some(A),
                ..row(
                    "29: force A",
                    (Up, Up),
                    Some(B),
                    (Some(A), "sip-a is forced by the operator; it is up (sip-options: 200 OK)", Some(both)),
                )
            },
            Row {
                forced: Some(B),
                ..row(
                    "force a member that is down",
                    (Up, Down),
                    Some(A),
                    (
                        Some(B),
                        "sip-b is forced by the operator; it is down (sip-options: no answer in 400ms (2 of 2))",
                        Some("sip-b is active but down (sip-options: no answer in 400ms (2 of 2)), while sip-a is up"),
                    ),
                )
            },
            Row {
                forced: Some(B),
                ..row(
                    "force a member that is offline",
                    (Up, Offline),
                    Some(A),
                    (Some(A), "sip-a stays active: sip-options: 200 OK", None),
                )
            },
            Row {
                fail_back: FailBack::Immediate,
                ..row(
                    "fail back when told to",
                    (Up, Up),
                    Some(B),
                    (
                        Some(A),
                        "sip-a takes over again: it is up and listed before sip-b, and fail_back is immediate",
                        Some(both),
                    ),
                )
            },
            Row {
                keeps: Keeps::Last,
                ..row(
                    "keep-last",
                    (Down, Down),
                    Some(A),
                    (
                        Some(A),
                        "sip-a stays active although it is down (sip-options: no answer in 400ms (2 of 2)): no member is up and no_member is keep-last",
                        Some(
                            "sip-a is active but down (sip-options: no answer in 400ms (2 of 2)), and no other member is up",
                        ),
                    ),
                )
            },
            Row {
                keeps: Keeps::Last,
                ..row(
                    "keep-last does not keep what the operator took away",
                    (Offline, Down),
                    Some(A),
                    (
                        None,
                        "no member is up: sip-a is offline (by the operator); sip-b is down (sip-options: no answer in 400ms (2 of 2))",
                        Some(
                            "no member is up: sip-a is offline (by the operator); sip-b is down (sip-options: no answer in 400ms (2 of 2))",
                        ),
                    ),
                )
            },
        ];
        for Row { what, states, current, forced, fail_back, keeps, expected } in rows {
            let candidates = pair(states.0, states.1);
            let choice = choose(&Ballot { candidates: &candidates, current, forced, fail_back, keeps });
            let (active, reason, alarm) = expected;
            assert_eq!(choice, Choice { active, reason: reason.into(), alarm: alarm.map(String::from) }, "{what}");
        }
    }

    const SAYS: [Says; 3] = [Says::Nothing, Says::Active, Says::Standby];

    /// Both are up, and each says something or nothing of its role.
    #[test]
    fn the_pairs_own_choice_is_followed() {
        use Says::{Active, Nothing, Standby};
        let both = Some("2 members answer (sip-a, sip-b); ");
        let two = Some("2 members say that they are active (sip-a, sip-b); ");
        let none = Some("2 members answer, and all say that they are standby (sip-a, sip-b); ");
        let a_is = Some("sip-a says that it is active, but sip-b is");
        let b_is = Some("sip-b says that it is active, but sip-a is");
        // What A and B say; who is active, and what the alarm begins with, where A, B or nobody was.
        let rows = [
            ((Nothing, Nothing), [(A, both), (B, both), (A, both)]),
            ((Nothing, Active), [(A, b_is), (B, both), (B, both)]),
            ((Nothing, Standby), [(A, both), (B, both), (A, both)]),
            ((Active, Nothing), [(A, both), (B, a_is), (A, both)]),
            ((Active, Active), [(A, two), (B, two), (A, two)]),
            ((Active, Standby), [(A, None), (A, None), (A, None)]),
            ((Standby, Nothing), [(A, both), (B, both), (B, both)]),
            ((Standby, Active), [(B, None), (B, None), (B, None)]),
            ((Standby, Standby), [(A, none), (B, none), (A, none)]),
        ];
        for ((a, b), outcomes) in rows {
            let [mut one, mut other] = pair(State::Up, State::Up);
            (one.says, other.says) = (a, b);
            for (current, (active, alarm)) in [Some(A), Some(B), None].into_iter().zip(outcomes) {
                for fail_back in [FailBack::Never, FailBack::Immediate] {
                    // A pair that says nothing of its roles, or a standby beside one that says nothing, leaves it to the file.
                    let fails_back =
                        fail_back == FailBack::Immediate && current == Some(B) && a == Nothing && b != Active;
                    let keeps = Keeps::Last;
                    let choice = choose(&Ballot { candidates: &[one, other], current, forced: None, fail_back, keeps });
                    let expected = if fails_back { A } else { active };
                    assert_eq!(choice.active, Some(expected), "{a:?} {b:?} {current:?}: {choice:?}");
                    let begins = |text: &str| choice.alarm.as_ref().is_some_and(|alarm| alarm.starts_with(text));
                    assert!(alarm.map_or(choice.alarm.is_none(), begins), "{a:?} {b:?} {current:?}: {choice:?}");
                }
            }
        }
        let [mut one, mut other] = pair(State::Up, State::Up);
        (one.says, other.says) = (Standby, Active);
        let candidates = [one, other];
        let ballot = Ballot {
            candidates: &candidates,
            current: Some(A),
            forced: None,
            fail_back: FailBack::Never,
            keeps: Keeps::Last,
        };
        let reason = "sip-b takes over: it says that it is active, and sip-a that it is standby";
        assert_eq!(choose(&ballot).reason, reason);
        let forced = choose(&Ballot { forced: Some(A), ..ballot });
        assert_eq!((forced.active, forced.alarm.as_deref()), (Some(A), b_is));
    }

    #[test]
    fn who_is_held_back_is_chosen_only_if_nobody_else_is_up() {
        let [mut one, other] = pair(State::Up, State::Up);
        one.is_reserve = true;
        let down = candidate(B, "sip-b", State::Down);
        let both_held = [one, Candidate { is_reserve: true, ..other }];
        let immediate = FailBack::Immediate;
        // The members, who was active, who is.
        let rows = [
            ([one, other], None, Some(B)),
            ([one, other], Some(B), Some(B)),
            ([one, other], Some(A), Some(A)),
            ([one, down], None, Some(A)),
            ([one, down], Some(B), Some(A)),
            (both_held, None, Some(A)),
            ([Candidate { says: Says::Active, ..one }, Candidate { says: Says::Standby, ..other }], Some(B), Some(B)),
        ];
        for (candidates, current, active) in rows {
            let keeps = Keeps::Nobody;
            let ballot = Ballot { candidates: &candidates, current, forced: None, fail_back: immediate, keeps };
            assert_eq!(choose(&ballot).active, active, "{candidates:?} {current:?}");
            assert_eq!(choose(&Ballot { forced: Some(A), ..ballot }).active, Some(A), "force binds");
        }
    }

    /// A standby serves where nobody else is up, but waits for those who have not answered yet.
    #[test]
    fn a_standby_is_better_than_nobody() {
        fn ballot(candidates: &[Candidate<'_>], current: Option<MemberId>) -> Choice {
            let (fail_back, keeps) = (FailBack::Never, Keeps::Nobody);
            choose(&Ballot { candidates, current, forced: None, fail_back, keeps })
        }
        let [mut one, other] = pair(State::Up, State::Down);
        one.says = Says::Standby;
        for current in [None, Some(A), Some(B)] {
            let choice = ballot(&[one, other], current);
            let alarm = "sip-a is active but says that it is standby, and no other member is up";
            assert_eq!((choice.active, choice.alarm.as_deref()), (Some(A), Some(alarm)), "{current:?}");
        }
        let new = candidate(B, "sip-b", State::Unknown);
        let choice = ballot(&[one, new], None);
        let reason = "sip-a says that it is standby: the first answers of sip-b are waited for";
        assert_eq!((choice.active, choice.reason.as_str(), choice.alarm), (None, reason, None));
        assert_eq!(ballot(&[one, new], Some(A)).active, Some(A), "who has the role keeps it meanwhile");
    }

    /// Every ballot of three members there can be.
    fn every_ballot(mut check: impl FnMut(&Ballot<'_>)) {
        (0..9).for_each(|says| every_ballot_of([SAYS[says % 3], SAYS[says / 3]], &mut check));
    }

    fn every_ballot_of(says: [Says; 2], check: &mut impl FnMut(&Ballot<'_>)) {
        let members = [None, Some(A), Some(B), Some(C)];
        for place in 0..125 {
            let states = [STATES[place % 5], STATES[place / 5 % 5], STATES[place / 25]];
            let mut candidates =
                [candidate(A, "a", states[0]), candidate(B, "b", states[1]), candidate(C, "c", states[2])];
            (candidates[0].says, candidates[1].says) = (says[0], says[1]);
            // Each of them in turn, both, or nobody.
            (candidates[0].is_reserve, candidates[1].is_reserve) = (place % 2 == 1, place / 2 % 2 == 1);
            for (current, forced) in members.iter().flat_map(|&one| members.iter().map(move |&two| (one, two))) {
                for fail_back in [FailBack::Never, FailBack::Immediate] {
                    for keeps in [Keeps::Nobody, Keeps::ForGap(Duration::from_secs(4)), Keeps::Last] {
                        check(&Ballot { candidates: &candidates, current, forced, fail_back, keeps });
                    }
                }
            }
        }
    }

    #[test]
    fn the_laws_of_election_hold_for_every_ballot() {
        let mut ballots = 0;
        every_ballot(|ballot| {
            ballots += 1;
            let choice = choose(ballot);
            let state = |member| ballot.find(member).map(|candidate| candidate.state);
            let active = state(choice.active);
            let obeys = ballot.forced.is_some() && choice.active == ballot.forced;
            let others_up = ballot.up().any(|other| Some(other.member) != choice.active);
            let law = |holds: bool, law: &str| assert!(holds, "{law}: {ballot:?} gave {choice:?}");

            law(active != Some(State::Offline), "an offline member is never active");
            law(obeys || ballot.forced.is_none() || state(ballot.forced) == Some(State::Offline), "force binds");
            let keeps = choice.active == ballot.current;
            law(obeys || active != Some(State::Drained) || keeps, "a drained member is never chosen newly");
            law(
                obeys || !matches!(active, Some(State::Down | State::Drained)) || !others_up,
                "the active member is never down or drained while another is up",
            );
            let may_stay = !matches!(state(ballot.current), None | Some(State::Offline));
            let stays = may_stay && (ballot.keeps != Keeps::Nobody || state(ballot.current) == Some(State::Drained));
            law(
                obeys || !stays || choice.active.is_some(),
                "who is lost or drained stays the target until another is chosen",
            );
            let waits = ballot.current.is_none()
                && ballot.best_up().is_some_and(|best| best.says == Says::Standby)
                && ballot.candidates.iter().any(|one| one.state == State::Unknown);
            law(obeys || choice.active.is_some() || waits || ballot.up().next().is_none(), "somebody up is chosen");
            let says = ballot.find(choice.active).map(|one| one.says);
            let another_says_so = ballot.up().any(|one| one.says == Says::Active && !one.is_reserve);
            let free = ballot.up().any(|one| !one.is_reserve);
            let is_reserve = ballot.find(choice.active).is_some_and(|one| one.is_reserve);
            law(obeys || !is_reserve || !free || choice.active == ballot.current, "who is held back is chosen last");
            law(
                obeys || (active, says) != (Some(State::Up), Some(Says::Standby)) || !another_says_so,
                "a standby is not active while another says that it is",
            );
            let is_new = choice.active.is_some() && choice.active != ballot.current;
            law(obeys || !is_new || active == Some(State::Up), "only a member that answers is chosen newly");
            let yields = ballot.find(ballot.current).is_some_and(|one| one.says == Says::Standby) && another_says_so;
            let sticks = ballot.fail_back == FailBack::Never && state(ballot.current) == Some(State::Up) && !yields;
            law(obeys || !sticks || choice.active == ballot.current, "a good active member keeps its role");
            let two_up = ballot.candidates.iter().filter(|one| one.state == State::Up).count() > 1;
            let agree = ballot.up().all(|one| (one.says == Says::Standby) != (Some(one.member) == choice.active))
                && says == Some(Says::Active);
            law(
                !two_up || agree || (waits && choice.active.is_none()) || choice.alarm.is_some(),
                "two members that answer raise an alarm unless they agree",
            );
            let again = choose(&Ballot { current: choice.active, ..*ballot });
            law(again.active == choice.active, "a choice stands when nothing changes");
        });
        assert_eq!(ballots, 9 * 125 * 16 * 6);
    }
}
