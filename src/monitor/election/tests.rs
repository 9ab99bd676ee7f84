//! Every row of the choice, and the laws that hold for all ballots.

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
        row("30: both answer", (Up, Up), Some(A), (Some(A), "sip-a is up (sip-options: 200 OK)", Some(both))),
        row(
            "29: A recovers while B is active",
            (Up, Up),
            Some(B),
            (
                Some(B),
                "sip-b is up (sip-options: 200 OK)",
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
                        "no SIP Server of the pool answers: sip-a is active but down (sip-options: no answer in 400ms (2 of 2)), and datagrams still go to it, the last one that was chosen",
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
                (Some(A), "sip-a is up (sip-options: 200 OK)", None),
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
                        "no SIP Server of the pool answers: sip-a is active but down (sip-options: no answer in 400ms (2 of 2)), and datagrams still go to it, the last one that was chosen",
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
                let fails_back = fail_back == FailBack::Immediate && current == Some(B) && a == Nothing && b != Active;
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
        let mut candidates = [candidate(A, "a", states[0]), candidate(B, "b", states[1]), candidate(C, "c", states[2])];
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
            && best_up(ballot.candidates).is_some_and(|best| best.says == Says::Standby)
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
