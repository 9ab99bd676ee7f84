//! What is not sent, so that the rest can be compared: letters about which the appliance and the model are known to
//! disagree, and such as the specification has no word for.
//!
//! A finding has a story of its own in `stories.rs`; when it is settled, it goes from here.

use crate::flows::{Flow, State};
use crate::letter::{Letter, Way, What};
use crate::model::{Fate, Lesson};
use crate::plan::{Pair, Who, pair, vip};
use crate::world::World;
use fairlead::wire::{Endpoint, Protocol};

/// Why a letter is not sent.
type Reason = Option<&'static str>;

const ONE_TABLE: &str = "finding 1: one table of speakers for all pairs";
const STICKS: &str = "finding 3: a call to a pair sticks to the member that was active last";

impl World {
    /// The letter is not sent; counted.
    pub fn leaves_out(&mut self, letter: &Letter) -> bool {
        let reason = self.why_left_out(letter);
        reason.into_iter().for_each(|reason| *self.left_out.entry(reason).or_default() += 1);
        reason.is_some()
    }

    fn why_left_out(&self, letter: &Letter) -> Reason {
        let plan = &self.model.plan;
        if matches!(letter.what, What::Datagram) && self.is_noted_in_vain(letter) {
            return Some("finding 6: a datagram that is turned back is remembered");
        }
        match (plan.who_is(letter.way.src.addr), plan.served_at(letter.way.dst.addr)) {
            (None, Some(called)) => self.left_out_of_calls(letter, called).or_else(|| self.left_out_of_ends(letter)),
            (None, None) => self.left_out_of_visits(letter),
            (Some(who), None) => self.left_out_outward(letter, who).or_else(|| self.left_out_of_ends(letter)),
            (Some(who), Some(called)) => match letter.what {
                What::Segment { .. } => self.left_out_between_segments(letter),
                What::Datagram => self.left_out_between(letter, who, called),
                What::Error { .. } => self.left_out_of_complaints(letter, called),
                _ => None,
            },
        }
    }

    fn flow(&self, letter: &Letter, way: Way) -> Option<&Flow> {
        self.model.flows.find(letter.protocol(), way).map(|(at, _)| self.model.flows.get(at))
    }

    /// Somebody has a note about the remote, in the name of this pair.
    fn is_noted(&self, of: Pair, remote: Endpoint) -> bool {
        self.model.claims.contains_key(&(of, remote))
            || self.model.called.contains(&(of, remote))
            || self.ghosts.contains(&remote)
    }

    /// It dies on its way out, but what it says of its sender has been noted by then.
    fn is_noted_in_vain(&self, letter: &Letter) -> bool {
        let dies = letter.ttl <= 1 || letter.df && letter.payload.len() + 28 > usize::from(self.model.plan.servers_mtu);
        let hairpin = self.model.plan.who_is(letter.way.src.addr).and(self.model.plan.served_at(letter.way.dst.addr));
        let Fate::Goes(passage) = self.model.fate(letter, 1) else { return false };
        let noted = |lesson: &Lesson| matches!(lesson, Lesson::Spoke(..) | Lesson::Called(..));
        dies && (hairpin.is_some() || passage.lessons.iter().any(noted))
    }

    /// Outside to a virtual address.
    fn left_out_of_calls(&self, letter: &Letter, called: Pair) -> Reason {
        let src = letter.way.src;
        if !matches!(letter.what, What::Datagram) || !self.model.plan.excludes(src.addr) {
            return None;
        }
        match (self.is_noted(1 - called, src), self.model.receiver(called, src)) {
            (true, _) => Some(ONE_TABLE),
            (_, None) => Some("finding 6: a call that was refused is remembered"),
            _ => None,
        }
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
        translated.then_some("finding 10: a visitor to whom the member spoke first is answered translated")
    }

    /// A member to the outside.
    fn left_out_outward(&self, letter: &Letter, who: Who) -> Reason {
        let (plan, dst) = (&self.model.plan, letter.way.dst);
        let service = matches!(letter.what, What::Datagram) && letter.way.src.port == 5060;
        if service && self.is_noted(1 - pair(who), dst) {
            return Some(ONE_TABLE);
        }
        // It began while its host was excluded, which it is no more.
        let written = letter.quoted().map_or(letter.way, Way::back);
        let freed = self.flow(letter, written).is_some_and(|flow| flow.member.is_none() && flow.excluded);
        if freed && !plan.excludes(written.dst.addr) {
            return Some("finding 8: what was opened to an excluded host does not keep its treatment");
        }
        let noted = self.model.called.contains(&(pair(who), dst));
        if service && plan.excludes(dst.addr) && !noted && self.called_after.contains(&dst) {
            return Some("finding 7: a claim that has lapsed makes a call be noted although its host is not excluded");
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
            return (!opens).then_some("finding 5: a member's own connection to a pair does not go on after a restart");
        };
        if opens && matches!(self.model.fate(letter, 1), Fate::Dies(..)) {
            return Some(STICKS);
        }
        if !opens && !self.model.flows.is_paired(at) {
            return Some("no word: a connection between members whose other half was opened anew");
        }
        self.left_out_of_ends(letter)
    }

    /// A datagram between members.
    fn left_out_between(&self, letter: &Letter, who: Who, called: Pair) -> Reason {
        let Way { src, dst } = letter.way;
        let known = self.model.flows.find(Protocol::Udp, letter.way);
        if src.port == 5060 {
            let reached = dst.port == 5060 || self.callees.get(&(dst, pair(who))) == Some(&who);
            return match (self.is_noted(1 - pair(who), dst), reached) {
                (true, _) => Some(ONE_TABLE),
                (_, false) => Some("finding 4: only the member that a call reached can answer it"),
                _ => None,
            };
        }
        if matches!(self.model.fate(letter, 1), Fate::Dies(..)) {
            return known.map(|_| STICKS);
        }
        let (at, side) = known?;
        let spoken = self.is_noted(called, self.model.flows.get(at).leaves(side).src);
        spoken.then_some("finding 4: a call from another port does not know who spoke")
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
