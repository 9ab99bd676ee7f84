//! What is asked about a packet before it is decided about.
//!
//! Owns the looking ahead: a burst is walked in passes, and what a later pass needs from far away in memory is asked for in
//! an earlier one, so that the waits of a burst overlap. Changes nothing, and nothing is wrong when it is left out.

use super::Engine;
use crate::flow::Tag;
use crate::policy::snapshot::Ends;
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

    /// `None` where no flow will be asked for, as far as that can be told at once: a datagram of a service port, above all.
    #[inline]
    fn tag(&self, packet: &Headers, ends: &Ends) -> Option<Tag> {
        let asks = match packet.kind {
            Kind::Udp { src_port, dst_port } => {
                !self.world.serves_datagrams(dst_port) && !self.world.serves_datagrams(src_port)
            }
            _ => true,
        };
        // Transit meets no flow.
        match packet.tuple() {
            Some(tuple) if asks && (ends.from.is_some() || ends.to.is_some()) => Some(self.state.flows.tag(&tuple)),
            _ => None,
        }
    }
}
