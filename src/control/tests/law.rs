//! Whatever happens: a random bench, and what must hold on it.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Manner(usize, usize),
    Word(usize, usize),
    Force(usize),
    Auto,
    Sleep(usize, bool),
    Hint(u16),
    Run(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2usize, 0..4usize).prop_map(|(member, manner)| Step::Manner(member, manner)),
        1 => (0..2usize, 0..3usize).prop_map(|(member, word)| Step::Word(member, word)),
        1 => (0..2usize).prop_map(Step::Force),
        1 => Just(Step::Auto),
        1 => (0..2usize, any::<bool>()).prop_map(|(worker, asleep)| Step::Sleep(worker, asleep)),
        1 => (0..9u16).prop_map(Step::Hint),
        4 => (1..3_000u64).prop_map(Step::Run),
    ]
}

fn play(bench: &mut Bench, step: Step) {
    let name = |member: usize| ["sip-a", "sip-b"][member];
    match step {
        Step::Manner(member, manner) => {
            bench.hosts[member].manner = [Manner::Answers(200), Manner::Refuses, Manner::Mute, Manner::Dead][manner];
        }
        Step::Word(member, word) => {
            let word = [AdminState::Enabled, AdminState::Draining, AdminState::Offline][word];
            bench.ask(member_set(name(member), word));
        }
        Step::Force(member) => {
            bench.ask(force(name(member)));
        }
        Step::Auto => {
            bench.ask(Request::PoolAuto { pool: "pair-1".into() });
        }
        Step::Sleep(worker, asleep) => bench.sleep(worker, asleep),
        Step::Hint(member) => {
            bench.give(Input::Event(Event::Hint(MemberId(member))));
        }
        Step::Run(millis) => bench.run(millis),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_happens_no_worker_sends_to_a_member_that_is_down_while_another_is_up(
        steps in prop::collection::vec(any_step(), 1..40),
    ) {
        let mut bench = Bench::new();
        for step in steps {
            play(&mut bench, step);
            let forced = bench.controller.pools.pool(crate::policy::intent::PoolId(0)).forced;
            bench.sleep(0, false);
            bench.sleep(1, false);
            let snapshot = bench.snapshot();
            let state = |id: MemberId| snapshot.members[id.index()].state;
            let up = (0..2u16).map(MemberId).find(|id| state(*id) == State::Up);
            match snapshot.pools[0].active {
                Some(active) if forced != Some(active) => {
                    prop_assert!(state(active) != State::Offline);
                    prop_assert!(!matches!(state(active), State::Down | State::Drained) || up.is_none());
                }
                Some(active) => prop_assert!(state(active) != State::Offline),
                None => prop_assert!(up.is_none()),
            }
            prop_assert!(bench.epochs.is_sorted());
            prop_assert_eq!(bench.controller.snapshots_outstanding(), 1);
        }
    }
}
