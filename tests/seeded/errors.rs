//! ICMP errors about what is translated: the outer header and the quoted one change together (RFC 5508 REQ-4, REQ-5,
//! REQ-7).

use crate::model::{Dropped, Forwarded, Model, Reply, forwarded};
use crate::packet::{Packet, Way};
use fairlead::engine::DropReason;
use fairlead::wire::{Endpoint, Protocol};
use testbench::lab::ROUTER;
use testbench::plan::{Pair, Who, host, own, pair, vip};

impl Model {
    /// A member sends an error about what it received.
    pub fn error_outward(&self, packet: &Packet, who: Who) -> Forwarded {
        let quoted = packet.quoted().expect("an error quotes");
        let error_about = |about: Way| {
            let way = Way::new(Endpoint::new(vip(pair(who)), 0), packet.way.dst);
            forwarded(&packet.on(way).quoting(about), ROUTER)
        };
        match self.flows.find(packet.protocol(), quoted.back()) {
            Some((at, side)) if self.flows.get(at).member.is_some() => {
                error_about(self.flows.get(at).leaves(side).back())
            }
            Some(_) => forwarded(packet, ROUTER),
            None if self.plan.excludes(quoted.src.addr) && !self.called.contains(&(pair(who), quoted.src)) => {
                forwarded(packet, ROUTER)
            }
            None => {
                assert_eq!((packet.protocol(), quoted.dst.port), (Protocol::Udp, 5060), "{packet:?} is about nothing");
                error_about(Way::new(quoted.src, Endpoint::new(vip(pair(who)), 5060)))
            }
        }
    }

    /// An error arrives at a virtual address.
    pub fn error_inward(&self, packet: &Packet, pair: Pair) -> Result<Forwarded, Dropped> {
        let quoted = packet.quoted().expect("an error quotes");
        let error_to = |who: Who, about: Way| {
            let way = Way::new(packet.way.src, Endpoint::new(own(who), 0));
            forwarded(&packet.on(way).quoting(about), host(who))
        };
        let nothing = Err(Dropped::new(&[DropReason::NoFlowForError], Reply::Nothing));
        if let Some((at, side)) = self.flows.find(packet.protocol(), quoted.back()) {
            let about = self.flows.get(at).leaves(side).back();
            return self.plan.who_is(about.src.addr).map_or(nothing, |who| Ok(error_to(who, about)));
        }
        if (packet.protocol(), quoted.src.port) != (Protocol::Udp, 5060) {
            return nothing;
        }
        let Some((who, _)) = self.spoke_last(pair, quoted.dst) else {
            let none = &[DropReason::NoFlowForError, DropReason::NoActiveMember];
            return Err(Dropped::new(none, Reply::Nothing));
        };
        Ok(error_to(who, Way::new(Endpoint::new(own(who), 5060), quoted.dst)))
    }
}
