//! Who takes new work, step by step.

mod groups;

use super::*;
use crate::admin::rows::Wall;
use crate::control::harness;
use crate::control::outbox::Output;
use crate::control::pools::Switched;
use crate::control::restored::Restored;
use crate::monitor::Verdict;
use crate::policy::intent::{Mode, Says};

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
        assert_eq!(self.reconsider(millis), []);
        self.targets()
    }

    /// Time passes; what is switched over, which in a pool of several active members is nothing.
    fn reconsider(&mut self, millis: u64) -> Vec<Switched> {
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
        assert_eq!(health, self.pools.health());
        switched
    }

    /// Another file, in which the members are active in this way.
    fn change_mode(&mut self, mode: Mode) {
        self.intent.pools.iter_mut().for_each(|pool| pool.mode = mode);
        self.pools.reconfigure(&self.intent, &mut self.out, self.now);
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

    /// The alarms that stand, shortened.
    fn standing(&self) -> Vec<String> {
        self.out.alarms.iter().map(|(_, message)| message.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect()
    }

    /// What was logged since this was last asked, likewise.
    fn logged(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(output) = self.out.pop() {
            if let Output::Log(row) = output {
                let message = &row.message;
                lines.push(message.split(": ").take(3).collect::<Vec<_>>().join(": "));
            }
        }
        lines.retain(|line| !line.starts_with("member "));
        lines
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
fn a_lost_member_is_back_once_it_lives_though_the_operator_gives_it_nothing_new() {
    let back = |bench: &Bench| {
        let health = bench.pools.health();
        [A, B, C].map(|member| health.members[member.index()].is_back)
    };
    let mut bench = Bench::settled(|_| {});
    assert_eq!(back(&bench), [true; 3]);
    bench.see([Up, Down, Up]);
    assert_eq!(back(&bench), [true, false, true]);
    assert_eq!((bench.set(B, AdminState::Draining), back(&bench)), (vec![A, C], [true, false, true]));
    assert_eq!((bench.see([Up; 3]), back(&bench)), (vec![A, C], [true; 3]));
    bench.set(B, AdminState::Offline);
    assert_eq!(back(&bench), [true, false, true]);
    assert_eq!((bench.set(B, AdminState::Enabled), back(&bench)), (vec![A, B, C], [true; 3]));
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

#[test]
fn whoever_lives_may_have_flows_though_it_never_took_new_work() {
    let mut bench = Bench::settled(|pool| pool.manual_resume = true);
    bench.see([Up, Down, Up]);
    assert_eq!((bench.see([Up; 3]), bench.lost()), (vec![A, C], ([0, 1, 0], 1)), "it is held back, and may speak");
    assert_eq!((bench.see([Up, Down, Up]), bench.lost()), (vec![A, C], ([0, 2, 0], 2)));
    assert_eq!((bench.pass(100), bench.lost().1), (vec![A, C], 2), "once");
    let mut bench = Bench::new(|_| {});
    bench.see([Up, Up, Unknown]);
    assert_eq!((bench.pass(300), bench.lost().1), (vec![A, B], 0));
    assert_eq!((bench.see([Up, Up, Down]), bench.lost()), (vec![A, B], ([0, 0, 1], 1)));
    let never = bench.pools.health().members[C.index()];
    assert!(never.may_claim, "it has lost no role");
    let mut bench = Bench::new(|_| {});
    assert_eq!(
        (bench.see([Up, Up, Down]), bench.lost().1),
        (vec![A, B], 0),
        "one that was never alive has lost nothing"
    );
}

#[test]
fn that_nobody_is_up_and_that_somebody_is_missing_are_an_alarm_each() {
    let mut bench = Bench::settled(|pool| pool.no_member = NoMember::KeepLast);
    bench.logged();
    bench.see([Up, Down, Up]);
    assert_eq!(bench.standing(), ["pool pair-1: 2 of 3 members take new work"]);
    assert_eq!(bench.logged(), ["alarm: pool pair-1: 2 of 3 members take new work"]);
    bench.see([Up, Down, Down]);
    assert_eq!(
        bench.logged(),
        ["pool pair-1: 1 of 3 members take new work: sip-b is down (said down); sip-c is down (said down)"]
    );
    bench.see([Down; 3]);
    let both = ["pool pair-1: 1 of 3 members keep their work", "pool pair-1: members are missing"];
    assert_eq!(bench.standing(), both, "the worst first");
    assert_eq!(bench.logged(), ["alarm: pool pair-1: 1 of 3 members keep their work"]);
    bench.see([Up, Down, Down]);
    assert_eq!(bench.standing(), ["pool pair-1: 1 of 3 members take new work"]);
    assert_eq!(bench.logged(), ["alarm cleared: pool pair-1: 1 of 3 members take new work"]);
    bench.see([Up; 3]);
    assert_eq!(
        (bench.standing(), bench.logged()),
        (vec![], vec!["alarm cleared: pool pair-1: all 3 members take new work".into()])
    );
    // The operator has taken the others out, and the last one dies.
    bench.set(A, AdminState::Draining);
    bench.set(B, AdminState::Offline);
    bench.set(C, AdminState::Draining);
    assert_eq!(bench.standing(), ["pool pair-1: 1 of 3 members keep their work"]);
    // Both end with the pool, and with its mode.
    bench.see([Down; 3]);
    bench.set(A, AdminState::Enabled);
    assert_eq!(bench.alarms(), 2);
    let mut removed = bench.intent.clone();
    removed.pools = Vec::new().into();
    bench.pools.clone().reconfigure(&removed, &mut bench.out, bench.now);
    assert_eq!(bench.alarms(), 0);
    bench.pass(100);
    bench.change_mode(Mode::ActiveStandby);
    bench.reconsider(100);
    assert_eq!(bench.alarms(), 1, "{:?}", bench.standing());
}

#[test]
fn where_several_are_active_no_choice_of_before_a_restart_is_pending() {
    let mut bench = Bench::new(|pool| pool.mode = Mode::ActiveStandby);
    let choice = Restored::new(Duration::from_secs(1), "the restart", bench.now);
    bench.pools.restore_force(POOL, B, Wall(0), choice);
    bench.states = [Up, Down, Up];
    bench.reconsider(2_000);
    assert!(bench.standing().iter().any(|alarm| alarm.contains("was forced")), "{:?}", bench.standing());
    bench.change_mode(Mode::RoundRobin);
    assert_eq!(bench.see([Up; 3]), [A, B, C]);
    assert_eq!(bench.standing(), [""; 0]);
}

#[test]
fn what_is_lost_stays_lost_though_new_monitors_have_not_decided_yet() {
    let mut bench = Bench::settled(|pool| pool.no_member = NoMember::KeepLast);
    assert_eq!(bench.see([Down; 3]), [A, B, C]);
    let before = bench.standing();
    bench.logged();
    assert_eq!(bench.see([Unknown; 3]), [A, B, C], "the last ones, as before");
    assert_eq!((bench.standing(), bench.logged()), (before, vec![]));
    assert_eq!(bench.see([Up, Unknown, Unknown]), [A], "the others have not been heard of since they died");
    assert_eq!(bench.lost(), ([0, 1, 1], 1));
    assert_eq!(bench.see([Unknown, Unknown, Up]), [A, C], "it was up last");

    let mut bench = Bench::settled(|pool| pool.no_member = NoMember::Reject);
    bench.see([Down; 3]);
    bench.pass(2_000);
    assert_eq!(bench.see([Unknown; 3]), [A, B, C]);
    assert_eq!(bench.pass(1_899), [A, B, C]);
    assert_eq!((bench.pass(1), bench.lost()), (vec![], ([1; 3], 1)), "the gap goes on");

    let mut bench = Bench::settled(|_| {});
    bench.see([Up, Down, Up]);
    bench.logged();
    bench.see([Up, Unknown, Up]);
    assert_eq!((bench.alarms(), bench.logged()), (1, vec![]), "it is still missed");
}

#[test]
fn the_last_target_of_a_dead_pool_outlives_another_mode() {
    let mut bench = Bench::settled(|pool| (pool.no_member, pool.mode) = (NoMember::KeepLast, Mode::RoundRobin));
    bench.see([Down, Up, Down]);
    assert_eq!(bench.see([Down; 3]), [B]);
    bench.change_mode(Mode::ActiveStandby);
    assert_eq!((bench.reconsider(100), bench.pools.pool(POOL).active), (vec![], Some(B)));
    assert_eq!(bench.lost().0, [1, 0, 1]);
    bench.change_mode(Mode::SourceHash);
    assert_eq!((bench.pass(100), bench.lost().0[B.index()]), (vec![B], 0));
    assert_eq!(bench.see([Up, Down, Down]), [A]);
    assert_eq!(bench.lost().0[B.index()], bench.lost().1);
}

#[test]
fn tables_are_smaller_where_very_many_pools_have_one() {
    let mut bench = Bench::settled(|pool| pool.mode = Mode::SourceHash);
    let table = |bench: &Bench, pools: usize| {
        let sharing = bench.pools.pool(POOL).sharing().unwrap();
        sharing.is_of(Mode::SourceHash, sharing.targets(), cells(pools, 3))
    };
    assert!(table(&bench, 1) && !table(&bench, 257));
    let pool = bench.intent.pools[0].clone();
    (1..257).for_each(|_| bench.intent.pools.push(Pool { members: vec![A], ..pool.clone() }));
    assert_eq!(bench.reload(|_| {}), [A, B, C]);
    assert!(table(&bench, 257));
}
