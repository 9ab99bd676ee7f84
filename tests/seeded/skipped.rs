//! What is not sent, so that the rest can be compared: packets for which the specification has no rule.

use crate::flows::{Flow, State};
use crate::packet::{Packet, Way, What};
use crate::run::Run;
use fairlead::wire::{Endpoint, Protocol};
use testbench::plan::{Pair, vip};

/// Why a packet is not sent.
type Reason = Option<&'static str>;

impl Run {
    /// The packet is not sent; counted.
    pub fn skips(&mut self, packet: &Packet) -> bool {
        let reason = self.why_skipped(packet);
        reason.into_iter().for_each(|reason| *self.skipped.entry(reason).or_default() += 1);
        reason.is_some()
    }

    fn why_skipped(&self, packet: &Packet) -> Reason {
        let plan = &self.model.plan;
        match (plan.who_is(packet.way.src.addr), plan.served_at(packet.way.dst.addr)) {
            (None, Some(called)) => self.skips_ends(packet).or_else(|| self.skips_uninvited(packet, called)),
            (None, None) => self.skips_visits(packet),
            (Some(_), None) => self.skips_outward(packet).or_else(|| self.skips_ends(packet)),
            (Some(_), Some(called)) => match packet.what {
                What::Segment { .. } => self.skips_between_segments(packet),
                What::Error { .. } => self.skips_errors(packet, called),
                _ => None,
            },
        }
    }

    fn flow(&self, packet: &Packet, way: Way) -> Option<&Flow> {
        self.model.flows.find(packet.protocol(), way).map(|(at, _)| self.model.flows.get(at))
    }

    /// Whom a member's port has talked to since it was given is not modelled: the rows about filtering say what follows.
    fn skips_uninvited(&self, packet: &Packet, called: Pair) -> Reason {
        let uninvited = matches!(packet.what, What::Datagram) && self.flow(packet, packet.way).is_none();
        let mapped = self.model.flows.is_mapped(called, packet.way.dst.port);
        (uninvited && mapped).then_some("rows: a datagram of no flow to a port that a member has had")
    }

    fn skips_ends(&self, packet: &Packet) -> Reason {
        let What::Segment { flags, .. } = packet.what else { return None };
        let flow = self.flow(packet, packet.way)?;
        if flow.strayed {
            return Some("no rule: a connection that a segment of another one has met");
        }
        let ends = flow.state == State::Lost && (flags.fin() || flags.rst());
        ends.then_some("no rule: the end of a connection that was reset")
    }

    /// Outside to a member's own address.
    fn skips_visits(&self, packet: &Packet) -> Reason {
        let answer = self.flow(packet, packet.way.back()).filter(|_| matches!(packet.what, What::Datagram));
        let translated = answer.is_some_and(|flow| flow.member.is_some());
        translated.then_some("no rule: whether a mapping outlives the visit that ends its conversation")
    }

    /// A member to the outside.
    fn skips_outward(&self, packet: &Packet) -> Reason {
        let plan = &self.model.plan;
        let service = matches!(packet.what, What::Datagram) && packet.way.src.port == 5060;
        if service && self.called_before.contains(&packet.way.dst) {
            return Some("no rule: whether a call is remembered when its host is excluded once more");
        }
        // It began while its host was excluded; it is not any more.
        let written = packet.quoted().map_or(packet.way, Way::back);
        let freed = self.flow(packet, written).is_some_and(|flow| flow.member.is_none() && flow.excluded);
        let connection = packet.protocol() == Protocol::Tcp && plan.narrowed;
        if freed && !plan.excludes(written.dst.addr) && !connection {
            return Some("no rule: what was opened to an excluded host, after a restart or without a connection");
        }
        let exchange = matches!(packet.what, What::Segment { flags, .. } if !flags.syn());
        if exchange && plan.narrowed && self.flow(packet, packet.way).is_none() {
            return Some("no rule: whether a member's connection stood before a restart or under an exclusion");
        }
        let about = packet.quoted()?;
        let ruled = self.flow(packet, about.back()).is_some() || !plan.excludes(about.src.addr);
        (!ruled).then_some("no rule: an error to an excluded host that may have called the virtual address")
    }

    /// A connection between members.
    fn skips_between_segments(&self, packet: &Packet) -> Reason {
        let What::Segment { flags, .. } = packet.what else { return None };
        let opens = flags.syn() && !flags.ack();
        let Some((at, _)) = self.model.flows.find(Protocol::Tcp, packet.way) else {
            // Its opener can bring it back (a row says how), the other end cannot.
            return (!opens).then_some("no rule: a connection between members after a restart");
        };
        if !opens && !self.model.flows.is_paired(at) {
            return Some("no rule: a connection between members whose other half was opened again");
        }
        self.skips_ends(packet)
    }

    /// Who gets an error about an answer of the member that was active before?
    fn skips_errors(&self, packet: &Packet, called: Pair) -> Reason {
        let about = packet.quoted()?;
        if packet.protocol() == Protocol::Tcp {
            let known = self.model.flows.find(Protocol::Tcp, about.back());
            let paired = known.is_none_or(|(at, _)| self.model.flows.is_paired(at));
            return (!paired).then_some("no rule: a connection between members whose other half was opened again");
        }
        if about.dst.port == 5060 {
            return None;
        }
        let known = self.model.flows.find(Protocol::Udp, about.back());
        let caller = known.map(|(at, side)| self.model.flows.get(at).leaves(side).src);
        let receiver =
            self.model.spoke_last(called, caller.unwrap_or(Endpoint::new(vip(called), 0))).map(|(who, _)| who);
        let reached = caller.and_then(|caller| self.callees.get(&(caller, called)).copied());
        (receiver != reached).then_some("no rule: an error between members after a switchover")
    }
}
