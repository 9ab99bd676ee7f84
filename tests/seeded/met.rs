//! How often what is modelled was met: a model of what never happens proves nothing.

use crate::model::{Dropped, Forwarded, Outcome, Reply, Update};
use crate::packet::{Packet, What};
use crate::run::Run;
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::wire::Protocol;

impl Run {
    /// This has become of a packet.
    pub fn meets(&mut self, packet: &Packet, outcome: &Outcome) {
        let mut meets = |what: &'static str| *self.met.entry(what).or_default() += 1;
        let is_datagram = matches!(packet.what, What::Datagram);
        match outcome {
            Outcome::Dropped(Dropped { reasons, .. }) if reasons.contains(&DropReason::ConnectionLimit) => {
                meets(if is_datagram { "a peer refused by a limit" } else { "a connection refused by a limit" });
            }
            Outcome::Dropped(Dropped { reasons: [DropReason::MemberLost], reply }) => match (is_datagram, reply) {
                (true, _) => meets("a datagram for a lost member, dropped"),
                (_, Reply::Nothing) => meets("a segment for a lost member, dropped"),
                _ => {}
            },
            Outcome::Forwarded(Forwarded { events, updates, .. }) => {
                if events.contains(&EngineEvent::SpeakerAnswered) && packet.sip.is_some_and(|sip| !sip.asks()) {
                    meets("an answer for who asked");
                }
                updates.iter().filter_map(named).for_each(meets);
            }
            _ => {}
        }
        let known = self.model.flows.find(Protocol::Tcp, packet.way).filter(|_| packet.protocol() == Protocol::Tcp);
        if known.is_some_and(|(at, _)| self.model.flows.get(at).state == crate::flow::State::Drained) {
            *self.met.entry("a segment of a drained connection").or_default() += 1;
        }
    }
}

fn named(update: &Update) -> Option<&'static str> {
    match update {
        Update::CallTaken(..) => Some("a message of a call"),
        Update::Source(..) => Some("something begun where several are active"),
        Update::Counts(..) => Some("something begun that counts"),
        Update::Taken(_, _, _, crate::keeper::Came::Moved) => Some("a peer that continues with another member"),
        _ => None,
    }
}
