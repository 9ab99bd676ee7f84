//! One datagram in a worker's hands.
//!
//! Owns [`Frames`] and [`Received`]: what is decided about, waits, or travels to another worker is one frame, or all the frames of
//! a datagram that came in fragments.

use crate::io::Frame;
use crate::policy::intent::PortId;
use crate::time::Instant;
use crate::wire::{Malformed, Packet, fragment, udp};
use std::borrow::Cow;

/// What a datagram of UDP says, or as much of that as is in this frame, its first.
pub(super) fn said<'a, F: Frame>(first: &'a F, packet: &Packet) -> &'a [u8] {
    let (bytes, payload) = (first.bytes(), usize::from(packet.l4) + udp::HEADER);
    let end = bytes.len().min(usize::from(packet.end));
    bytes.get(payload..end).unwrap_or_default()
}

/// A datagram, where it came in, and when.
pub struct Received<F> {
    /// Its frames.
    pub frames: Frames<F>,
    /// The NIC it came in on.
    pub port: PortId,
    /// When the turn began that received it; of a datagram in fragments, the turn in which it was whole.
    pub at: Instant,
}

/// The frames of one datagram.
pub enum Frames<F> {
    /// It came whole.
    One(F),
    /// All its fragments, in the order of their offsets; never none.
    Fragments(Vec<F>),
}

impl<F: Frame> Frames<F> {
    /// The facts of the datagram.
    pub(super) fn headers(&self) -> Result<Packet, Malformed> {
        match self {
            Frames::One(frame) => Packet::parse(frame.bytes()),
            Frames::Fragments(fragments) => fragment::whole(fragments.iter().map(Frame::bytes)),
        }
    }

    /// The datagram in one frame; `None` when it is too long for that.
    pub(super) fn joined(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Frames::One(frame) => Some(Cow::Borrowed(frame.bytes())),
            Frames::Fragments(fragments) => {
                let bytes: Vec<&[u8]> = fragments.iter().map(Frame::bytes).collect();
                fragment::join(&bytes).map(Cow::Owned)
            }
        }
    }
}

impl<F> Frames<F> {
    /// How many frames it is.
    pub(super) fn count(&self) -> usize {
        match self {
            Frames::One(_) => 1,
            Frames::Fragments(fragments) => fragments.len(),
        }
    }

    /// All of them, in order.
    pub(super) fn all(&self) -> &[F] {
        match self {
            Frames::One(frame) => std::slice::from_ref(frame),
            Frames::Fragments(fragments) => fragments,
        }
    }

    /// The frame with the transport header.
    pub(super) fn first(&self) -> &F {
        match self {
            Frames::One(frame) => frame,
            Frames::Fragments(fragments) => &fragments[0],
        }
    }
}
