//! What is not sent, so that the rest can be compared: letters that the specification has no word for.

use crate::bench::World;
use crate::flows::{Flow, State};
use crate::packet::{Letter, Way, What};
use fairlead::wire::{Endpoint, Protocol};
use testbench::plan::{Pair, vip};

/// Why a letter is not sent.
type Reason = Option<&'static str>;

impl World {
    /// The letter is not sent; counted.
    pub fn leaves_out(&mut self, letter: &Letter) -> bool {
        let reason = self.why_left_out(letter);
        reason.into_iter().for_each(|reason| *self.left_out.entry(reason).or_default() += 1);
        reason.is_some()
    }

    fn why_left_out(&self, letter: &Letter) -> Reason {
        let plan = &self.model.plan;
        match (plan.who_is(letter.way.src.addr), plan.served_at(letter.way.dst.addr)) {
            (None, Some(_)) => self.left_out_of_ends(letter),
            (None, None) => self.left_out_of_visits(letter),
            (Some(_), None) => self.left_out_outward(letter).or_else(|| self.left_out_of_ends(letter)),
            (Some(_), Some(called)) => match letter.what {
                What::Segment { .. } => self.left_out_between_segments(letter),
                What::Error { .. } => self.left_out_of_complaints(letter, called),
                _ => None,
            },
        }
    }

    fn flow(&self, letter: &Letter, way: Way) -> Option<&Flow> {
        self.model.flows.find(letter.protocol(), way).map(|(at, _)| self.model.flows.get(at))
    }

    fn left_out_of_ends(&self, letter: &Letter) -> Reason {
        let What::Segment { flags, .. } = letter.what else { return None };
        let flow = self.flow(letter, letter.way)?;
        if flow.strayed {
            return Some("no word: a connection that a segment of another one has met");
        }
        let ends = flow.state == State::Lost && (flags.fin() || flags.rst());
        ends.then_some("no word: the end of a connection that was reset")
    }

    /// Outside to a member's own address.
    fn left_out_of_visits(&self, letter: &Letter) -> Reason {
        let answer = self.flow(letter, letter.way.back()).filter(|_| matches!(letter.what, What::Datagram));
        let translated = answer.is_some_and(|flow| flow.member.is_some());
        translated.then_some("no word: whether a mapping outlives the visit that ends its conversation")
    }

    /// A member to the outside.
    fn left_out_outward(&self, letter: &Letter) -> Reason {
        let plan = &self.model.plan;
        let service = matches!(letter.what, What::Datagram) && letter.way.src.port == 5060;
        if service && self.called_before.contains(&letter.way.dst) {
            return Some("no word: whether a call is remembered when its host is excluded once more");
        }
        // It began while its host was excluded, which it is no more.
        let written = letter.quoted().map_or(letter.way, Way::back);
        let freed = self.flow(letter, written).is_some_and(|flow| flow.member.is_none() && flow.excluded);
        let connection = letter.protocol() == Protocol::Tcp && plan.narrowed;
        if freed && !plan.excludes(written.dst.addr) && !connection {
            return Some("no word: what was opened to an excluded host, after a restart or without a connection");
        }
        let goes_on = matches!(letter.what, What::Segment { flags, .. } if !flags.syn());
        if goes_on && plan.narrowed && self.flow(letter, letter.way).is_none() {
            return Some("no word: whether a member's connection stood before a restart or under an exclusion");
        }
        let about = letter.quoted()?;
        let word = self.flow(letter, about.back()).is_some() || !plan.excludes(about.src.addr);
        (!word).then_some("no word: a complaint to an excluded host that may have called the virtual address")
    }

    /// A connection between members.
    fn left_out_between_segments(&self, letter: &Letter) -> Reason {
        let What::Segment { flags, .. } = letter.what else { return None };
        let opens = flags.syn() && !flags.ack();
        let Some((at, _)) = self.model.flows.find(Protocol::Tcp, letter.way) else {
            // Its opener can bring it back (a row says how), the other end cannot.
            return (!opens).then_some("no word: a connection between members after a restart");
        };
        if !opens && !self.model.flows.is_paired(at) {
            return Some("no word: a connection between members whose other half was opened anew");
        }
        self.left_out_of_ends(letter)
    }

    /// Who is meant by a complaint about an answer of the member that was active before?
    fn left_out_of_complaints(&self, letter: &Letter, called: Pair) -> Reason {
        let about = letter.quoted()?;
        if letter.protocol() == Protocol::Tcp {
            let known = self.model.flows.find(Protocol::Tcp, about.back());
            let paired = known.is_none_or(|(at, _)| self.model.flows.is_paired(at));
            return (!paired).then_some("no word: a connection between members whose other half was opened anew");
        }
        if about.dst.port == 5060 {
            return None;
        }
        let known = self.model.flows.find(Protocol::Udp, about.back());
        let caller = known.map(|(at, side)| self.model.flows.get(at).leaves(side).src);
        let receiver = self.model.receiver(called, caller.unwrap_or(Endpoint::new(vip(called), 0))).map(|(who, _)| who);
        let reached = caller.and_then(|caller| self.callees.get(&(caller, called)).copied());
        (receiver != reached).then_some("no word: a complaint between members after a switchover")
    }
}
