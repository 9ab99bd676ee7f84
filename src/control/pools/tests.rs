//! Who is active, step by step, and a law that holds whatever happens.

use super::super::outbox::Output;
use super::*;
use crate::control::harness;
use crate::policy::health::State;
use crate::policy::ids::carry_over;
use crate::policy::intent::{DayWindow, FailBack, NoMember, Says};
use proptest::prelude::*;

const A: MemberId = MemberId(0);
const B: MemberId = MemberId(1);
const PAIR: PoolId = PoolId(0);

struct Bench {
    intent: Intent,
    pools: Pools,
    out: Outbox,
    states: [State; 2],
    now: Instant,
}

/// The appliance was started at one in the morning.
fn wall_at(now: Instant) -> Wall {
    Wall::default().plus(Duration::from_secs(3_600) + now.since(Instant::ZERO))
}

impl Bench {
    fn new() -> Bench {
        let intent = harness::two_arm();
        let pools = Pools::new(&intent, Instant::ZERO);
        Bench { intent, pools, out: Outbox::default(), states: [State::Unknown; 2], now: Instant::ZERO }
    }

    fn settled() -> Bench {
        let mut bench = Bench::new();
        bench.see(State::Up, State::Down);
        bench
    }

    fn look(&mut self) -> Vec<Switched> {
        let verdicts = self.states.map(|state| Verdict {
            state,
            reason: format!("said {state}"),
            since: self.now,
            says: Says::Nothing,
        });
        self.intent.pools.entries().for_each(|(id, _)| self.pools.touch(id));
        let mut health = self.pools.health();
        let verdict = |id: MemberId| &verdicts[id.index()];
        let (switched, _) =
            self.pools.reconsider(&self.intent, verdict, &mut health, &mut self.out, (self.now, wall_at(self.now)));
        assert_eq!(health, self.pools.health(), "what was updated is what a look at everything finds");
        switched
    }

    fn see(&mut self, a: State, b: State) -> Vec<Switched> {
        self.states = [a, b];
        self.now += Duration::from_millis(100);
        self.look()
    }

    fn set(&mut self, member: MemberId, admin: AdminState) -> Vec<Switched> {
        self.pools.set_admin(member, admin, Wall(0));
        self.now += Duration::from_millis(100);
        self.look()
    }

    /// The lines logged since this was last asked, without those of a single member.
    fn logged(&mut self) -> Vec<String> {
        let line = |output| if let Output::Log(row) = output { Some(row.message.clone()) } else { None };
        let lines = std::iter::from_fn(|| self.out.pop()).filter_map(line);
        lines.filter(|line| !line.starts_with("member ")).collect()
    }

    fn active(&self) -> Option<MemberId> {
        self.pools.pool(PAIR).active
    }

    fn generation(&self) -> u32 {
        self.pools.pool(PAIR).generation.0
    }

    fn lost_before(&self, member: MemberId) -> u32 {
        self.pools.health().members[member.index()].lost_before.0
    }

    fn may_claim(&self, member: MemberId) -> bool {
        self.pools.health().members[member.index()].may_claim
    }
}

#[test]
fn scenario_16_the_one_that_answers_is_active_and_the_reasons_say_so() {
    let mut bench = Bench::new();
    assert_eq!((bench.look(), bench.active()), (vec![], None));
    let changes = bench.see(State::Up, State::Down);
    assert_eq!((changes.len(), bench.active(), bench.generation()), (1, Some(A), 1));
    assert_eq!(changes[0].reason, "sip-a answers: said up");
    assert_eq!(bench.pools.member(B).reason, "said down");
    assert_eq!(bench.logged(), Vec::<String>::new());
}

#[test]
fn scenario_17_nobody_answers() {
    let mut bench = Bench::new();
    let changes = bench.see(State::Down, State::Down);
    assert_eq!((changes, bench.active(), bench.logged().len()), (vec![], None, 1));
}

#[test]
fn scenario_24_losing_the_active_member_loses_its_tcp_and_its_claims() {
    let mut bench = Bench::settled();
    bench.see(State::Down, State::Up);
    assert_eq!((bench.active(), bench.generation(), bench.lost_before(A)), (Some(B), 2, 2));
    assert_eq!((bench.lost_before(B), bench.may_claim(A), bench.may_claim(B)), (0, false, true));
}

#[test]
fn scenario_21_claims_come_back_after_64_t1() {
    let mut bench = Bench::settled();
    bench.see(State::Down, State::Up);
    let lost = bench.now;
    assert_eq!(bench.pools.next_deadline(), Some(lost + CLAIM_HOLDOFF));
    bench.now = lost + Duration::from_millis(31_999);
    bench.look();
    assert!(!bench.may_claim(A));
    bench.now = lost + CLAIM_HOLDOFF;
    bench.look();
    assert_eq!((bench.may_claim(A), bench.pools.next_deadline()), (true, None));
}

#[test]
fn a_standby_that_is_down_as_standbys_are_loses_nothing() {
    let mut bench = Bench::new();
    bench.see(State::Up, State::Up);
    bench.see(State::Up, State::Down);
    assert_eq!((bench.lost_before(B), bench.may_claim(B)), (0, true));
}

#[test]
fn scenario_26_who_is_drained_or_forced_away_keeps_its_tcp_until_it_is_down() {
    for drain in [true, false] {
        let mut bench = Bench::settled();
        bench.see(State::Up, State::Up);
        if drain {
            bench.set(A, AdminState::Draining);
        } else {
            bench.pools.force(PAIR, Some(B), Wall(0));
            bench.look();
        }
        assert_eq!((bench.active(), bench.lost_before(A), bench.generation()), (Some(B), 0, 2), "{drain}");
        bench.see(State::Down, State::Up);
        assert_eq!((bench.lost_before(A), bench.generation()), (2, 2), "{drain}");
    }
}

#[test]
fn scenario_29_no_fail_back_but_force_moves_and_auto_keeps() {
    let mut bench = Bench::settled();
    bench.see(State::Down, State::Up);
    assert_eq!(bench.see(State::Up, State::Up), []);
    bench.pools.force(PAIR, Some(A), Wall(0));
    bench.look();
    assert_eq!(bench.active(), Some(A));
    bench.pools.force(PAIR, None, Wall(0));
    assert_eq!((bench.look(), bench.active()), (vec![], Some(A)));
}

#[test]
fn scenario_30_two_that_answer_keep_the_current_one_and_raise_an_alarm_once() {
    let mut bench = Bench::settled();
    let both = bench.see(State::Up, State::Up);
    assert_eq!((both, bench.active()), (vec![], Some(A)));
    let alarm = "alarm: pool pair-1: 2 members answer (sip-a, sip-b); sip-a is active, the pair should agree on one";
    assert_eq!(bench.logged(), [alarm]);
    assert_eq!((bench.see(State::Up, State::Up), bench.logged()), (vec![], vec![]));
    bench.see(State::Up, State::Down);
    assert_eq!(bench.logged(), ["alarm cleared: pool pair-1"]);
}

#[test]
fn scenario_37_offline_is_like_down_and_enable_takes_nothing_over() {
    let mut bench = Bench::settled();
    bench.see(State::Up, State::Up);
    bench.set(A, AdminState::Offline);
    assert_eq!((bench.active(), bench.lost_before(A), bench.may_claim(A)), (Some(B), 2, false));
    bench.now += CLAIM_HOLDOFF;
    bench.look();
    assert!(!bench.may_claim(A), "offline, it claims nothing ever");
    bench.set(A, AdminState::Enabled);
    assert_eq!((bench.active(), bench.may_claim(A)), (Some(B), true));
}

/// Scenario 83: a connection that begins after a reload is not lost by what happened to its member elsewhere.
#[test]
fn a_member_that_moves_to_another_pool_has_lost_nothing_there() {
    let mut bench = Bench::settled();
    for _ in 0..5 {
        bench.see(State::Down, State::Up);
        bench.see(State::Up, State::Down);
    }
    let mut intent = bench.intent.clone();
    intent.pools.push(crate::policy::intent::Pool {
        name: "pair-2".into(),
        members: vec![],
        ..intent.pools[0].clone()
    });
    // Known before the move, so that it does not count on from the highest generation.
    let mut bench = Bench { pools: Pools::new(&intent, Instant::ZERO), intent, ..bench };
    for _ in 0..5 {
        bench.see(State::Down, State::Up);
        bench.see(State::Up, State::Down);
    }
    assert!(bench.lost_before(A) > bench.pools.pool(PoolId(1)).generation.0);
    bench.intent.pools[0].members = vec![B];
    bench.intent.pools[1].members = vec![A];
    bench.intent.members[0].pool = PoolId(1);
    bench.pools.reconfigure(&bench.intent, &mut bench.out, bench.now);
    bench.see(State::Up, State::Down);
    let pool = bench.pools.pool(PoolId(1));
    assert_eq!(pool.active, Some(A));
    assert!(pool.generation.0 >= bench.lost_before(A), "a flow of {:?} counts as lost", pool.generation);
}

#[test]
fn the_later_word_wins_over_force() {
    let mut bench = Bench::settled();
    bench.see(State::Up, State::Up);
    bench.pools.force(PAIR, Some(A), Wall(0));
    bench.set(A, AdminState::Offline);
    bench.set(A, AdminState::Enabled);
    assert_eq!((bench.active(), bench.pools.pool(PAIR).forced), (Some(B), None));
}

#[test]
fn scenario_17_rejecting_waits_for_the_gap_and_a_recovery_within_it_costs_nothing() {
    let mut bench = Bench::settled();
    bench.intent.pools[0].no_member = NoMember::Reject;
    let gap = bench.intent.pools[0].gap;
    assert_eq!((bench.see(State::Down, State::Down), bench.active()), (vec![], Some(A)));
    assert_eq!(bench.pools.next_deadline(), Some(bench.now + gap));
    bench.see(State::Up, State::Down);
    assert_eq!((bench.active(), bench.lost_before(A), bench.pools.next_deadline()), (Some(A), 0, None));

    bench.see(State::Down, State::Down);
    let (over, lost) = (bench.now + gap, bench.now);
    bench.now = lost + (gap - Duration::from_millis(1));
    assert_eq!((bench.look(), bench.active()), (vec![], Some(A)));
    bench.now = over;
    let changes = bench.look();
    assert_eq!((changes.len(), bench.active(), bench.lost_before(A)), (1, None, 2));
    assert_eq!(bench.pools.next_deadline(), Some(over + CLAIM_HOLDOFF), "nothing more of the gap");
}

#[test]
fn scenario_17_without_another_enabled_member_the_gap_is_not_waited_for() {
    for other in [AdminState::Draining, AdminState::Offline] {
        let mut bench = Bench::settled();
        bench.intent.pools[0].no_member = NoMember::Drop;
        bench.set(B, other);
        bench.see(State::Down, State::Down);
        assert_eq!((bench.active(), bench.lost_before(A)), (None, 2), "{other:?}");
    }
}

#[test]
fn scenario_37_a_drained_member_keeps_the_role_until_another_is_up_with_an_alarm() {
    let mut bench = Bench::settled();
    assert_eq!((bench.set(A, AdminState::Draining), bench.active()), (vec![], Some(A)));
    let alarm =
        "alarm: pool pair-1: sip-a is active but drained (drained by the operator; said up), and no other member is up";
    assert_eq!(bench.logged(), [alarm]);
    let changes = bench.see(State::Up, State::Up);
    assert_eq!((changes.len(), bench.active(), bench.lost_before(A)), (1, Some(B), 0));
    assert_eq!(bench.logged(), ["alarm cleared: pool pair-1"]);
}

#[test]
fn keep_last_keeps_the_active_member_and_its_tcp() {
    let mut bench = Bench::settled();
    let changes = bench.see(State::Down, State::Down);
    assert_eq!((changes, bench.active(), bench.lost_before(A)), (vec![], Some(A), 0));
    bench.see(State::Down, State::Up);
    assert_eq!((bench.active(), bench.lost_before(A)), (Some(B), 2));
}

#[test]
fn a_reload_keeps_words_roles_and_generations_wherever_things_stand() {
    let mut bench = Bench::settled();
    bench.see(State::Down, State::Up);
    bench.set(A, AdminState::Draining);
    let mut reversed = bench.intent.clone();
    reversed.members.reverse();
    reversed.pools[0].members = vec![MemberId(1), MemberId(0)];
    reversed.pools[0].name = "renamed".into();
    let reversed = carry_over(&bench.intent, reversed);
    bench.pools.reconfigure(&reversed, &mut bench.out, bench.now);
    assert_eq!((bench.active(), bench.generation()), (Some(B), 2), "wherever it stands");
    assert_eq!((bench.pools.member(A).admin, bench.lost_before(A)), (AdminState::Draining, 2));
    let mut alone = harness::two_arm();
    alone.members.pop();
    alone.pools[0].members.pop();
    alone.pools[0].name = "renamed".into();
    bench.pools.reconfigure(&carry_over(&reversed, alone), &mut bench.out, bench.now);
    assert_eq!((bench.active(), bench.generation()), (None, 3));
}

fn any_state() -> impl Strategy<Value = State> {
    prop_oneof![Just(State::Unknown), Just(State::Up), Just(State::Down)]
}

#[derive(Clone, Debug)]
enum Step {
    See(State, State),
    Word(u16, AdminState),
    Force(Option<u16>),
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let word = prop_oneof![Just(AdminState::Enabled), Just(AdminState::Draining), Just(AdminState::Offline)];
    prop_oneof![
        4 => (any_state(), any_state()).prop_map(|(a, b)| Step::See(a, b)),
        1 => (0..2u16, word).prop_map(|(member, word)| Step::Word(member, word)),
        1 => prop::option::of(0..2u16).prop_map(Step::Force),
        1 => (0..40_000u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn the_active_member_is_never_down_while_another_is_up(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut bench = Bench::new();
        let mut generation = 0;
        for step in steps {
            let changes = match step {
                Step::See(a, b) => bench.see(a, b),
                Step::Word(member, word) => bench.set(MemberId(member), word),
                Step::Force(member) => { bench.pools.force(PAIR, member.map(MemberId), Wall(0)); bench.look() }
                Step::Wait(millis) => { bench.now += Duration::from_millis(millis); bench.look() }
            };
            let pool = bench.pools.pool(PAIR).clone();
            let state = |id: MemberId| bench.pools.member(id).state;
            if let Some(active) = pool.active {
                prop_assert_ne!(state(active), State::Offline);
                let another_is_up = [A, B].into_iter().any(|id| id != active && state(id) == State::Up);
                let is_good = !matches!(state(active), State::Down | State::Drained);
                prop_assert!(pool.forced == Some(active) || is_good || !another_is_up);
            } else {
                prop_assert!([A, B].into_iter().all(|id| state(id) != State::Up));
            }
            prop_assert_eq!(pool.generation.0, generation + changes.len() as u32);
            generation = pool.generation.0;
            for (at, member) in bench.pools.health().members.iter().enumerate() {
                prop_assert!(member.lost_before.0 <= generation);
                prop_assert!(pool.active != Some(MemberId(at as u16)) || member.may_claim);
            }
        }
    }
}

#[test]
fn only_pools_of_which_something_is_new_are_reconsidered() {
    let mut bench = Bench::settled();
    bench.see(State::Down, State::Up);
    let over = bench.now + CLAIM_HOLDOFF;
    let weigh = |bench: &mut Bench, now| {
        let asked = std::cell::Cell::new(0);
        let verdict = Verdict { state: State::Up, reason: "up".into(), since: now, says: Says::Nothing };
        let ask = |_| {
            asked.set(asked.get() + 1);
            &verdict
        };
        let mut health = bench.pools.health();
        let (switched, news) =
            bench.pools.reconsider(&bench.intent, ask, &mut health, &mut bench.out, (now, wall_at(now)));
        assert_eq!((switched, health), (vec![], bench.pools.health()));
        (asked.get(), news)
    };
    let now = bench.now;
    assert_eq!(weigh(&mut bench, now), (0, vec![]), "of nobody anything is new");
    bench.pools.touch(PAIR);
    assert_eq!(weigh(&mut bench, now), (2, vec![PoolId(0)]), "sip-a is up");
    bench.pools.touch(PAIR);
    assert_eq!(weigh(&mut bench, now), (2, vec![]));
    bench.pools.set_admin(A, AdminState::Enabled, Wall(0));
    assert_eq!(weigh(&mut bench, now), (2, vec![]));
    assert_eq!(weigh(&mut bench, over), (2, vec![PoolId(0)]), "sip-a may claim again");
    assert_eq!(weigh(&mut bench, over), (0, vec![]));
}

#[test]
fn a_preferred_member_takes_over_again_once_it_was_up_for_long_enough_and_in_the_window() {
    let mut bench = Bench::new();
    let pool = &mut bench.intent.pools[PAIR];
    pool.fail_back = FailBack::Immediate;
    pool.fail_back_after = Duration::from_secs(60);
    pool.fail_back_window = Some(DayWindow { from: 120, to: 240 });
    let [a, b] = [MemberId(0), MemberId(1)];
    bench.see(State::Down, State::Up);
    assert_eq!(bench.active(), Some(b));
    bench.see(State::Up, State::Up);
    assert_eq!(bench.active(), Some(b), "it is one in the morning");
    let reason = &bench.pools.pool(PAIR).reason;
    assert!(reason.ends_with("; sip-a takes over again at 1970-01-01T02:00:00.000000Z if it stays up"), "{reason}");
    // The calendar may be set: it is looked at from time to time.
    let review = bench.pools.next_deadline().unwrap();
    assert_eq!(review, bench.now + Duration::from_secs(600));
    // It goes down shortly before, and is up again in the window: it waits for its minute.
    bench.now = Instant::ZERO + Duration::from_secs(3_590);
    bench.see(State::Down, State::Up);
    assert_ne!(bench.pools.next_deadline(), Some(review), "nothing is to come");
    bench.now = Instant::ZERO + Duration::from_secs(3_650);
    bench.see(State::Up, State::Up);
    assert_eq!(bench.active(), Some(b));
    let due = bench.pools.next_deadline().unwrap();
    assert_eq!(due, bench.now + Duration::from_secs(60));
    bench.now += Duration::from_millis(59_899);
    assert_eq!((bench.see(State::Up, State::Up), bench.active()), (vec![], Some(b)));
    bench.now = due;
    bench.look();
    assert_eq!(bench.active(), Some(a));
    // Where the active one is lost, none of this counts.
    bench.see(State::Down, State::Up);
    assert_eq!(bench.active(), Some(b));
    bench.see(State::Up, State::Down);
    assert_eq!(bench.active(), Some(a));
}

#[test]
fn nobody_is_said_to_take_over_again_where_the_operator_a_drill_or_the_pair_has_chosen() {
    let mut bench = Bench::new();
    bench.intent.pools[PAIR].fail_back = FailBack::Immediate;
    bench.intent.pools[PAIR].fail_back_after = Duration::from_secs(60);
    bench.see(State::Down, State::Up);
    let promises = |bench: &mut Bench| {
        bench.see(State::Up, State::Up);
        bench.pools.pool(PAIR).reason.contains("takes over again at")
    };
    assert!(promises(&mut bench));
    bench.pools.force(PAIR, Some(B), Wall(0));
    assert!(!promises(&mut bench), "sip-b is forced");
    bench.pools.force(PAIR, None, Wall(0));
    bench.pools.prefer(PAIR, Some(B));
    assert!(!promises(&mut bench), "a drill wants sip-b");
    bench.pools.prefer(PAIR, None);
    assert!(promises(&mut bench));
}
