//! One member: what its monitors, the operator and the file say of it, and what it has lost.
//!
//! Owns [`MemberStatus`], the lines that are logged of it, and the alarm while it is held back. Who is active is no business of its own.

use crate::admin::events::Subject;
use crate::admin::rows::{AdminState, Wall};
use crate::config::LogLevel;
use crate::control::drains::Drain;
use crate::control::outbox::Outbox;
use crate::control::reserve::Reserve;
use crate::control::slow_start::SlowStart;
use crate::events::{AlarmCode, EventName};
use crate::monitor::Verdict;
use crate::policy::health::{Generation, MemberHealth, State};
use crate::policy::intent::{Member, MemberId, Pool, PoolId, Says};
use crate::time::Instant;

/// Why a member counts as up of which nothing is known since the restart.
const ASSUMED: &str = "it was up before the restart, and its first answers are waited for";

/// A member as it stands now.
#[derive(Clone, Debug)]
pub struct MemberStatus {
    /// Its name.
    pub name: String,
    /// Its pool, whose generations it counts by.
    pub(in crate::control) pool: PoolId,
    /// As the operator has set it, else as the file has it.
    pub admin: AdminState,
    /// Since when that is so.
    pub admin_since: Wall,
    /// As the file has it.
    pub admin_file: AdminState,
    /// While it is drained: until when, and how far that has come.
    pub(in crate::control) drain: Drain,
    /// What the monitors say, with that laid over.
    pub state: State,
    /// Why.
    pub reason: String,
    /// Since when it is in that state.
    pub since: Instant,
    /// What it says itself of its role in its pair.
    pub says: Says,
    /// Until when it was active last, before it is again; `None`: it never was.
    pub served_until: Option<Instant>,
    /// What keeps it from being chosen while another is up.
    pub(in crate::control) reserve: Reserve,
    /// It does so, as far as an alarm says.
    pub(super) is_held: bool,
    /// What the monitors said when it was last logged.
    pub(super) reported: State,
    /// Its monitors say that it is down, or it was taken offline: what it had is gone.
    pub(in crate::control) is_lost: bool,
    pub(super) lost_role: Option<Instant>,
    pub(in crate::control) lost_before: Generation,
    /// It lost the role while it still answered: its connections live on. Its flows of earlier generations are lost
    /// when it is.
    pub(in crate::control) released: Option<Generation>,
    /// It was up before the restart, and its monitors have not decided yet.
    pub(in crate::control) is_assumed: bool,
    /// Its monitors found it down, and nothing good has been heard of it since: new ones may not have decided yet.
    pub(in crate::control) was_down: bool,
    /// Where several are active: it may have flows of its own, as it has lived since it was lost last.
    pub(in crate::control) has_flows: bool,
    /// Where several are active: it has taken new work since then.
    pub(in crate::control) took_new: bool,
    /// How far it has come since it came up.
    pub(in crate::control) slow_start: SlowStart,
    /// Where several are active: what it has of its share of what is new.
    pub(in crate::control) share: Share,
}

/// What a member has of its share of what is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// All of it, or nothing for another reason.
    #[default]
    Plain,
    /// Nothing: there are enough of higher priorities.
    Spare,
    /// A part, in hundredths, until this time.
    Part(u32, Instant),
}

impl MemberStatus {
    /// Why a drill does not give it the role; `None`: it may.
    pub fn unfit(&self, pool: &Pool) -> Option<String> {
        let MemberStatus { name, state, reason, says, reserve, .. } = self;
        match (state, reserve.reason(name, pool), says) {
            (State::Up, Some(held), _) => Some(format!("{name} is held back: {held}")),
            (State::Up, None, Says::Standby) => Some(format!("{name} says that it is standby")),
            (State::Up, None, _) => None,
            _ => Some(format!("{name} is {state} ({reason})")),
        }
    }

    /// The operator has set it otherwise than the file has it.
    pub fn is_set(&self) -> bool {
        self.admin != self.admin_file || self.drain.until.is_some()
    }

    /// Who has it so, if it is not enabled: `by the operator`.
    pub(in crate::control) fn whose(&self) -> &'static str {
        if self.is_set() { "by the operator" } else { "by the file" }
    }

    /// Its flows of generations before this one were lost with it.
    pub fn lost_before(&self) -> Generation {
        self.lost_before
    }

    /// When it lost the role, as long as it may not claim peers for that.
    pub(in crate::control) fn lost_role(&self) -> Option<Instant> {
        self.lost_role
    }

    /// What it had is gone, as far as anybody knows.
    pub(in crate::control) fn is_dead(&self) -> bool {
        self.is_lost || self.was_down
    }

    pub(super) fn health(&self) -> MemberHealth {
        MemberHealth {
            state: self.state,
            may_claim: self.admin != AdminState::Offline && self.lost_role.is_none(),
            lost_before: self.lost_before,
            is_back: self.has_flows,
        }
    }

    /// Logs that the member went up or down; returns what it was before. One that was not known before, such as a standby at the
    /// start, is no news to worry of.
    pub(super) fn report(&mut self, verdict: &Verdict, pool: &Pool, out: &mut Outbox) -> State {
        let before = std::mem::replace(&mut self.reported, verdict.state);
        let level = match (before, verdict.state) {
            (State::Up, State::Down) => LogLevel::Warn,
            _ => LogLevel::Info,
        };
        if before != verdict.state && matches!(verdict.state, State::Up | State::Down) {
            let event = if verdict.state == State::Up { EventName::MemberUp } else { EventName::MemberDown };
            let message = format!("member {} is {}: {}", self.name, verdict.state, verdict.reason);
            out.log_of(event, level, Subject::member(&self.name, &pool.name), message);
        }
        before
    }

    /// Raises an alarm while the member is held back. Returns when that may end by itself, where it is new.
    pub(super) fn hold_back(
        &mut self,
        (id, before, after): (MemberId, State, State),
        pool: &Pool,
        out: &mut Outbox,
        now: Instant,
    ) -> Option<Instant> {
        let (was_held, ended) = (self.is_held, self.reserve.ends());
        self.reserve.on_change(before, after, pool, now);
        self.reserve.review(pool, now);
        self.is_held = self.reserve.is_held();
        if self.is_held != was_held || self.reserve.ends() != ended {
            match self.reserve.reason(&self.name, pool) {
                Some(reason) => {
                    let of = (AlarmCode::MemberHeldBack, Subject::member(&self.name, &pool.name));
                    out.raise(&held_key(id), of, format!("member {}: {reason}", self.name), now);
                }
                None => _ = out.clear(&held_key(id), || format!("member {} is no longer held back", self.name)),
            }
        }
        self.reserve.ends().filter(|ends| ended != Some(*ends))
    }

    /// Lays over the verdict what the operator has set, or the file.
    pub(super) fn overlay(&mut self, verdict: &Verdict, pool: &Pool, now: Instant) {
        self.is_assumed &= verdict.state == State::Unknown;
        let (found, why) =
            if self.is_assumed { (State::Up, ASSUMED) } else { (verdict.state, verdict.reason.as_str()) };
        let (state, reason) = match self.admin {
            AdminState::Enabled => match self.reserve.reason(&self.name, pool) {
                Some(held) => (found, format!("{held}; {why}")),
                None => (found, why.to_owned()),
            },
            AdminState::Draining => (State::Drained, format!("drained {}; {why}", self.whose())),
            AdminState::Offline => (State::Offline, format!("taken offline {}; {why}", self.whose())),
        };
        if state != self.state {
            self.since = if self.admin == AdminState::Enabled { verdict.since.max(self.since) } else { now };
        }
        (self.state, self.reason, self.says) = (state, reason, verdict.says);
        self.is_lost = self.admin == AdminState::Offline || verdict.state == State::Down;
        self.was_down = verdict.state == State::Down || (self.was_down && verdict.state == State::Unknown);
    }
}

/// A member of which nothing is known yet; `pool_serves`: others of its pool have taken something.
pub(super) fn fresh_member(
    member: &Member,
    (admin, admin_since, drain): (AdminState, Wall, Drain),
    pool_serves: bool,
    now: Instant,
) -> MemberStatus {
    MemberStatus {
        name: member.name.clone(),
        pool: member.pool,
        admin,
        admin_file: member.admin_state,
        admin_since,
        drain,
        state: State::Unknown,
        reason: "not probed yet".into(),
        since: now,
        says: Says::Nothing,
        reserve: Reserve::default(),
        is_held: false,
        served_until: None,
        reported: State::Unknown,
        is_lost: false,
        lost_role: None,
        lost_before: Generation(0),
        released: None,
        is_assumed: false,
        was_down: false,
        has_flows: false,
        took_new: false,
        slow_start: SlowStart::new(pool_serves),
        share: Share::Plain,
    }
}

pub(super) fn held_key(member: MemberId) -> String {
    format!("member {} held back", member.0)
}
