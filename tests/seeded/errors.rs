//! ICMP errors about what is translated: the outer header and the quoted one change together (RFC 5508 REQ-4, REQ-5,
//! REQ-7).

use crate::model::{End, Model, Passage, Told, passage};
use crate::packet::{Letter, Way};
use fairlead::engine::{DropReason, Notice};
use fairlead::wire::{Endpoint, Protocol};
use testbench::lab::ROUTER;
use testbench::plan::{Pair, Who, host, own, pair, vip};

impl Model {
    /// A member complains about what it received.
    pub fn error_outward(&self, letter: &Letter, who: Who) -> Passage {
        let quoted = letter.quoted().expect("an error quotes");
        let told_by = |about: Way| {
            let way = Way::new(Endpoint::new(vip(pair(who)), 0), letter.way.dst);
            passage(&letter.on(way).quoting(about), ROUTER)
        };
        match self.flows.find(letter.protocol(), quoted.back()) {
            Some((at, side)) if self.flows.get(at).member.is_some() => told_by(self.flows.get(at).leaves(side).back()),
            Some(_) => passage(letter, ROUTER),
            None if self.plan.excludes(quoted.src.addr) && !self.called.contains(&(pair(who), quoted.src)) => {
                passage(letter, ROUTER)
            }
            None => {
                assert_eq!((letter.protocol(), quoted.dst.port), (Protocol::Udp, 5060), "{letter:?} is about nothing");
                told_by(Way::new(quoted.src, Endpoint::new(vip(pair(who)), 5060)))
            }
        }
    }

    /// Somebody complains to a virtual address.
    pub fn error_inward(&self, letter: &Letter, pair: Pair) -> Result<Passage, End> {
        let quoted = letter.quoted().expect("an error quotes");
        let told_to = |who: Who, about: Way| {
            let way = Way::new(letter.way.src, Endpoint::new(own(who), 0));
            passage(&letter.on(way).quoting(about), host(who))
        };
        let nothing = Err(End::new(&[DropReason::NoFlowForError], Told::Nothing));
        if let Some((at, side)) = self.flows.find(letter.protocol(), quoted.back()) {
            let about = self.flows.get(at).leaves(side).back();
            return self.plan.who_is(about.src.addr).map_or(nothing, |who| Ok(told_to(who, about)));
        }
        if (letter.protocol(), quoted.src.port) != (Protocol::Udp, 5060) {
            return nothing;
        }
        let Some((who, spoke)) = self.receiver(pair, quoted.dst) else {
            let none = &[DropReason::NoFlowForError, DropReason::NoActiveMember];
            return Err(End::new(none, Told::Nothing));
        };
        let perhaps = if spoke { vec![Notice::SpeakerAnswered] } else { vec![] };
        Ok(Passage { perhaps, ..told_to(who, Way::new(Endpoint::new(own(who), 5060), quoted.dst)) })
    }
}
