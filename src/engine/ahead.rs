//! What is asked about a packet before it is decided about.
//!
//! Owns the looking ahead: a burst is walked in passes, and what a later pass needs from far away in memory is asked for in
//! an earlier one, so that the waits of a burst overlap. Changes nothing, and nothing is wrong when it is left out.

use super::Engine;
use crate::flow::key::Key;
use crate::flow::{Guess, Tag};
use crate::policy::snapshot::{Ends, Owner};
use crate::wire::{Headers, Protocol, Usual};

/// What was found out about a packet ahead of the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// Whose its addresses are.
    pub ends: Ends,
    /// What its flow is looked up by, if a flow will be asked for.
    pub tag: Option<Tag>,
    /// Where its flow very probably is, once it was reached for.
    pub guess: Option<Guess>,
}

impl Ahead {
    /// Nothing was found out.
    pub const NOTHING: Ahead = Ahead { ends: Ends { from: None, to: None, broadcast: false }, tag: None, guess: None };
}

impl Engine {
    /// Whose packet it is, for [`super::steer`] and for [`Engine::decide`].
    #[inline]
    pub fn look_ahead(&self, packet: &Headers) -> Ahead {
        let ends = self.world.ends(packet.src, packet.dst);
        Ahead { ends, tag: self.tag(packet, &ends), guess: None }
    }

    /// As [`Engine::look_ahead`], of a usual packet.
    #[inline]
    pub fn look_ahead_usual(&self, packet: &Usual) -> Ahead {
        let ends = self.world.ends(packet.src(), packet.dst());
        let asks = self.asks_for_flow(&ends, packet.protocol, packet.src_port(), packet.dst_port());
        let key = || Key::of_words(packet.addresses, packet.ports, packet.protocol);
        Ahead { ends, tag: asks.then(|| self.state.flows.tag_of(&key())), guess: None }
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
    pub fn reach_for_flow(&self, ahead: &mut Ahead) {
        if let Some(tag) = ahead.tag {
            ahead.guess = self.state.flows.reach_for_flow(tag);
        }
    }

    /// `None` where no flow will be asked for.
    #[inline]
    fn tag(&self, packet: &Headers, ends: &Ends) -> Option<Tag> {
        let tuple = packet.tuple()?;
        self.asks_for_flow(ends, tuple.protocol, tuple.src.port, tuple.dst.port).then(|| self.state.flows.tag(&tuple))
    }

    /// A flow will be asked for, as far as that can be told at once: not for a datagram of a service port, nor for transit. A
    /// port that serves at another virtual address counts as one here: such datagrams go the long way, unhurried.
    #[inline]
    fn asks_for_flow(&self, ends: &Ends, protocol: Protocol, src_port: u16, dst_port: u16) -> bool {
        let serves = |port| protocol == Protocol::Udp && self.world.serves_datagrams(port);
        match (ends.from, ends.to) {
            (None, None) => false,
            (None, Some(Owner::Virtual(_))) => !serves(dst_port),
            (Some(Owner::Member(_)), None) => !serves(src_port),
            _ => true,
        }
    }
}
