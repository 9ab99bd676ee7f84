//! What the operator has set of members and pools, over what the file says.
//!
//! Owns admin states with the drains that go with them, forced choices, and what a forced choice means that was taken up again. Says nothing of
//! who is active by that.

use super::drains::{Drain, Left};
use super::outbox::Outbox;
use super::pools::{Pools, restored_key};
use super::restored::{Binding, Restored};
use crate::admin::events::Subject;
use crate::admin::rows::{AdminState, Wall};
use crate::config::LogLevel;
use crate::events::{AlarmCode, EventName};
use crate::monitor::Verdict;
use crate::policy::health::State;
use crate::policy::intent::{Member, MemberId, Pool, PoolId};
use crate::time::Instant;

impl Pools {
    /// The operator sets a member, at `since`; drained, without a limit. Drained or offline, it is no longer forced; enabled, nothing
    /// holds it back.
    pub fn set_admin(&mut self, member: MemberId, admin: AdminState, since: Wall) {
        self.put_admin(member, admin, since);
        if admin != AdminState::Enabled {
            self.release_forced(member);
        }
    }

    /// The member is as the file has it again. If it was forced it stays so, unless that is offline; says whether it does not.
    pub(super) fn unset_admin(&mut self, member: MemberId) -> bool {
        let Some(admin) = self.members.get(&member).map(|known| known.admin_file) else { return false };
        self.put_admin(member, admin, Wall::default());
        admin == AdminState::Offline && self.release_forced(member)
    }

    fn put_admin(&mut self, member: MemberId, admin: AdminState, since: Wall) {
        let Some(status) = self.members.get_mut(&member) else { return };
        if admin == AdminState::Enabled {
            status.reserve.release();
        }
        if status.admin != admin || !status.is_set() {
            (status.admin, status.admin_since) = (admin, since);
        }
        status.drain = Drain::default();
        match admin {
            AdminState::Draining => self.drained.insert(member),
            AdminState::Enabled | AdminState::Offline => self.drained.remove(&member),
        };
        self.touched.insert(status.pool);
    }

    /// The choice is free again where this one was forced. Says whether it was.
    fn release_forced(&mut self, member: MemberId) -> bool {
        let pool = self.members.get(&member).and_then(|known| self.pools.get_mut(&known.pool));
        pool.and_then(|pool| pool.forced.take_if(|forced| *forced == member)).is_some()
    }

    /// Another file: who is as it had him is as this one has him; what the operator has set stays, and is said where the file has changed.
    pub(super) fn follow_file(&mut self, (id, meant): (MemberId, &Member), pool: &str, out: &mut Outbox) {
        let Some(known) = self.members.get_mut(&id) else { return };
        let (was_set, file) = (known.is_set(), meant.admin_state);
        let before = std::mem::replace(&mut known.admin_file, file);
        let (about, admin) = (|| Subject::member(&meant.name, pool), known.admin);
        if was_set && known.is_set() && before != file {
            let message = format!(
                "member {} stays {admin}, as the operator has set it, though the file has {file}: `fairlead save` writes it into the \
                 file, `fairlead state drop` returns to what that says",
                meant.name
            );
            out.log_of(EventName::StateKept, LogLevel::Warn, about(), message);
        }
        if was_set || admin == file {
            return;
        }
        if self.unset_admin(id) {
            let message = format!("pool {pool}: {} is not forced active any more: the file has it offline", meant.name);
            out.log_of(EventName::StateForgotten, LogLevel::Warn, about(), message);
        }
    }

    /// The members that are drained.
    pub(super) fn drained(&self) -> impl Iterator<Item = MemberId> {
        self.drained.iter().copied()
    }

    /// A member that is drained is taken offline then; `None`: not by itself. Says whether there was a limit before.
    pub(super) fn limit_drain(&mut self, member: MemberId, until: Option<Wall>) -> bool {
        let Some(known) = self.members.get_mut(&member) else { return false };
        std::mem::replace(&mut known.drain.until, until).is_some()
    }

    /// That nothing is left of it has been logged.
    pub(super) fn drain_reported(&mut self, member: MemberId) {
        self.members.entry(member).and_modify(|known| known.drain.is_reported = true);
    }

    /// The time of a drained member is up: it is taken offline at `since`, with what it has.
    pub(super) fn end_drain(&mut self, member: MemberId, left: Left, since: Wall) {
        self.set_admin(member, AdminState::Offline, since);
        self.members.entry(member).and_modify(|known| known.drain.ended = Some(left));
    }

    /// Whom the operator wants, since `since`; `None` returns to automatic selection.
    pub fn force(&mut self, pool: PoolId, member: Option<MemberId>, since: Wall) {
        if let Some(status) = self.pools.get_mut(&pool) {
            if status.forced != member {
                (status.forced, status.forced_since) = (member, since);
            }
            status.restored = None;
        }
        self.touched.insert(pool);
    }

    /// Whom a drill wants: active while it is fit for that ([`MemberStatus::unfit`]) and nobody is forced. `None`: the choice is free.
    pub fn prefer(&mut self, pool: PoolId, member: Option<MemberId>) {
        if let Some(status) = self.pools.get_mut(&pool) {
            status.preferred = member;
        }
        self.touched.insert(pool);
    }

    /// Whom the operator wanted before the appliance was started again, or before the member was gone for a while.
    pub fn restore_force(&mut self, pool: PoolId, member: MemberId, since: Wall, restored: Restored) {
        self.force(pool, Some(member), since);
        if let Some(status) = self.pools.get_mut(&pool) {
            status.restored = Some(restored);
        }
    }

    /// What a forced choice means now; one that was taken up again may not bind, and then an alarm says so.
    pub(super) fn binding<'a>(
        &mut self,
        id: PoolId,
        meant: &Pool,
        verdict: &impl Fn(MemberId) -> &'a Verdict,
        out: &mut Outbox,
        now: Instant,
    ) -> Binding {
        let Some(pool) = self.pools.get_mut(&id) else { return Binding::Binds };
        let (Some(member), Some(restored)) = (pool.forced, &mut pool.restored) else {
            pool.restored = None;
            _ = out.clear(&restored_key(id), || format!("pool {}: no earlier choice is pending", meant.name));
            return Binding::Binds;
        };
        let up = |other: &MemberId| self.members.get(other).is_some_and(|other| other.state == State::Up);
        let another = meant.members.iter().any(|other| *other != member && up(other));
        let binding = restored.evaluate(verdict(member).state, another, pool.active.is_some(), meant.gap, now);
        self.reviews.extend(restored.next_deadline(meant.gap, now).map(|due| (due, id)));
        let name = self.members.get(&member).map_or("", |member| &member.name);
        match binding {
            Binding::Binds => {
                _ = out.clear(&restored_key(id), || format!("pool {}: {name} answers and is forced", meant.name));
            }
            Binding::Free => {
                let message = format!(
                    "pool {}: {name} was forced by the operator before {} but does not answer: until it does the choice is \
                     free; `fairlead pool auto {}` ends this",
                    meant.name,
                    restored.before(),
                    meant.name
                );
                out.raise(&restored_key(id), (AlarmCode::PoolForcedPending, Subject::pool(&meant.name)), message, now);
            }
            Binding::Held => {}
        }
        binding
    }
}
