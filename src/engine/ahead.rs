//! What is asked about a packet before it is decided about.
//!
//! Owns the looking ahead: a burst is walked in passes, and what a later pass needs from far away in memory is asked for in
//! an earlier one, so that the waits of a burst overlap. Changes nothing, and nothing is wrong when it is left out.

use super::Engine;
use crate::flow::Tag;
use crate::policy::snapshot::{Ends, Owner};
use crate::wire::{Headers, Kind};

/// What was found out about a packet ahead of the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// Whose its addresses are.
    pub ends: Ends,
    /// What its flow is looked up by, if a flow will be asked for.
    pub tag: Option<Tag>,
}

impl Ahead {
    /// Nothing was found out.
    pub const NOTHING: Ahead = Ahead { ends: Ends { from: None, to: None, broadcast: false }, tag: None };
}

impl Engine {
    /// Whose packet it is, for [`super::steer`] and for [`Engine::decide`].
    #[inline]
    pub fn look_ahead(&self, packet: &Headers) -> Ahead {
        let ends = self.world.ends(packet.src, packet.dst);
        Ahead { ends, tag: self.tag(packet, &ends) }
    }

    /// Brings the index cell of the packet's flow near.
    #[inline]
    pub fn reach_for_index(&self, ahead: &Ahead) {
        if let Some(tag) = ahead.tag {
            self.state.flows.reach_for_index(tag);
        }
    }

    /// Brings the packet's flow near, once its index cell is.
    #[inline]
    pub fn reach_for_flow(&self, ahead: &Ahead) {
        if let Some(tag) = ahead.tag {
            self.state.flows.reach_for_flow(tag);
        }
    }

    /// `None` where no flow is asked for: a datagram of a service port, above all.
    #[inline]
    fn tag(&self, packet: &Headers, ends: &Ends) -> Option<Tag> {
        let served = match (packet.kind, ends.from, ends.to) {
            (_, None, None) | (_, _, Some(Owner::Appliance(_))) => true,
            (Kind::Udp { dst_port, .. }, None, Some(Owner::Virtual(_))) => self.world.serves_datagrams(dst_port),
            (Kind::Udp { src_port, .. }, Some(Owner::Member(_)), None) => self.world.serves_datagrams(src_port),
            _ => false,
        };
        if served { None } else { packet.tuple().map(|tuple| self.state.flows.tag(&tuple)) }
    }
}
