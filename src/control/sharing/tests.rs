//! Who takes new work, step by step.

use super::*;
use crate::admin::rows::Wall;
use crate::control::harness;
use crate::monitor::Verdict;
use crate::policy::intent::Says;

const A: MemberId = MemberId(0);
const B: MemberId = MemberId(1);
const C: MemberId = MemberId(2);
const POOL: PoolId = PoolId(0);

use State::{Down, Unknown, Up};

struct Bench {
    intent: Intent,
    pools: Pools,
    out: Outbox,
    states: [State; 3],
    now: Instant,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Pool)) -> Bench {
        let mut intent = harness::two_arm();
        let third = Member { name: "sip-c".into(), address: [10, 20, 0, 13].into(), ..intent.members[1].clone() };
        intent.members.push(third);
        let mut pool = intent.pools[0].clone();
        (pool.mode, pool.members) = (Mode::RoundRobin, vec![A, B, C]);
        change(&mut pool);
        intent.pools = vec![pool].into();
        let pools = Pools::new(&intent, Instant::ZERO);
        Bench { intent, pools, out: Outbox::default(), states: [Unknown; 3], now: Instant::ZERO }
    }

    fn settled(change: impl FnOnce(&mut Pool)) -> Bench {
        let mut bench = Bench::new(change);
        bench.see([Up; 3]);
        bench
    }

    fn see(&mut self, states: [State; 3]) -> Vec<MemberId> {
        self.states = states;
        self.pass(100)
    }

    fn set(&mut self, member: MemberId, admin: AdminState) -> Vec<MemberId> {
        self.pools.set_admin(member, admin, Wall(0));
        self.pass(100)
    }

    /// Time passes; who takes new work then.
    fn pass(&mut self, millis: u64) -> Vec<MemberId> {
        self.now += Duration::from_millis(millis);
        let verdicts = self.states.map(|state| Verdict {
            state,
            reason: format!("said {state}"),
            since: self.now,
            says: Says::Nothing,
        });
        self.pools.touch(POOL);
        let mut health = self.pools.health();
        let verdict = |id: MemberId| &verdicts[id.index()];
        let time = (self.now, Wall(0));
        let (switched, _) = self.pools.reconsider(&self.intent, verdict, &mut health, &mut self.out, time);
        assert_eq!((switched, health), (vec![], self.pools.health()));
        self.targets()
    }

    /// Another file; who takes new work then.
    fn reload(&mut self, change: impl FnOnce(&mut Intent)) -> Vec<MemberId> {
        change(&mut self.intent);
        self.pools.reconfigure(&self.intent, &mut self.out, self.now);
        self.pass(100)
    }

    fn targets(&self) -> Vec<MemberId> {
        let health = self.pools.health();
        let sharing = health.pools[0].sharing.as_ref().unwrap();
        assert_eq!(health.pools[0].active, None);
        sharing.targets().iter().map(|target| target.member).collect()
    }

    /// Before which generation each has lost what it had, and the present one.
    fn lost(&self) -> ([u32; 3], u32) {
        let health = self.pools.health();
        ([A, B, C].map(|member| health.members[member.index()].lost_before.0), health.pools[0].generation.0)
    }

    fn reason(&self) -> &str {
        &self.pools.pool(POOL).reason
    }

    fn alarms(&self) -> usize {
        self.out.alarms.iter().count()
    }
}

#[test]
fn all_that_are_up_take_new_work_and_only_the_lost_lose_what_they_have() {
    let mut bench = Bench::settled(|_| {});
    assert_eq!((bench.targets(), bench.reason(), bench.alarms()), (vec![A, B, C], "all 3 members take new work", 0));
    assert_eq!(bench.see([Up, Down, Up]), [A, C]);
    assert_eq!(bench.reason(), "2 of 3 members take new work: sip-b is down (said down)");
    assert_eq!((bench.lost(), bench.alarms()), (([0, 1, 0], 1), 1));
    assert!(!bench.pools.health().members[B.index()].may_claim, "what it still says is an echo");
    assert_eq!(bench.see([Up; 3]), [A, B, C]);
    assert_eq!((bench.lost(), bench.alarms()), (([0, 1, 0], 1), 0), "it comes back and nobody loses anything");
    assert!(bench.pools.health().members[B.index()].may_claim);
}

#[test]
fn a_drained_member_keeps_what_it_has_until_it_is_lost() {
    let mut bench = Bench::settled(|_| {});
    assert_eq!(bench.set(A, AdminState::Draining), [B, C]);
    assert_eq!((bench.lost(), bench.alarms()), (([0; 3], 0), 0), "the operator knows");
    assert_eq!(bench.see([Down, Up, Up]), [B, C]);
    assert_eq!(bench.lost(), ([1, 0, 0], 1));
    assert_eq!(bench.set(B, AdminState::Offline), [C]);
    assert_eq!(bench.lost(), ([1, 2, 0], 2), "offline takes it away at once");
    assert_eq!(bench.set(C, AdminState::Draining), [C], "nobody else is up");
    assert!(
        bench.reason().starts_with("1 of 3 members keep their work: no other member is up: "),
        "{}",
        bench.reason()
    );
    assert_eq!(bench.lost(), ([1, 2, 0], 2));
}

#[test]
fn the_last_to_be_lost_stays_until_another_is_up() {
    let mut bench = Bench::settled(|pool| pool.no_member = NoMember::KeepLast);
    bench.see([Down, Up, Down]);
    assert_eq!(bench.see([Down; 3]), [B], "the last one");
    assert_eq!(bench.lost(), ([1, 0, 1], 1));
    assert_eq!(bench.pass(3_600_000), [B]);
    assert_eq!(bench.see([Up, Down, Down]), [A]);
    assert_eq!(bench.lost(), ([1, 2, 1], 2), "now it is lost");
}

#[test]
fn with_reject_the_lost_stay_for_the_gap() {
    for policy in [NoMember::Reject, NoMember::Drop] {
        let mut bench = Bench::settled(|pool| pool.no_member = policy);
        assert_eq!(bench.see([Down; 3]), [A, B, C]);
        assert_eq!(bench.pools.next_deadline(), Some(bench.now + bench.intent.pools[0].gap));
        assert_eq!((bench.pass(3_999), bench.lost().1), (vec![A, B, C], 0));
        assert_eq!((bench.pass(1), bench.lost()), (vec![], ([1; 3], 1)));
        assert!(bench.reason().starts_with("no member takes new work: "), "{}", bench.reason());
        assert_eq!(bench.see([Up, Down, Down]), [A]);
    }
}

#[test]
fn at_the_start_the_first_that_answer_wait_a_moment_for_the_others() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.see([Up, Unknown, Unknown]), []);
    assert_eq!(bench.alarms(), 0);
    let opens = bench.pools.next_deadline().unwrap();
    assert_eq!(opens, bench.now + FIRST_ANSWERS);
    assert_eq!(bench.see([Up, Up, Unknown]), []);
    assert_eq!(bench.pass(200), [A, B], "and no longer");
    assert_eq!(bench.see([Up; 3]), [A, B, C]);
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.see([Up, Down, Up]), [A, C], "all have been heard of");
}

#[test]
fn a_member_that_is_held_back_takes_part_only_if_nobody_else_is_up() {
    let mut bench = Bench::settled(|pool| pool.manual_resume = true);
    bench.see([Up, Down, Up]);
    assert_eq!(bench.see([Up; 3]), [A, C], "until it is enabled");
    assert_eq!(bench.see([Down, Up, Down]), [B]);
    bench.see([Up; 3]);
    assert_eq!(bench.set(B, AdminState::Enabled), [B], "the others are held back now");
}

#[test]
fn another_mode_takes_nothing_from_anybody() {
    let mut bench = Bench::settled(|_| {});
    bench.see([Up, Down, Up]);
    let generation = bench.lost().1;
    let mut pool = bench.intent.pools[0].clone();
    pool.mode = Mode::ActiveStandby;
    bench.intent.pools = vec![pool.clone()].into();
    bench.pools.reconfigure(&bench.intent, &mut bench.out, bench.now);
    let health = bench.pools.health();
    assert_eq!((health.pools[0].sharing.is_none(), health.pools[0].generation.0), (true, generation + 1));
    // Whoever is lost later loses what it had when all were active.
    assert_eq!(bench.lost().0, [0, 1, 0]);
    pool.mode = Mode::SourceHash;
    bench.intent.pools = vec![pool].into();
    bench.pools.reconfigure(&bench.intent, &mut bench.out, bench.now);
    assert_eq!(bench.see([Up; 3]), [A, B, C]);
    assert_eq!(bench.see([Up, Up, Down]), [A, B]);
    assert_eq!(bench.lost().0[2], bench.lost().1);
}

#[test]
fn a_member_that_a_reload_removes_is_nobody_who_stays() {
    let remove_last = |intent: &mut Intent| {
        intent.members.pop();
        intent.pools[0].members.pop();
    };
    for policy in [NoMember::KeepLast, NoMember::Reject] {
        let mut bench = Bench::settled(|pool| pool.no_member = policy);
        assert_eq!(bench.see([Down; 3]), [A, B, C], "the lost stay");
        assert_eq!(bench.reload(remove_last), [A, B]);
        assert!(bench.reason().starts_with("2 of 2 members keep their work: "), "{}", bench.reason());
    }
    let mut bench = Bench::settled(|_| {});
    assert_eq!(bench.reload(remove_last), [A, B]);
    assert_eq!(bench.see([Down; 3]), [A, B]);
    let mut bench = Bench::settled(|pool| pool.no_member = NoMember::KeepLast);
    bench.see([Down, Down, Up]);
    assert_eq!(bench.reload(remove_last), [], "whoever was left is gone");
}
