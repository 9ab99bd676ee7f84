//! Who is active in each pool, and what the workers are told of it.
//!
//! Owns the operator's word on members and pools, laid over what the monitors say; the active member and its
//! generation; and what follows from losing the role: whose TCP is lost, and who may not claim peers for a while. The
//! choice itself is [`election::choose`]'s. Probes nothing and publishes nothing.

use crate::control::admin::request::MemberWord;
use crate::monitor::Verdict;
use crate::monitor::election::{self, Ballot, Candidate, Choice};
use crate::policy::Intent;
use crate::policy::health::{Generation, Health, MemberHealth, PoolHealth, State};
use crate::policy::intent::{Member, MemberId, PoolId};
use crate::time::{Duration, Instant};
use std::net::Ipv4Addr;

/// How long a member that lost the active role cannot claim peers by speaking: what it sends may be an echo from its
/// queue, or a retransmission (64·T1, RFC 3261 17.1.1.2, when every transaction of it has ended).
pub const ECHO: Duration = Duration::from_secs(32);

/// A member as it stands now.
#[derive(Clone, Debug)]
pub struct MemberStanding {
    /// Its name.
    pub name: String,
    /// Its address.
    address: Ipv4Addr,
    /// The operator's word.
    pub word: MemberWord,
    /// What the monitors say, with the word laid over.
    pub state: State,
    /// Why.
    pub reason: String,
    /// Since when it is in that state.
    pub since: Instant,
    lost_role: Option<Instant>,
    lost_before: Generation,
    /// It lost the role while it still answered: its connections live on. Its flows of earlier generations are lost
    /// when it is.
    released: Option<Generation>,
}

/// A pool as it stands now.
#[derive(Clone, Debug)]
pub struct PoolStanding {
    /// Its name.
    pub name: String,
    /// Where clients go.
    pub active: Option<MemberId>,
    /// Counts changes of `active`.
    pub generation: Generation,
    /// Whom the operator wants.
    pub forced: Option<MemberId>,
    /// Why this member is active, or why none.
    pub reason: String,
    /// Since when.
    pub since: Instant,
    /// What an operator should look at, and since when.
    pub alarm: Option<(Instant, String)>,
}

/// The active member of a pool is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switched {
    /// Which pool.
    pub pool: PoolId,
    /// Who was active.
    pub from: Option<MemberId>,
    /// Who is.
    pub to: Option<MemberId>,
    /// Why.
    pub reason: String,
}

/// What a look at all pools brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Active members that are others now.
    pub switched: Vec<Switched>,
    /// Alarms that were not there before.
    pub raised: Vec<(PoolId, String)>,
    /// Alarms that are gone.
    pub cleared: Vec<PoolId>,
}

/// All pools and members; the lists run parallel to those of the intent.
#[derive(Clone, Debug)]
pub struct Pools {
    /// The members.
    pub members: Vec<MemberStanding>,
    /// The pools.
    pub pools: Vec<PoolStanding>,
}

impl Pools {
    /// Nobody is active yet and the operator has said nothing.
    pub fn new(intent: &Intent, now: Instant) -> Pools {
        let mut pools = Pools { members: Vec::new(), pools: Vec::new() };
        pools.reconfigure(intent, now);
        pools
    }

    /// Takes a new intent. The operator's words, the active member and the generation stay with the pools whose names
    /// survive and the members whose addresses do.
    pub fn reconfigure(&mut self, intent: &Intent, now: Instant) {
        // A new pool counts on from the highest generation, so that no flow of an earlier one looks current.
        let highest = self.pools.iter().map(|pool| pool.generation).max().unwrap_or_default();
        let old = std::mem::replace(self, Pools { members: Vec::new(), pools: Vec::new() });
        let moved = |id: MemberId, pool: PoolId| old.moved(id, intent).filter(|new| intent.members[new.index()].pool == pool);
        self.members = intent.members.iter().map(|member| old.heir_of(member, now)).collect();
        for (at, meant) in intent.pools.iter().enumerate() {
            let id = PoolId(at as u16);
            let mut pool = match old.pools.iter().find(|pool| pool.name == meant.name) {
                Some(known) => known.clone(),
                None => fresh_pool(&meant.name, highest, now),
            };
            let before = pool.active;
            pool.active = pool.active.and_then(|member| moved(member, id));
            pool.forced = pool.forced.and_then(|member| moved(member, id));
            if before.is_some() && pool.active.is_none() {
                pool.generation.0 += 1;
                pool.since = now;
            }
            self.pools.push(pool);
        }
    }

    /// Weighs what the monitors and the operator say now.
    pub fn reconsider<'a>(
        &mut self,
        intent: &Intent,
        verdict: impl Fn(MemberId) -> &'a Verdict,
        now: Instant,
    ) -> Changes {
        let lost: Vec<bool> =
            (0..self.members.len()).map(|at| self.overlay(at, verdict(MemberId(at as u16)), now)).collect();
        let mut changes = Changes::default();
        for (at, meant) in intent.pools.iter().enumerate() {
            let candidates: Vec<Candidate<'_>> = meant.members.iter().map(|&id| self.candidate(id)).collect();
            let choice = election::choose(&Ballot {
                candidates: &candidates,
                current: self.pools[at].active,
                forced: self.pools[at].forced,
                fail_back: meant.fail_back,
                no_member: meant.no_member,
            });
            self.apply(PoolId(at as u16), choice, &lost, &mut changes, now);
        }
        self.lose_released(&lost);
        self.forget_echoes(now);
        changes
    }

    /// What the workers are to know.
    pub fn health(&self) -> Health {
        let member = |standing: &MemberStanding| MemberHealth {
            state: standing.state,
            may_claim: standing.word != MemberWord::Offline && standing.lost_role.is_none(),
            lost_before: standing.lost_before,
        };
        let pool = |standing: &PoolStanding| PoolHealth { active: standing.active, generation: standing.generation };
        Health { members: self.members.iter().map(member).collect(), pools: self.pools.iter().map(pool).collect() }
    }

    /// When time alone changes something: [`Pools::reconsider`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.members.iter().filter_map(|member| member.lost_role).map(|lost| lost + ECHO).min()
    }

    /// The operator's word on a member. Drained or offline, it is no longer forced.
    pub fn set_word(&mut self, member: MemberId, word: MemberWord) {
        self.members[member.index()].word = word;
        if word != MemberWord::Enable {
            self.pools.iter_mut().filter(|pool| pool.forced == Some(member)).for_each(|pool| pool.forced = None);
        }
    }

    /// Whom the operator wants; `None` gives the choice back.
    pub fn force(&mut self, pool: PoolId, member: Option<MemberId>) {
        self.pools[pool.index()].forced = member;
    }

    /// The member's standing.
    pub fn member(&self, id: MemberId) -> &MemberStanding {
        &self.members[id.index()]
    }

    /// The pool's standing.
    pub fn pool(&self, id: PoolId) -> &PoolStanding {
        &self.pools[id.index()]
    }

    /// Lays the word over the verdict; returned is whether the member is lost: what it had is gone.
    fn overlay(&mut self, at: usize, verdict: &Verdict, now: Instant) -> bool {
        let member = &mut self.members[at];
        let (state, reason) = match member.word {
            MemberWord::Enable => (verdict.state, verdict.reason.clone()),
            MemberWord::Drain => (State::Drained, format!("drained by the operator; {}", verdict.reason)),
            MemberWord::Offline => (State::Offline, format!("taken offline by the operator; {}", verdict.reason)),
        };
        if state != member.state {
            member.since = if member.word == MemberWord::Enable { verdict.since.max(member.since) } else { now };
        }
        (member.state, member.reason) = (state, reason);
        member.word == MemberWord::Offline || verdict.state == State::Down
    }

    fn candidate(&self, id: MemberId) -> Candidate<'_> {
        let member = &self.members[id.index()];
        Candidate { member: id, name: &member.name, state: member.state, reason: &member.reason }
    }

    fn apply(&mut self, id: PoolId, choice: Choice, lost: &[bool], changes: &mut Changes, now: Instant) {
        let pool = &mut self.pools[id.index()];
        match (&choice.alarm, pool.alarm.take()) {
            (Some(message), Some((since, _))) => pool.alarm = Some((since, message.clone())),
            (Some(message), None) => {
                pool.alarm = Some((now, message.clone()));
                changes.raised.push((id, message.clone()));
            }
            (None, Some(_)) => changes.cleared.push(id),
            (None, None) => {}
        }
        pool.reason.clone_from(&choice.reason);
        if choice.active != pool.active {
            let from = std::mem::replace(&mut pool.active, choice.active);
            pool.since = now;
            pool.generation.0 += 1;
            let generation = pool.generation;
            self.hand_over(from, choice.active, generation, lost, now);
            changes.switched.push(Switched { pool: id, from, to: choice.active, reason: choice.reason });
        }
    }

    fn hand_over(
        &mut self,
        from: Option<MemberId>,
        to: Option<MemberId>,
        generation: Generation,
        lost: &[bool],
        now: Instant,
    ) {
        if let Some(from) = from {
            let member = &mut self.members[from.index()];
            member.lost_role = Some(now);
            if lost[from.index()] {
                member.lost_before = generation;
            } else {
                member.released = Some(generation);
            }
        }
        if let Some(to) = to {
            let member = &mut self.members[to.index()];
            (member.lost_role, member.released) = (None, None);
        }
    }

    fn lose_released(&mut self, lost: &[bool]) {
        for (member, _) in self.members.iter_mut().zip(lost).filter(|(_, lost)| **lost) {
            if let Some(generation) = member.released.take() {
                member.lost_before = generation;
            }
        }
    }

    fn forget_echoes(&mut self, now: Instant) {
        for member in &mut self.members {
            member.lost_role = member.lost_role.filter(|&lost| now.since(lost) < ECHO);
        }
    }

    /// Where the member is now: an address is one member's for as long as it is in the file, whatever its name.
    fn moved(&self, id: MemberId, intent: &Intent) -> Option<MemberId> {
        let address = self.members.get(id.index())?.address;
        intent.members.iter().position(|new| new.address == address).map(|at| MemberId(at as u16))
    }

    /// All goes with the address; the operator's word also with the name.
    fn heir_of(&self, member: &Member, now: Instant) -> MemberStanding {
        if let Some(known) = self.members.iter().find(|old| old.address == member.address) {
            return MemberStanding { name: member.name.clone(), ..known.clone() };
        }
        let namesake = self.members.iter().find(|old| old.name == member.name);
        fresh_member(member, namesake.map_or(MemberWord::Enable, |old| old.word), now)
    }
}

fn fresh_member(member: &Member, word: MemberWord, now: Instant) -> MemberStanding {
    MemberStanding {
        name: member.name.clone(),
        address: member.address,
        word,
        state: State::Unknown,
        reason: "not probed yet".into(),
        since: now,
        lost_role: None,
        lost_before: Generation(0),
        released: None,
    }
}

fn fresh_pool(name: &str, generation: Generation, now: Instant) -> PoolStanding {
    PoolStanding {
        name: name.into(),
        active: None,
        generation,
        forced: None,
        reason: "no member was probed yet".into(),
        since: now,
        alarm: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::controller::harness;
    use crate::policy::intent::NoMember;
    use proptest::prelude::*;

    const A: MemberId = MemberId(0);
    const B: MemberId = MemberId(1);
    const PAIR: PoolId = PoolId(0);

    struct Bench {
        intent: Intent,
        pools: Pools,
        states: [State; 2],
        now: Instant,
    }

    impl Bench {
        fn new() -> Bench {
            let intent = harness::two_arm();
            let pools = Pools::new(&intent, Instant::ZERO);
            Bench { intent, pools, states: [State::Unknown; 2], now: Instant::ZERO }
        }

        fn settled() -> Bench {
            let mut bench = Bench::new();
            bench.see(State::Up, State::Down);
            bench
        }

        fn look(&mut self) -> Changes {
            let verdicts = self.states.map(|state| Verdict { state, reason: format!("said {state}"), since: self.now });
            self.pools.reconsider(&self.intent, |id| &verdicts[id.index()], self.now)
        }

        fn see(&mut self, a: State, b: State) -> Changes {
            self.states = [a, b];
            self.now += Duration::from_millis(100);
            self.look()
        }

        fn word(&mut self, member: MemberId, word: MemberWord) -> Changes {
            self.pools.set_word(member, word);
            self.now += Duration::from_millis(100);
            self.look()
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
        assert_eq!((bench.look().switched, bench.active()), (vec![], None));
        let changes = bench.see(State::Up, State::Down);
        assert_eq!((changes.switched.len(), bench.active(), bench.generation()), (1, Some(A), 1));
        assert_eq!(changes.switched[0].reason, "sip-a answers: said up");
        assert_eq!(bench.pools.member(B).reason, "said down");
        assert_eq!(changes.raised, []);
    }

    #[test]
    fn scenario_17_nobody_answers() {
        let mut bench = Bench::new();
        let changes = bench.see(State::Down, State::Down);
        assert_eq!((changes.switched, bench.active(), changes.raised.len()), (vec![], None, 1));
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
        assert_eq!(bench.pools.next_deadline(), Some(lost + ECHO));
        bench.now = lost + Duration::from_millis(31_999);
        bench.look();
        assert!(!bench.may_claim(A));
        bench.now = lost + ECHO;
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
                bench.word(A, MemberWord::Drain);
            } else {
                bench.pools.force(PAIR, Some(B));
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
        assert_eq!(bench.see(State::Up, State::Up).switched, []);
        bench.pools.force(PAIR, Some(A));
        bench.look();
        assert_eq!(bench.active(), Some(A));
        bench.pools.force(PAIR, None);
        assert_eq!((bench.look().switched, bench.active()), (vec![], Some(A)));
    }

    #[test]
    fn scenario_30_two_that_answer_keep_the_current_one_and_raise_an_alarm_once() {
        let mut bench = Bench::settled();
        let both = bench.see(State::Up, State::Up);
        assert_eq!((both.switched, both.raised.len(), bench.active()), (vec![], 1, Some(A)));
        let again = bench.see(State::Up, State::Up);
        assert_eq!((again.raised, again.cleared), (vec![], vec![]));
        assert_eq!(bench.see(State::Up, State::Down).cleared, [PAIR]);
    }

    #[test]
    fn scenario_37_offline_is_like_down_and_enable_takes_nothing_over() {
        let mut bench = Bench::settled();
        bench.see(State::Up, State::Up);
        bench.word(A, MemberWord::Offline);
        assert_eq!((bench.active(), bench.lost_before(A), bench.may_claim(A)), (Some(B), 2, false));
        bench.now += ECHO;
        bench.look();
        assert!(!bench.may_claim(A), "offline, it claims nothing ever");
        bench.word(A, MemberWord::Enable);
        assert_eq!((bench.active(), bench.may_claim(A)), (Some(B), true));
    }

    #[test]
    fn the_later_word_wins_over_force() {
        let mut bench = Bench::settled();
        bench.see(State::Up, State::Up);
        bench.pools.force(PAIR, Some(A));
        bench.word(A, MemberWord::Offline);
        bench.word(A, MemberWord::Enable);
        assert_eq!((bench.active(), bench.pools.pool(PAIR).forced), (Some(B), None));
    }

    #[test]
    fn keep_last_keeps_the_active_member_and_its_tcp() {
        let mut bench = Bench::settled();
        bench.intent.pools[0].no_member = NoMember::KeepLast;
        let changes = bench.see(State::Down, State::Down);
        assert_eq!((changes.switched, bench.active(), bench.lost_before(A)), (vec![], Some(A), 0));
        bench.see(State::Down, State::Up);
        assert_eq!((bench.active(), bench.lost_before(A)), (Some(B), 2));
    }

    #[test]
    fn a_reload_keeps_words_roles_and_generations_with_the_names() {
        let mut bench = Bench::settled();
        bench.see(State::Down, State::Up);
        bench.word(A, MemberWord::Drain);
        let mut reversed = bench.intent.clone();
        reversed.members.reverse();
        reversed.pools[0].members = vec![MemberId(1), MemberId(0)];
        bench.pools.reconfigure(&reversed, bench.now);
        assert_eq!((bench.active(), bench.generation()), (Some(MemberId(0)), 2), "sip-b, at its new place");
        assert_eq!(bench.pools.member(MemberId(1)).word, MemberWord::Drain);
        assert_eq!(bench.lost_before(MemberId(1)), 2);
        let mut alone = reversed.clone();
        alone.members.remove(0);
        alone.pools[0].members = vec![MemberId(0)];
        bench.pools.reconfigure(&alone, bench.now);
        assert_eq!((bench.active(), bench.generation()), (None, 3));
    }

    fn any_state() -> impl Strategy<Value = State> {
        prop_oneof![Just(State::Unknown), Just(State::Up), Just(State::Down)]
    }

    #[derive(Clone, Debug)]
    enum Step {
        See(State, State),
        Word(u16, MemberWord),
        Force(Option<u16>),
        Wait(u64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let word = prop_oneof![Just(MemberWord::Enable), Just(MemberWord::Drain), Just(MemberWord::Offline)];
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
                    Step::Word(member, word) => bench.word(MemberId(member), word),
                    Step::Force(member) => { bench.pools.force(PAIR, member.map(MemberId)); bench.look() }
                    Step::Wait(millis) => { bench.now += Duration::from_millis(millis); bench.look() }
                };
                let pool = bench.pools.pool(PAIR).clone();
                let state = |id: MemberId| bench.pools.member(id).state;
                if let Some(active) = pool.active {
                    prop_assert_ne!(state(active), State::Offline);
                    let another_is_up = [A, B].into_iter().any(|id| id != active && state(id) == State::Up);
                    prop_assert!(pool.forced == Some(active) || state(active) != State::Down || !another_is_up);
                } else {
                    prop_assert!([A, B].into_iter().all(|id| state(id) != State::Up));
                }
                prop_assert_eq!(pool.generation.0, generation + changes.switched.len() as u32);
                generation = pool.generation.0;
                for (at, member) in bench.pools.health().members.iter().enumerate() {
                    prop_assert!(member.lost_before.0 <= generation);
                    prop_assert!(pool.active != Some(MemberId(at as u16)) || member.may_claim);
                }
            }
        }
    }
}
