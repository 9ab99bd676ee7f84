//! Next hops that do not answer ARP: what is logged, which alarms stand, and what follows for probes and workers.
//!
//! Owns the words, and who is silent now. A member is one of them whether or not it is active: when the host of a standby
//! dies, nothing else shows that the pool has lost its redundancy.

use super::controller::Controller;
use crate::admin::events::Subject;
use crate::config::LogLevel;
use crate::events::{AlarmCode, EventName};
use crate::policy::adjacency::NextHop;
use crate::policy::intent::MemberId;
use crate::time::Instant;
use crate::worker::mailbox::Command;
use ipnet::Ipv4Net;

/// Members that raise an alarm of their own at once, at most; each is logged however many there are.
const MOST: usize = 64;
/// Routes that are named one by one: a routing daemon may learn thousands by one router.
const NAMED: usize = 8;

impl Controller {
    /// A next hop does not answer ARP. For a member that is a hint: it is probed at once (scenario 36).
    pub(super) fn on_unresolved(&mut self, hop: NextHop, now: Instant) {
        match self.link.neighbours.is_permanent(hop) {
            true => self.publisher.changed_soon(now),
            false => self.publisher.changed_at_leisure(now),
        }
        self.give_up(hop);
        let member = self.link.member(hop);
        self.probing.unresolved(hop, member, now);
        if let Some(message) = self.silence(hop)
            && self.silent.insert(hop)
        {
            match member.is_some() && self.silent.len() > MOST {
                true => self.outputs.log_of(EventName::MemberSilent, LogLevel::Warn, self.subject_of(hop), message),
                false => {
                    let code =
                        if member.is_some() { AlarmCode::MemberUnreachable } else { AlarmCode::NextHopUnreachable };
                    self.outputs.raise(&alarm_key(hop), (code, self.subject_of(hop)), message, now);
                }
            }
        }
        if let Some(member) = member {
            self.probing.hint_pool(member, &self.intent);
        }
    }

    /// A next hop answers ARP that did not.
    pub(super) fn on_resolved(&mut self, hop: NextHop) {
        if self.silent.remove(&hop) {
            let who = match self.link.member(hop) {
                Some(member) => format!("member {}", self.intent.members[member].name),
                None => format!("next hop {hop} of {}", self.routes_by(hop)),
            };
            let message = format!("{who} answers ARP again");
            if !self.outputs.clear(&alarm_key(hop), || message.clone()) {
                let (about, message) = (self.subject_of(hop), format!("alarm cleared: {message}"));
                self.outputs.log_of(EventName::MemberSilent, LogLevel::Info, about, message);
            }
        }
    }

    /// After a reload, or when routes have come and gone: what is neither a member nor a router any more is missed by nobody, and what the file places is not asked.
    pub(super) fn review_silence(&mut self) {
        let neighbours = &self.link.neighbours;
        let gone = |hop: &NextHop| !neighbours.is_permanent(*hop) || neighbours.is_static(*hop);
        for hop in self.silent.iter().copied().filter(gone).collect::<Vec<_>>() {
            self.silent.remove(&hop);
            self.outputs.clear(&alarm_key(hop), || "nothing depends on its ARP any more".into());
        }
    }

    fn subject_of(&self, hop: NextHop) -> Subject {
        match self.link.member(hop).and_then(|id| self.intent.members.get(id)) {
            Some(member) => Subject::member(&member.name, self.pool_name(member.pool)),
            None => Subject {
                interface: self.intent.interfaces.get(hop.interface).map(|one| one.name.clone()),
                ..Subject::object(hop)
            },
        }
    }

    /// Workers stop waiting for a next hop.
    pub(super) fn give_up(&mut self, hop: NextHop) {
        for worker in self.machine.workers() {
            self.outputs.send(worker, Command::GiveUp(hop));
        }
    }

    /// What it means that the next hop is silent. `None`: nothing depends on it.
    fn silence(&self, hop: NextHop) -> Option<String> {
        match self.link.member(hop) {
            Some(member) => Some(self.silence_of_member(member)),
            None if self.link.is_router(hop) => {
                Some(format!("next hop {hop} of {} is unreachable: it does not answer ARP", self.routes_by(hop)))
            }
            None => None,
        }
    }

    fn silence_of_member(&self, id: MemberId) -> String {
        let member = &self.intent.members[id];
        let pool = &self.intent.pools[member.pool];
        let loses = if pool.members.len() > 1 { "has less redundancy" } else { "has no other member" };
        format!("member {} does not answer ARP: pool {} {loses}", member.name, pool.name)
    }

    fn routes_by(&self, hop: NextHop) -> String {
        let name = |to: &Ipv4Net| if to.prefix_len() == 0 { "default".into() } else { to.to_string() };
        let all = self.link.networks_behind(hop);
        let names: Vec<String> = all.iter().take(NAMED).map(name).collect();
        let more = if all.len() > NAMED { format!(" and {} more", all.len() - NAMED) } else { String::new() };
        format!("route{} {}{more}", if all.len() == 1 { "" } else { "s" }, names.join(", "))
    }
}

fn alarm_key(hop: NextHop) -> String {
    format!("silent {} {hop}", hop.interface.0)
}
