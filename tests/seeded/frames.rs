//! Frames on their way in and out: by which router, in which pieces, and what is read in them.

use crate::packet::{Packet, What};
use crate::run::Run;
use crate::send::Out;
use fairlead::wire::build::{Build, mend_ip};
use std::net::Ipv4Addr;
use testbench::lab::*;

impl Run {
    /// The largest datagram that goes there.
    pub fn mtu(&self, to: Far) -> usize {
        if to == ROUTER && self.lab.layout != Layout::OneArm { 1500 } else { usize::from(self.model.plan.servers_mtu) }
    }

    /// A frame in pieces that fit, as simply as it can be written.
    pub fn cut(&self, to: Far, frame: Vec<u8>) -> Vec<Vec<u8>> {
        let (l3, length, mtu) = (l3(&frame), total_length(&frame), self.mtu(to));
        if length <= mtu {
            return vec![frame];
        }
        let header = usize::from(frame[l3] & 0x0f) * 4;
        let place = u16::from_be_bytes([frame[l3 + 6], frame[l3 + 7]]);
        let payload = &frame[l3 + header..l3 + length];
        let (size, mut pieces) = ((mtu - header) / 8 * 8, Vec::new());
        for (at, part) in payload.chunks(size).enumerate() {
            let last = (at + 1) * size >= payload.len();
            let mut piece = frame[..l3 + header].to_vec();
            piece.extend_from_slice(part);
            piece[l3 + 2..l3 + 4].copy_from_slice(&((header + part.len()) as u16).to_be_bytes());
            let more = if last { place & 0x2000 } else { 0x2000 };
            let place = place & 0xdfff | more;
            piece[l3 + 6..l3 + 8].copy_from_slice(&(place + (at * size / 8) as u16).to_be_bytes());
            mend_ip(&mut piece, l3);
            piece.resize(piece.len().max(60), 0);
            pieces.push(piece);
        }
        pieces
    }

    pub fn arriving(&self, packet: &Packet) -> Vec<u8> {
        self.by_its_router(packet, self.lab.arriving(packet.from, &packet.build()))
    }

    /// Who lives behind the other router sends by it.
    pub fn by_its_router(&self, packet: &Packet, mut frame: Vec<u8>) -> Vec<u8> {
        if packet.from == ROUTER && self.model.plan.takes_detour(packet.way.src.addr) {
            frame[6..12].copy_from_slice(&self.model.plan.other_router().1);
        }
        frame
    }

    /// What goes to somebody behind the other router goes to that router, `routed` or back to where its cause came from;
    /// from here on all are one router to us.
    pub fn by_either_router(&self, mut out: Out, routed: bool) -> Out {
        let first: [u8; 6] =
            self.lab.leaving(ROUTER, &Build::echo_request("10.0.0.1", "10.0.0.2", 1, 1))[..6].try_into().unwrap();
        for (_, frame) in &mut out {
            let at = l3(frame) + 16;
            let dst = Ipv4Addr::new(frame[at], frame[at + 1], frame[at + 2], frame[at + 3]);
            let other = frame[..6] == self.model.plan.other_router().1;
            if self.model.plan.takes_detour(dst) || other && !routed {
                assert!(other || !routed && frame[..6] == first, "by the other router");
                frame[..6].copy_from_slice(&first);
            }
        }
        out
    }
}

/// The port or identifier with which the first frame left, if it left from this address.
pub fn port_seen(packet: &Packet, from: Ipv4Addr, out: &Out) -> Option<u16> {
    let (_, first) = out.first()?;
    let (address, l4) = (first.get(l3(first) + 12..)?.get(..4)?, first.get(l3(first) + 20..)?);
    let at = if matches!(packet.what, What::EchoRequest) { 4 } else { 0 };
    let port = l4.get(at..at + 2)?.try_into().ok()?;
    (address == from.octets()).then_some(u16::from_be_bytes(port))
}

pub fn l3(frame: &[u8]) -> usize {
    if frame[12..14] == [0x81, 0] { 18 } else { 14 }
}

pub fn total_length(frame: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([frame[l3(frame) + 2], frame[l3(frame) + 3]]))
}
