//! Datagrams in pieces, as a row sends and expects them.
//!
//! Owns what the rows about fragments share. Read first: [`LabOn`].

use crate::lab::*;
use crate::rig::*;
use fairlead::engine::EngineEvent;
use fairlead::policy::intent::PortId;
use fairlead::wire::build::Build;

/// What an Ethernet of 1,500 bytes leaves for a piece's payload.
pub const PIECE: usize = 1480;

pub type Out = Vec<(PortId, Vec<u8>)>;

pub fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 256) as u8).collect()
}

impl<S: Setting> LabOn<S> {
    /// `build` in pieces, as `from` sends them.
    pub fn pieces(&self, from: Far, build: &Build, size: usize) -> Vec<Vec<u8>> {
        self.dress(from, build).fragments(size)
    }

    /// Sends frames one after another, at the same time; what came out, and what was counted.
    pub fn send_all(&mut self, from: Far, frames: &[Vec<u8>]) -> (Out, Moved) {
        let before = self.rig.counters();
        let port = self.port(from);
        frames.iter().for_each(|frame| self.rig.ports.inject(port, frame));
        let out = self.rig.settle();
        (out, Moved::between(&before, &self.rig.counters()))
    }

    /// `out` is `expected` in pieces of `size`, for `to`, in order.
    #[track_caller]
    pub fn expect_pieces(&self, out: &Out, to: Far, expected: Build, size: usize) {
        let first = &out.first().unwrap_or_else(|| panic!("nothing came out: {:?}", self.rig.counted())).1;
        let expected = self.undress(to, &self.identified_pieces(expected, first)).fragments(size);
        assert_eq!(out.len(), expected.len(), "{:?}", self.rig.counted());
        for ((port, got), expected) in out.iter().zip(&expected) {
            assert_eq!(*port, self.port(to), "the wrong port");
            assert_same(got, expected);
        }
    }

    /// As [`LabOn::forwards`], in pieces both times.
    #[track_caller]
    pub fn forwards_pieces(&mut self, from: Far, sent: &Build, to: Far, expected: Build) {
        let pieces = self.pieces(from, sent, PIECE);
        let (out, moved) = self.send_all(from, &pieces);
        let count = pieces.len() as u64;
        let counted =
            Moved { received: count, transmitted: count, events: vec![EngineEvent::Reassembled], ..Moved::default() };
        assert_eq!(moved, counted);
        self.expect_pieces(&out, to, expected.ttl(63), PIECE);
        assert_eq!(self.rig.counters().held, 0);
    }
}

/// A client's datagram with so many bytes of payload.
pub fn request(dst: &str, length: usize) -> Build {
    Build::udp(at(PHONE, 5060), at(dst, 5060)).id(0x1234).dscp(24).payload(&text(length))
}

/// A member's, from the service port.
pub fn answer(src: &str, length: usize) -> Build {
    Build::udp(at(src, 5060), at(PHONE, 5060)).id(0x4321).dscp(24).payload(&text(length))
}
