//! Members that answer probes, and from which nothing leaves though requests come in.
//!
//! Owns the alarm about each. Monitors ask from the member's own network: that its default gateway is another host is seen by its peers
//! alone. Workers say for whom a request over UDP has waited too long while nobody of the pool answered any (`Event::Unanswered`); what a
//! server means to ignore is no such sign as long as it sends anything at all. Of services that keep no requests
//! (`redeliver = "0"`), and of TCP, nothing is known here. Decides nothing.

use super::asked::Asked;
use super::controller::Controller;
use super::tables::uses_of;
use crate::admin::events::Subject;
use crate::events::AlarmCode;
use crate::policy::health::State;
use crate::policy::intent::MemberId;
use crate::time::{Duration, Instant};

/// Nothing has left for so long.
const SILENT: Duration = Duration::from_secs(30);
/// In so many different seconds something had waited too long: one who repeats a request, or scans, is no service that fails.
const SECONDS: u32 = 5;
/// Without another request that waits, it is not known any more after so long.
const OVER: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

impl Controller {
    /// A request for this member has waited for too long.
    pub(super) fn on_unanswered(&mut self, member: MemberId, now: Instant) {
        self.probing.hint_pool(member, &self.intent);
        if self.intent.members.contains(member) {
            self.one_way.note(member, now);
        }
    }

    /// Once a second: who has sent nothing for too long, and who has.
    pub(super) fn poll_one_way(&mut self, now: Instant) {
        if self.one_way.asked.is_empty() || now < self.one_way.next {
            return;
        }
        self.one_way.next = now + SECOND;
        let workers = self.member_uses();
        let mut known = std::mem::take(&mut self.one_way.asked);
        known.retain(|id, asked| match self.why_over(*id, asked, uses_of(&workers, *id).spoke, now) {
            Some(why) => {
                if let Some(name) = &asked.alarm {
                    self.outputs.clear(&key(*id), || format!("{name}: {why}"));
                }
                false
            }
            None => {
                self.review_silent(*id, asked, now);
                true
            }
        });
        self.one_way.asked = known;
    }

    /// Why nothing is to be said of it any more.
    fn why_over(&self, id: MemberId, asked: &Asked, spoke: Option<Instant>, now: Instant) -> Option<&'static str> {
        match () {
            () if !self.intent.members.contains(id) => Some("it is gone"),
            () if spoke.is_some_and(|at| at >= asked.since) => Some("what it sends passes again"),
            () if self.pools.member(id).state != State::Up => Some("it is not up any more"),
            () if now.since(asked.last) >= OVER => Some("nobody has asked it for a minute"),
            () => None,
        }
    }

    fn review_silent(&mut self, id: MemberId, asked: &mut Asked, now: Instant) {
        let silent = now.since(asked.since);
        if silent < SILENT || asked.seconds < SECONDS {
            return;
        }
        let member = &self.intent.members[id];
        let pool = &self.intent.pools[member.pool].name;
        let message = format!(
            "pool {pool}: {} answers probes, but for {} s nothing it sends to its peers has passed, while they ask: its default gateway is \
             another host, it seems, or its firewall drops the answers",
            member.name,
            silent.as_secs()
        );
        let of = (AlarmCode::MemberOneWay, Subject::member(&member.name, pool));
        self.outputs.raise(&key(id), of, message, now);
        asked.alarm = Some(member.name.clone());
    }
}

fn key(member: MemberId) -> String {
    format!("one way {member:?}")
}
