//! What is not sent, so that the rest can be compared: packets for which the specification has no rule.

use crate::flow::{Flow, Phase, State};
use crate::keeper::Keeper;
use crate::packet::{Packet, Way, What};
use crate::run::Run;
use fairlead::policy::intent::Mode;
use fairlead::wire::{Endpoint, Protocol};
use testbench::plan::{Pair, Who, pair, vip};

/// Why a packet is not sent.
pub type Reason = Option<&'static str>;

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
            (None, Some(called)) => self
                .skips_ends(packet)
                .or_else(|| self.skips_uninvited(packet, called))
                .or_else(|| self.skips_unruled_senders(packet, called))
                .or_else(|| self.skips_forgotten(packet, called))
                .or_else(|| self.skips_errors_to_nobody(packet, called)),
            (None, None) => self.skips_visits(packet),
            (Some(_), None) => self.skips_outward(packet).or_else(|| self.skips_ends(packet)),
            (Some(_), Some(called)) => match packet.what {
                What::Segment { .. } => self.skips_between_segments(packet),
                What::Error { .. } => self.skips_errors(packet, called),
                _ => self
                    .skips_unruled_senders(packet, called)
                    .or_else(|| self.skips_calls_of_others(packet))
                    .or_else(|| self.skips_last_hops(packet, called)),
            },
        }
    }

    fn flow(&self, packet: &Packet, way: Way) -> Option<&Flow> {
        self.model.flows.find(packet.protocol(), way).map(|(at, _)| self.model.flows.get(at))
    }

    /// An error about what was sent from a service port to a peer of members that share the work, when it is with nobody for sure.
    fn skips_errors_to_nobody(&self, packet: &Packet, called: Pair) -> Reason {
        let about = packet.quoted()?;
        if self.flow(packet, about.back()).is_some_and(|flow| flow.strayed) {
            return Some("no rule: an error about a connection that may be forgotten");
        }
        let keeper = self.model.shares.known(called, about.dst);
        let open = keeper.is_some_and(|keeper| keeper.sure().is_none());
        (about.src.port == 5060 && packet.protocol() == Protocol::Udp && open)
            .then_some("no rule: an error about what was sent to a peer whose member is lost")
    }

    /// Nothing says with whom a connection was that nobody remembers, unless the client's address does.
    fn skips_forgotten(&self, packet: &Packet, called: Pair) -> Reason {
        let What::Segment { flags, .. } = packet.what else { return None };
        let taken_up = !flags.syn() || flags.ack();
        let service = [5060, 5061].contains(&packet.way.dst.port);
        let (plan, known) = (&self.model.plan, self.flow(packet, packet.way).is_some());
        let shared = plan.is_shared(called) && plan.modes[called] != Mode::SourceHash;
        (shared && service && taken_up && !known)
            .then_some("no rule: a connection of members that share the work after a restart")
    }

    /// Whom a member's port has talked to since it was given is not modelled: the rows about filtering say what follows.
    fn skips_uninvited(&self, packet: &Packet, called: Pair) -> Reason {
        let uninvited = matches!(packet.what, What::Datagram) && self.flow(packet, packet.way).is_none();
        let mapped = self.model.flows.is_mapped(called, packet.way.dst.port);
        (uninvited && mapped).then_some("rows: a datagram of no flow to a port that a member has had")
    }

    fn skips_ends(&self, packet: &Packet) -> Reason {
        let What::Segment { flags, .. } = packet.what else { return None };
        if self.has_loose_port(packet) {
            return Some("no rule: the port of a connection that may be forgotten");
        }
        let flow = self.flow(packet, packet.way)?;
        if flow.strayed {
            return Some("no rule: a connection that a segment of another one has met");
        }
        let opens = flags.syn() && !flags.ack();
        if opens && flow.state == State::Open && flow.phase == Phase::Unclear {
            return Some("no rule: a SYN of a connection that was not made as usual");
        }
        let ends = matches!(flow.state, State::Lost | State::Dropped) && (flags.fin() || flags.rst());
        ends.then_some("no rule: the end of a connection that was reset, or is dropped")
    }

    /// A member's connection from a port of which it is not certain what it is translated to.
    fn has_loose_port(&self, packet: &Packet) -> bool {
        let who = self.model.plan.who_is(packet.way.src.addr);
        who.is_some_and(|who| self.model.flows.is_loose((Protocol::Tcp, who, packet.way.src.port)))
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
        let who = plan.who_is(packet.way.src.addr)?;
        if service
            && self.absent.contains(&who)
            && self.flow(packet, packet.way).is_none()
            && packet.way.dst.port >= 50_000
        {
            return Some(
                "no rule: whether a visit of a service port is remembered while its member is not in the file",
            );
        }
        if service && let Some(reason) = self.skips_unruled_calls(packet, who) {
            return Some(reason);
        }
        let in_call = self.model.is_in_call(packet, who);
        if service && !in_call && plan.excludes(packet.way.dst.addr) && self.is_unruled_peer(who, packet.way.dst) {
            return Some("no rule: an excluded peer that is with another member, or was a peer before it was excluded");
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

    /// Where members share the work: an excluded remote endpoint that is not with `who`, or whose call is not known.
    fn is_unruled_peer(&self, who: Who, remote: Endpoint) -> bool {
        let called = self.model.called.contains(&(pair(who), remote));
        let known = self.model.shares.known(pair(who), remote);
        let is_its = known.and_then(Keeper::sure) == Some(who);
        self.model.plan.is_shared(pair(who)) && if called { !is_its } else { known.is_some() }
    }

    /// Either reason is true of what nobody takes and has no hops left.
    fn skips_last_hops(&self, packet: &Packet, called: Pair) -> Reason {
        let nobody = self.model.plan.is_shared(called) && self.model.plan.targets(called).is_empty();
        (nobody && packet.ttl <= 1)
            .then_some("no rule: from one member to others of whom none is there, at its last hop")
    }

    /// A connection between members.
    fn skips_between_segments(&self, packet: &Packet) -> Reason {
        let What::Segment { flags, .. } = packet.what else { return None };
        let opens = flags.syn() && !flags.ack();
        if self.has_loose_port(packet) {
            return Some("no rule: the port of a connection that may be forgotten");
        }
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
        let (about, plan) = (packet.quoted()?, &self.model.plan);
        if packet.protocol() == Protocol::Tcp {
            let known = self.model.flows.find(Protocol::Tcp, about.back());
            if known.is_some_and(|(at, _)| self.model.flows.get(at).strayed) {
                return Some("no rule: an error about a connection that may be forgotten");
            }
            let paired = known.is_none_or(|(at, _)| self.model.flows.is_paired(at));
            return (!paired).then_some("no rule: a connection between members whose other half was opened again");
        }
        let caller = plan.who_is(packet.way.src.addr)?;
        let remote = Endpoint::new(vip(pair(caller)), 5060);
        let sure = self.model.shares.keeper(called, remote).is_some();
        let both = plan.is_shared(called) && plan.is_shared(pair(caller));
        if about.dst.port == 5060 && (both || plan.is_shared(called) && !sure) {
            return Some("no rule: an error from a service port about what came from members that share the work");
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
