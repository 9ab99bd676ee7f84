//! How a frame leaves.
//!
//! Owns the last change to a frame's bytes and the queues to the NICs, filled during the turn and emptied at its end.

use super::Worker;
use super::counters::Counters;
use crate::engine::{DropReason, Egress, Forward, ResetOrder};
use crate::io::{BURST, Frame, Port};
use crate::policy::intent::PortId;
use crate::time::Instant;
use crate::wire::fragment::Split;
use crate::wire::{Kind, Packet, Rewrite, compose, ethernet};

/// Frames to be sent, by port.
pub(super) struct Outgoing<F> {
    queues: Vec<Vec<F>>,
}

impl<F> Outgoing<F> {
    pub(super) fn new(ports: usize) -> Outgoing<F> {
        Outgoing { queues: (0..ports).map(|_| Vec::with_capacity(4 * BURST)).collect() }
    }

    pub(super) fn push(&mut self, port: PortId, frame: F) {
        self.queues[port.index()].push(frame);
    }
}

impl<F: Frame> Outgoing<F> {
    /// Changes the frame as data says, lowers its TTL, writes its link header, and queues it; or counts that it has no headroom.
    #[inline(always)]
    pub(super) fn depart(
        &mut self,
        mut frame: F,
        packet: &Packet,
        rewrite: &Rewrite,
        egress: &Egress,
        counters: &mut Counters,
    ) {
        rewrite.pass_on(frame.bytes_mut(), packet);
        match link(&mut frame, packet.l3.into(), packet.end.into(), egress) {
            true => self.push(egress.port, frame),
            false => counters.dropped(DropReason::NoBuffer),
        }
    }
}

impl<P: Port> Worker<P> {
    /// The frame leaves as its verdict says; in pieces if it is too large for its way.
    pub(super) fn forward(&mut self, mut frame: P::Frame, packet: &Packet, forward: &Forward) {
        let Worker { engine, outgoing, counters, .. } = self;
        let egress = engine.snapshot().egress(forward.egress);
        if packet.size > egress.mtu {
            let egress = *egress;
            forward.rewrite.pass_on(frame.bytes_mut(), packet);
            return self.link_and_queue(frame, packet, &egress);
        }
        outgoing.depart(frame, packet, &forward.rewrite, egress, counters);
    }

    /// As [`Worker::forward`], of an ICMP error whose quoted packet changes as well.
    pub(super) fn forward_error(&mut self, mut frame: P::Frame, packet: &Packet, outer: &Forward, quoted: &Rewrite) {
        if let Kind::IcmpError(error) = packet.kind {
            quoted.apply_to_quoted(frame.bytes_mut(), packet, &error);
        }
        self.forward(frame, packet, outer);
    }

    /// Writes the link header of a frame that is changed and ready, and queues it.
    #[cold]
    pub(super) fn link_and_queue(&mut self, mut frame: P::Frame, headers: &Packet, egress: &Egress) {
        if !link(&mut frame, headers.l3.into(), headers.end.into(), egress) {
            return self.counters.dropped(DropReason::NoBuffer);
        }
        if headers.size > egress.mtu {
            return self.forward_cut(&frame, egress);
        }
        self.outgoing.push(egress.port, frame);
    }

    /// A frame that is ready but too large for its way leaves in pieces, in order (RFC 4787 REQ-13a): all of them, or none.
    fn forward_cut(&mut self, frame: &P::Frame, egress: &Egress) {
        let mut split = Split::new(frame.bytes(), egress.link.length(), egress.mtu);
        let mut pieces = Vec::new();
        while let Some(cut) = split.next() {
            let Some(mut piece) = self.ports[egress.port.index()].allocate(split.frame_length(&cut)) else {
                return self.counters.dropped(DropReason::NoBuffer);
            };
            split.write(&cut, piece.bytes_mut());
            pieces.push(piece);
        }
        if pieces.is_empty() {
            return self.counters.dropped(DropReason::TooBig);
        }
        self.counters.originated += pieces.len() as u64 - 1;
        pieces.into_iter().for_each(|piece| self.outgoing.push(egress.port, piece));
    }

    /// A frame made by management, or here, from nothing.
    pub(super) fn originate(&mut self, port: PortId, bytes: &[u8]) {
        let Some(queue) = self.ports.get_mut(port.index()) else { return };
        self.counters.originated += 1;
        match queue.allocate(bytes.len()) {
            Some(mut frame) => {
                frame.bytes_mut().copy_from_slice(bytes);
                self.outgoing.push(port, frame);
            }
            None => self.counters.dropped(DropReason::NoBuffer),
        }
    }

    /// Resets that are due because a member was lost.
    pub(super) fn order_resets(&mut self, now: Instant) {
        let mut orders = std::mem::take(&mut self.orders);
        self.engine.next_resets(now, super::CHORES, &mut orders);
        for ResetOrder { tuple, seq, ack, egress } in orders.drain(..) {
            let frame = compose::tcp_reset(&egress.link.link(), &tuple, seq, ack);
            self.originate(egress.port, &frame);
        }
        self.orders = orders;
    }

    /// Everything queued goes to the NICs. What a full queue does not take is dropped and counted: a worker that waits
    /// for one NIC would stop serving all.
    pub(super) fn send_all(&mut self) {
        for (port, queue) in self.ports.iter_mut().zip(&mut self.outgoing.queues) {
            while !queue.is_empty() {
                let bytes = |frames: &[P::Frame]| frames.iter().map(|f| f.bytes().len() as u64).sum::<u64>();
                let before = bytes(queue);
                let sent = port.transmit(queue);
                self.counters.transmitted += sent as u64;
                self.counters.transmitted_bytes += before - bytes(queue);
                if sent == 0 {
                    queue.drain(..).for_each(|_| self.counters.dropped(DropReason::TransmitFull));
                }
            }
        }
    }
}

/// Gives the frame, whose datagram stands from `l3` to `end`, the link header it leaves with. `false`: no headroom.
#[inline(always)]
fn link<F: Frame>(frame: &mut F, l3: usize, end: usize, egress: &Egress) -> bool {
    let fits = trim_end(frame, end) && fit_link_header(frame, l3, egress);
    if fits {
        egress.link.write(frame.bytes_mut(), l3);
    }
    fits
}

/// Takes off what stands behind the datagram and is not padding: it was not measured against the egress MTU.
#[inline]
fn trim_end<F: Frame>(frame: &mut F, end: usize) -> bool {
    let length = end.max(ethernet::SHORTEST);
    frame.bytes().len() <= length || frame.set_len(length)
}

/// Makes room for a tag the frame did not have, or takes away one it shall not have. `false`: no headroom.
#[inline]
fn fit_link_header<F: Frame>(frame: &mut F, had: usize, egress: &Egress) -> bool {
    let needs = egress.link.length();
    match needs.cmp(&had) {
        std::cmp::Ordering::Greater => frame.extend_front(needs - had),
        std::cmp::Ordering::Less => {
            frame.trim_front(had - needs);
            pad(frame)
        }
        std::cmp::Ordering::Equal => true,
    }
}

/// A frame that lost its tag may be too short for the link (IEEE 802.3 3.2.7): zeros are added behind the datagram.
fn pad<F: Frame>(frame: &mut F) -> bool {
    let length = frame.bytes().len();
    if length >= ethernet::SHORTEST {
        return true;
    }
    let padded = frame.set_len(ethernet::SHORTEST);
    if padded {
        frame.bytes_mut()[length..].fill(0);
    }
    padded
}
