//! Which member of a pool is active, and why.
//!
//! Owns one pure function, [`choose`]. It is sticky: the active member stays until it is lost, the operator says
//! otherwise, or the pool fails back by its own setting. If two members answer, the current one stays and an alarm is raised
//! (scenario 30). No member is chosen for being first in the file, only because a probe succeeded (scenario 82).
//!
//! The standby's port is usually closed until it is promoted, so the active member is lost before another is up. Who is chosen
//! then is the caller's to say, by [`Keeps`]: the lost member stays the target, or nobody is.
//!
//! What the operator sets takes effect as follows. An *offline* member counts as down and is never chosen: if it is active, it
//! loses the role at once. A *drained* one is never chosen newly: if it is active, it keeps the role until another is up. A
//! *forced* member is chosen whatever its probes say, even if drained, but not if offline.

use crate::policy::health::State;
use crate::policy::intent::{FailBack, MemberId};
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

    fn first_up(&self) -> Option<&'a Candidate<'a>> {
        self.candidates.iter().find(|candidate| candidate.state == State::Up)
    }

    /// The first row that fits decides.
    fn choice(&self) -> (Option<&'a Candidate<'a>>, String) {
        let forced = self.find(self.forced).filter(|one| one.state != State::Offline);
        let (current, first) = (self.find(self.current), self.first_up());
        match (forced, current.map(|one| (one, one.state)), first) {
            (Some(one), ..) => (forced, format!("{} is forced by the operator; it is {}", one.name, known(one))),
            (None, Some((one, State::Up)), Some(next)) if self.fails_back(one, next) => {
                let why = format!("it is up and listed before {}, and fail_back is immediate", one.name);
                (first, format!("{} takes over again: {why}", next.name))
            }
            (None, Some((one, State::Up | State::Unknown)), _) => {
                (current, format!("{} stays active: {}", one.name, one.reason))
            }
            (None, Some((one, _)), Some(next)) => {
                (first, format!("{} takes over: {} is {}", next.name, one.name, known(one)))
            }
            (None, None, Some(next)) => (first, format!("{} answers: {}", next.name, next.reason)),
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

    /// Another member is listed before the current one, and takes over again whenever it is up.
    fn fails_back(&self, current: &Candidate<'_>, first: &Candidate<'_>) -> bool {
        self.fail_back == FailBack::Immediate && first.member != current.member
    }

    fn none_is_up(&self) -> String {
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
            Some(one) if matches!(one.state, State::Down | State::Drained) => {
                Some(format!("{} is active but {}, and no other member is up", one.name, known(one)))
            }
            Some(_) => None,
            None if self.candidates.iter().any(|candidate| candidate.state == State::Unknown) => None,
            None => Some(self.none_is_up()),
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
        Candidate { member, name, state, reason, is_lost: state == State::Down }
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

    /// Every ballot of three members there can be.
    fn every_ballot(mut check: impl FnMut(&Ballot<'_>)) {
        let members = [None, Some(A), Some(B), Some(C)];
        for place in 0..125 {
            let states = [STATES[place % 5], STATES[place / 5 % 5], STATES[place / 25]];
            let candidates = [candidate(A, "a", states[0]), candidate(B, "b", states[1]), candidate(C, "c", states[2])];
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
            let others_up = ballot.first_up().is_some_and(|first| Some(first.member) != choice.active);
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
            law(obeys || choice.active.is_some() || ballot.first_up().is_none(), "somebody up is chosen");
            let is_new = choice.active.is_some() && choice.active != ballot.current;
            law(obeys || !is_new || active == Some(State::Up), "only a member that answers is chosen newly");
            let sticks = ballot.fail_back == FailBack::Never && state(ballot.current) == Some(State::Up);
            law(obeys || !sticks || choice.active == ballot.current, "a good active member keeps its role");
            let two_up = ballot.candidates.iter().filter(|one| one.state == State::Up).count() > 1;
            law(!two_up || choice.alarm.is_some(), "two members that answer raise an alarm");
            let again = choose(&Ballot { current: choice.active, ..*ballot });
            law(again.active == choice.active, "a choice stands when nothing changes");
        });
        assert_eq!(ballots, 125 * 16 * 6);
    }
}
