//! Which flow a packet is of, for whoever watches.
//!
//! Owns that question and nothing else: it is asked of what was decided about, and no decision asks it.

use super::flow_book::is_live;
use super::state::Engine;
use crate::flow::FlowName;
use crate::policy::snapshot::DatagramPort;
use crate::wire::{Kind, Packet, Tuple};

impl Engine {
    /// The name of the flow that a packet is of, as it came or as it left; of an ICMP error, that of the packet it quotes. `None`: it has
    /// none, as a datagram of a service port of a pair.
    pub fn flow_name(&self, came: Option<&Packet>, left: Option<&Packet>) -> Option<FlowName> {
        if came.is_some_and(|packet| self.is_of_service_port(packet)) {
            return None;
        }
        // What leaves would be answered by a packet of the other side.
        let keys = [came.and_then(key), left.and_then(key).map(|key| key.reversed())];
        keys.into_iter().flatten().find_map(|key| {
            let (id, _) = self.state.flows.find(&key)?;
            let flow = self.state.flows.at(id)?;
            is_live(&self.snapshot, flow).then(|| self.state.flows.name(id))?
        })
    }

    /// A datagram between somebody outside and a service port of a pair: whatever flow has its ends is of something else.
    fn is_of_service_port(&self, packet: &Packet) -> bool {
        let port = if matches!(packet.kind, Kind::Udp) { self.snapshot.datagram_port(packet) } else { None };
        match port {
            Some(DatagramPort::In(_)) => self.is_outside(packet.src()),
            Some(DatagramPort::Out(_)) => self.is_outside(packet.dst()),
            None => false,
        }
    }
}

/// The tuple that its flow has for packets of the same side.
fn key(packet: &Packet) -> Option<Tuple> {
    match packet.kind {
        Kind::IcmpError(quoted) => Some(quoted.tuple.reversed()),
        _ => packet.tuple().or_else(|| packet.fragment_tuple()).or_else(|| packet.portless_tuple()),
    }
}
