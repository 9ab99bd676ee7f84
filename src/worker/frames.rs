//! One datagram in a worker's hands.
//!
//! Owns [`Frames`]: what waits for a next hop, or travels to another worker, is one frame, or all the frames of a datagram
//! that came in fragments.

use crate::io::Frame;
use crate::wire::{Malformed, Packet, fragment};

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
}

impl<F> Frames<F> {
    /// How many frames it is.
    pub(super) fn count(&self) -> usize {
        match self {
            Frames::One(_) => 1,
            Frames::Fragments(fragments) => fragments.len(),
        }
    }
}
