//! Segments: which connection they belong to, and what happens to those that belong to none.

use crate::admission::Begins;
use crate::flow::{Flow, State};
use crate::model::{Choice, Dropped, Forwarded, Model, Reply, Update, answers_visitor, forwarded, translated};
use crate::packet::{Packet, Way, What};
use fairlead::engine::{DropReason, EngineEvent};
use fairlead::wire::{Endpoint, Protocol};
use testbench::lab::ROUTER;
use testbench::plan::{Pair, Who, host, own, pair};

impl Model {
    pub fn segment_outward(&self, packet: &Packet, who: Who, chosen: Choice) -> Result<Forwarded, Dropped> {
        let What::Segment { flags, .. } = packet.what else { panic!("{packet:?} is no segment") };
        let opens = flags.syn() && !flags.ack();
        if let Some(known) = self.known(packet, opens)? {
            return Ok(known);
        }
        let way = packet.way;
        if self.plan.excludes(way.dst.addr) {
            return Ok(if opens { self.begins_plain(packet, ROUTER) } else { forwarded(packet, ROUTER) });
        }
        if opens {
            return Ok(self.begins(packet, who, chosen));
        }
        let source = (Protocol::Tcp, who, way.src.port);
        let service = [5060, 5061].contains(&way.src.port);
        // A member's own, from before a restart: its port is one of those that hosts open from, and was kept.
        let own = way.src.port >= 32_768 && way.dst.port < 32_768 && !flags.syn() && !flags.rst();
        let kept = self.flows.snat_port(source).unwrap_or(way.src.port) == way.src.port;
        if service && flags.rst() {
            // There is nothing to take up.
            let on = packet.on(translated(packet, who, way.src.port).leaves(1));
            return Ok(Forwarded { perhaps: vec![EngineEvent::LoosePickup], ..forwarded(&on, ROUTER) });
        }
        if service || own && kept && self.flows.free(source, way.src.port) {
            // It was a client's, if it is of a service port.
            let serves = service.then_some(pair(who));
            let flow = Flow { serves, ..translated(packet, who, way.src.port) };
            let on = packet.on(flow.leaves(1));
            let updates = vec![Update::PickedUp(flow, 1)];
            return Ok(Forwarded { events: vec![EngineEvent::LoosePickup], updates, ..forwarded(&on, ROUTER) });
        }
        let accepts = flags.syn() && flags.ack();
        if !(accepts || answers_visitor(way) || self.plan.narrowed) {
            let reply = if answers_visitor(way.back()) && !flags.rst() { Reply::Reset } else { Reply::Nothing };
            return Err(Dropped::new(&[DropReason::OutwardNoFlow], reply));
        }
        let unmatched = vec![EngineEvent::UnmatchedFromMember];
        let (events, perhaps) =
            if self.strayed.contains(&way.back()) { (vec![], unmatched) } else { (unmatched, vec![]) };
        let visit = Flow::new(Protocol::Tcp, [way.back(), way], None);
        let updates = if accepts && !answers_visitor(way) { vec![Update::PickedUp(visit, 1)] } else { vec![] };
        Ok(Forwarded { events, perhaps, updates, ..forwarded(packet, ROUTER) })
    }

    /// A segment of a connection that is remembered; `None` when there is none, or a new one takes its place.
    fn known(&self, packet: &Packet, opens: bool) -> Result<Option<Forwarded>, Dropped> {
        let Some((at, side)) = self.flows.find(Protocol::Tcp, packet.way) else { return Ok(None) };
        let flow = self.flows.get(at);
        match flow.state {
            State::Open if opens && flow.begins_again(side, packet) => Ok(None),
            State::Open => Ok(Some(self.along(packet, at, side))),
            _ if opens => Ok(None),
            State::Ended | State::Drained => Ok(Some(self.along(packet, at, side))),
            State::Dropped => Err(Dropped::new(&[DropReason::MemberLost], Reply::Nothing)),
            State::Lost => Err(Dropped::new(&[DropReason::MemberLost], Reply::Reset)),
        }
    }

    pub fn segment_inward(&self, packet: &Packet, pair: Pair, chosen: Choice) -> Result<Forwarded, Dropped> {
        let What::Segment { flags, .. } = packet.what else { panic!("{packet:?} is no segment") };
        let opens = flags.syn() && !flags.ack();
        if let Some(known) = self.known(packet, opens)? {
            return Ok(known);
        }
        let port = packet.way.dst.port;
        if ![5060, 5061].contains(&port) {
            let (reason, reply): (&[_], _) = if opens {
                (&[DropReason::NotListening], Reply::Reset)
            } else {
                (&[DropReason::NoFlow], Reply::Nothing)
            };
            return Err(Dropped::new(reason, reply));
        }
        let begins = if opens { Begins::New } else { Begins::Resumes };
        let (who, given) = self.admits(packet, pair, begins, Reply::Reset, chosen).map_err(|dropped| {
            // If an older connection on the same way was lost, either reason is true.
            let nobody = dropped.reasons == [DropReason::NoActiveMember];
            if nobody {
                Dropped::new(&[DropReason::NoActiveMember, DropReason::MemberLost], Reply::Reset)
            } else {
                dropped
            }
        })?;
        if flags.rst() {
            // There is nothing to take up.
            let way = Way::new(packet.way.src, Endpoint::new(own(who), port));
            return Ok(Forwarded { perhaps: vec![EngineEvent::LoosePickup], ..forwarded(&packet.on(way), host(who)) });
        }
        let to = Endpoint::new(own(who), port);
        let flow = Flow::new(Protocol::Tcp, [packet.way, Way::new(to, packet.way.src)], Some(who));
        let flow = Flow { serves: Some(pair), ..flow };
        let on = packet.on(flow.leaves(0));
        let (events, update) = match opens {
            true => (vec![], Update::Begins(flow, 0)),
            false => (vec![EngineEvent::LoosePickup], Update::PickedUp(flow, 0)),
        };
        let updates = std::iter::once(update).chain(given).collect();
        Ok(Forwarded { events, updates, ..forwarded(&on, host(who)) })
    }
}
