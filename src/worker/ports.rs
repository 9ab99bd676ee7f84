//! How a frame leaves.
//!
//! Owns [`Ports`]: this worker's queue pair of each NIC port, the last change to a frame's bytes, the queues that are filled
//! during the turn and emptied at its end, and the counters.

use super::counters::Counters;
use super::tap::Side;
use super::taps::Taps;
use crate::engine::{DropReason, Egress, Forward};
use crate::io::{BURST, Frame, Port};
use crate::policy::Snapshot;
use crate::policy::intent::PortId;
use crate::wire::fragment::Split;
use crate::wire::{Packet, Rewrite, VlanId, ethernet, ipv4};

/// The ports, the frames to be sent by each, and the worker's counters.
pub(super) struct Ports<P: Port> {
    ports: Vec<P>,
    pub(super) queues: Vec<Vec<P::Frame>>,
    pub counters: Counters,
    /// The captures that look at what passes.
    pub taps: Taps,
}

impl<P: Port> Ports<P> {
    pub(super) fn new(ports: Vec<P>) -> Ports<P> {
        let queues = ports.iter().map(|_| Vec::with_capacity(4 * BURST)).collect();
        let taps = Taps::new(ports.len());
        Ports { ports, queues, counters: Counters::default(), taps }
    }

    /// All of them, in the order of the configuration.
    pub(super) fn ids(&self) -> impl Iterator<Item = PortId> + use<P> {
        (0..self.ports.len()).map(|port| PortId(port as u8))
    }

    /// Receives up to a burst of frames.
    #[inline]
    pub(super) fn receive(&mut self, port: PortId, into: &mut Vec<P::Frame>) -> usize {
        self.ports[usize::from(port.0)].receive(into)
    }

    /// An empty frame of this length; `None` when the port has no buffer left.
    pub(super) fn allocate(&mut self, port: PortId, length: usize) -> Option<P::Frame> {
        self.ports.get_mut(usize::from(port.0))?.allocate(length)
    }

    /// Queues a frame that is ready.
    #[inline]
    pub(super) fn queue(&mut self, port: PortId, frame: P::Frame) {
        self.queues[usize::from(port.0)].push(frame);
    }

    /// Changes the frame as data says, lowers its TTL, writes its link header, and queues it; or counts that it has no headroom.
    #[inline(always)]
    pub(super) fn depart(&mut self, mut frame: P::Frame, packet: &Packet, rewrite: &Rewrite, egress: &Egress) {
        rewrite.pass_on(frame.bytes_mut(), packet);
        match link(&mut frame, packet.l3.into(), packet.end.into(), egress) {
            true => self.queue(egress.port, frame),
            false => self.counters.dropped(DropReason::NoBuffer),
        }
    }

    /// The frame leaves as its verdict says; in fragments if it is larger than the MTU.
    pub(super) fn forward(&mut self, mut frame: P::Frame, packet: &Packet, forward: &Forward, snapshot: &Snapshot) {
        let egress = snapshot.egress(forward.egress);
        if packet.size > egress.mtu {
            forward.rewrite.pass_on(frame.bytes_mut(), packet);
            return self.link_and_queue(frame, packet, egress);
        }
        self.depart(frame, packet, &forward.rewrite, egress);
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
        self.queue(egress.port, frame);
    }

    /// A frame that is ready but larger than the MTU leaves in fragments, in order (RFC 4787 REQ-13a): all of them, or none.
    pub(super) fn forward_cut(&mut self, frame: &P::Frame, egress: &Egress) {
        let mut split = Split::new(frame.bytes(), egress.link.length(), egress.mtu);
        let mut fragments = Vec::new();
        while let Some(cut) = split.next() {
            let Some(mut fragment) = self.allocate(egress.port, split.frame_length(&cut)) else {
                return self.counters.dropped(DropReason::NoBuffer);
            };
            split.write(&cut, fragment.bytes_mut());
            fragments.push(fragment);
        }
        if fragments.is_empty() {
            return self.counters.dropped(DropReason::TooBig);
        }
        self.counters.originated += fragments.len() as u64 - 1;
        fragments.into_iter().for_each(|fragment| self.queue(egress.port, fragment));
    }

    /// A frame made by management, or here, from nothing.
    pub(super) fn originate(&mut self, port: PortId, bytes: &[u8]) {
        if usize::from(port.0) >= self.ports.len() {
            return;
        }
        self.counters.originated += 1;
        match self.allocate(port, bytes.len()) {
            Some(mut frame) => {
                frame.bytes_mut().copy_from_slice(bytes);
                if self.taps.is_on() {
                    self.taps.originated(&frame, port);
                }
                self.queue(port, frame);
            }
            None => self.counters.dropped(DropReason::NoBuffer),
        }
    }

    /// A frame of the kernel's, which has no tag, leaves with that of its interface and otherwise as it is.
    pub(super) fn originate_tagged(&mut self, port: PortId, vlan: Option<VlanId>, bytes: &[u8]) {
        self.counters.originated += 1;
        let length = bytes.len() + ethernet::header_length(vlan) - ethernet::HEADER;
        let (macs, rest) = bytes.split_at(ethernet::MACS.min(bytes.len()));
        let Some(mut frame) = self.allocate(port, length.max(ethernet::SHORTEST)) else {
            return self.counters.dropped(DropReason::NoBuffer);
        };
        let out = frame.bytes_mut();
        out[length..].fill(0);
        out[..macs.len()].copy_from_slice(macs);
        out[length - rest.len()..length].copy_from_slice(rest);
        if let Some(vlan) = vlan {
            ethernet::write_tag(out, vlan);
        }
        if self.taps.is_on() {
            self.taps.originated(&frame, port);
        }
        self.queue(port, frame);
    }

    /// A frame that has waited is dropped, while another one is decided about or none is.
    pub(super) fn lost_waiting(&mut self, frame: &P::Frame, port: PortId, reason: DropReason) {
        self.counters.dropped(reason);
        if self.taps.is_on() {
            self.taps.lost_waiting(frame, port, reason);
        }
    }

    /// Everything queued goes to the NICs. What a full queue does not take is dropped and counted: a worker that waits
    /// for one NIC would stop serving all.
    #[inline]
    pub(super) fn send_all(&mut self) {
        for (at, (port, queue)) in self.ports.iter_mut().zip(&mut self.queues).enumerate() {
            while !queue.is_empty() {
                let bytes = |frames: &[P::Frame]| frames.iter().map(|f| f.bytes().len() as u64).sum::<u64>();
                let before = bytes(queue);
                let sent = port.transmit(queue);
                self.counters.transmitted += sent as u64;
                self.counters.transmitted_bytes += before - bytes(queue);
                if sent == 0 {
                    let (here, reason) = (PortId(at as u8), DropReason::TransmitFull);
                    if self.taps.is_on() {
                        queue.iter().for_each(|frame| self.taps.lost_on_its_way(frame, here, Side::After, reason));
                    }
                    queue.drain(..).for_each(|_| self.counters.dropped(reason));
                }
            }
        }
    }
}

/// Gives the frame, whose datagram stands from `l3` to `end`, the link header it leaves with. `false`: no headroom.
#[inline(always)]
fn link<F: Frame>(frame: &mut F, l3: usize, end: usize, egress: &Egress) -> bool {
    let fits = trim_end(frame, end) && (usize::from(egress.straight) == l3 || fit(frame, l3, egress));
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

/// Gives the packet the code point that it leaves with, if there is one; makes room for a tag the frame did not have, or takes away one
/// it must not have. `false`: no headroom.
#[inline(never)]
fn fit<F: Frame>(frame: &mut F, had: usize, egress: &Egress) -> bool {
    if let Some(dscp) = egress.dscp() {
        ipv4::set_dscp(frame.bytes_mut().get_mut(had..).unwrap_or_default(), dscp.value());
    }
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
