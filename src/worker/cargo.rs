//! One datagram in a worker's hands.
//!
//! Owns [`Cargo`]: what waits for a next hop, or travels to another worker, is one frame, or all the frames of a datagram
//! that came in pieces.

use crate::io::Frame;
use crate::wire::{Malformed, Packet, fragment};

/// A datagram, by the frames that carry it.
pub enum Cargo<F> {
    /// One frame.
    Frame(F),
    /// All pieces, in the order of their offsets; never none.
    Pieces(Vec<F>),
}

impl<F: Frame> Cargo<F> {
    /// The facts of the datagram.
    pub(super) fn headers(&self) -> Result<Packet, Malformed> {
        match self {
            Cargo::Frame(frame) => Packet::parse(frame.bytes()),
            Cargo::Pieces(pieces) => fragment::whole(pieces.iter().map(Frame::bytes)),
        }
    }
}

impl<F> Cargo<F> {
    /// How many frames it is.
    pub(super) fn frames(&self) -> usize {
        match self {
            Cargo::Frame(_) => 1,
            Cargo::Pieces(pieces) => pieces.len(),
        }
    }
}
