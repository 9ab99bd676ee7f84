//! A datagram in pieces, and its verdict.
//!
//! Owns the way of a piece until its datagram is whole, and of the whole from there on: it is decided about once, by the
//! worker that owns its flow, and every piece then goes the same way. So ports are known whatever piece comes first,
//! pieces that contradict each other reach nobody, and a switchover cannot part them. Each arm ends every frame exactly
//! once in the counters.

use super::Worker;
use super::execute::reason;
use super::frames::Frames;
use crate::engine::{DropReason, Egress, EngineEvent, Forward, PuntReason, Verdict};
use crate::io::{Frame, Port};
use crate::policy::intent::PortId;
use crate::time::Instant;
use crate::wire::facts::{Fragment, Link};
use crate::wire::reply::Reply;
use crate::wire::{Kind, Packet, fragment};

impl<P: Port> Worker<P> {
    /// A piece waits for the rest of its datagram; with the last one the datagram is decided about.
    pub(super) fn reassemble(&mut self, frame: P::Frame, headers: &Packet, port: PortId, now: Instant) {
        let Kind::Fragment(piece) = headers.kind else { return self.counters.dropped(DropReason::BadFragment) };
        let counters = &mut self.counters;
        let reassembled =
            self.held.reassembly.arrive(frame, (headers, piece), port, now, |reason| counters.dropped(reason));
        if let Some((pieces, port)) = reassembled {
            self.accept_whole(pieces, port, now);
        }
    }

    /// A datagram is whole: now its ports are known, and with them the worker that decides.
    fn accept_whole(&mut self, pieces: Vec<P::Frame>, port: PortId, now: Instant) {
        let whole = match fragment::whole(pieces.iter().map(Frame::bytes)) {
            Ok(whole) => whole,
            Err(malformed) => return self.counters.dropped_all(pieces.len(), reason(malformed)),
        };
        self.engine.count_event(EngineEvent::Reassembled);
        let path = self.engine.classify(&whole, port).path;
        match self.steering.worker(&whole, path, self.engine.snapshot()) {
            Some(worker) if worker != usize::from(self.id.0) => self.hand_over(worker, Frames::Fragments(pieces), port),
            _ => self.process_whole(pieces, &whole, port, now),
        }
    }

    /// A whole datagram that another worker has put together and found to be ours.
    pub(super) fn take_over_whole(&mut self, pieces: Vec<P::Frame>, port: PortId, now: Instant) {
        match fragment::whole(pieces.iter().map(Frame::bytes)) {
            Ok(whole) => self.process_whole(pieces, &whole, port, now),
            Err(malformed) => self.counters.dropped_all(pieces.len(), reason(malformed)),
        }
    }

    /// A whole datagram that is ours to decide about.
    pub(super) fn process_whole(&mut self, pieces: Vec<P::Frame>, whole: &Packet, port: PortId, now: Instant) {
        match self.engine.decide(whole, self.engine.classify(whole, port), now) {
            Verdict::Hold(hop) => self.hold(hop, Frames::Fragments(pieces), port, now),
            verdict => self.execute_whole(pieces, whole, port, verdict),
        }
    }

    /// Does what the verdict says, to every piece.
    pub(super) fn execute_whole(&mut self, pieces: Vec<P::Frame>, whole: &Packet, port: PortId, verdict: Verdict) {
        match verdict {
            Verdict::Forward(forward) => self.forward_pieces(pieces, whole, &forward),
            Verdict::Answer(Reply::Echo) => self.answer_pieces(pieces, port),
            Verdict::Reject { with, reason } => {
                self.counters.dropped_all(pieces.len() - 1, reason);
                self.reject(&pieces[0], whole, port, &with, reason);
            }
            Verdict::Punt(reason) => self.punt_whole(&pieces, whole, port, reason),
            Verdict::Drop(reason) => self.counters.dropped_all(pieces.len(), reason),
            // Verdicts about frames of other kinds; a SYN in pieces is no honest SYN.
            Verdict::ForwardError { .. } | Verdict::Answer(_) | Verdict::Defer | Verdict::Reassemble => {
                self.counters.dropped_all(pieces.len(), DropReason::BadFragment);
            }
            Verdict::Hold(_) => self.counters.dropped_all(pieces.len(), DropReason::NeighbourQueueFull),
        }
    }

    fn forward_pieces(&mut self, pieces: Vec<P::Frame>, whole: &Packet, forward: &Forward) {
        for piece in pieces {
            let Ok(mut headers) = Packet::parse(piece.bytes()) else {
                self.counters.dropped(DropReason::BadFragment);
                continue;
            };
            // The transport header, and its checksum over all of the datagram, are in the first piece.
            if matches!(headers.kind, Kind::Fragment(Fragment { offset: 0, .. })) {
                headers.kind = whole.kind;
            }
            self.forward(piece, &headers, forward);
        }
    }

    /// An echo request in pieces is answered in the same pieces, which take the place of the request's.
    fn answer_pieces(&mut self, pieces: Vec<P::Frame>, port: PortId) {
        for mut piece in pieces {
            let bytes = piece.bytes_mut();
            let headers = Packet::parse(bytes).ok();
            let snapshot = self.engine.snapshot();
            let interface = headers.and_then(|headers| snapshot.interface_of(port, headers.vlan()));
            let (Some(headers), Some(interface)) = (headers, interface) else {
                self.counters.dropped(DropReason::BadFragment);
                continue;
            };
            let back = Egress::of(snapshot.interface(interface), Link::of(bytes).src);
            fragment::answer_echo(bytes, &headers);
            self.link_and_queue(piece, &headers, &back);
        }
    }

    fn punt_whole(&mut self, pieces: &[P::Frame], whole: &Packet, port: PortId, reason: PuntReason) {
        let bytes: Vec<&[u8]> = pieces.iter().map(Frame::bytes).collect();
        let interface = self.engine.snapshot().interface_of(port, whole.vlan());
        let (Some(frame), Some(interface)) = (fragment::join(&bytes), interface) else {
            return self.counters.dropped_all(pieces.len(), DropReason::BadFragment);
        };
        match self.events.punt(reason, interface, &frame) {
            true => (0..pieces.len()).for_each(|_| self.counters.punted(reason)),
            false => self.counters.dropped_all(pieces.len(), DropReason::MailboxFull),
        }
    }

    /// Datagrams whose rest never came are given up.
    pub(super) fn give_up_pieces(&mut self, now: Instant) -> usize {
        let counters = &mut self.counters;
        self.held.reassembly.expire(now, super::CHORES, |reason| counters.dropped(reason))
    }
}
