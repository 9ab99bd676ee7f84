//! A frame and its verdict.
//!
//! Owns the way of one frame through the worker: facts, owner, verdict, and what the verdict asks for. Each arm ends the
//! frame exactly once in the counters.

use super::Worker;
use super::counters::Counters;
use super::frames::Frames;
use super::hand_off::HandedOff;
use super::held::Queued;
use crate::engine::{DropReason, PuntReason, Verdict};
use crate::io::{Frame, Port};
use crate::policy::adjacency::NextHop;
use crate::policy::intent::PortId;
use crate::time::Instant;
use crate::wire::reply::{self, IcmpError, Reply};
use crate::wire::{Malformed, Packet};

/// SYNs answered in one turn, at most.
const AT_ONCE: usize = 64;

impl<P: Port> Worker<P> {
    /// The datagram is another worker's; it goes there at the end of the turn.
    #[inline]
    pub(super) fn hand_over(&mut self, worker: usize, frames: Frames<P::Frame>, port: PortId) {
        self.hand_off.queue(worker, HandedOff { frames, port, received: self.began });
    }

    /// What is for other workers goes there. What a full ring does not take is dropped and counted: a worker that waits for
    /// another would stop serving, and two that wait for each other would stop for ever.
    pub(super) fn hand_over_all(&mut self) {
        let Counters { handed_off, dropped, .. } = &mut self.counters;
        self.hand_off.flush(|datagram, taken| match taken {
            true => *handed_off += datagram.frames.count() as u64,
            false => dropped.0[DropReason::HandOffFull as usize] += datagram.frames.count() as u64,
        });
    }

    /// Does what the verdict says with a frame that may have to wait.
    #[inline(never)]
    pub(super) fn process(&mut self, frame: P::Frame, headers: &Packet, verdict: Verdict, port: PortId, now: Instant) {
        match verdict {
            Verdict::Hold(hop) => self.hold(hop, Frames::One(frame), port, now),
            Verdict::Reassemble => self.reassemble(frame, headers, port, now),
            Verdict::Defer => self.defer(frame, port, now),
            verdict => self.execute(frame, headers, port, verdict),
        }
    }

    /// Does what the verdict says. A frame that waits is not done with, and does not come here.
    pub(super) fn execute(&mut self, frame: P::Frame, headers: &Packet, port: PortId, verdict: Verdict) {
        match verdict {
            Verdict::Forward(forward) => self.forward(frame, headers, &forward),
            Verdict::ForwardError { outer, quoted } => self.forward_error(frame, headers, &outer, &quoted),
            Verdict::Answer(with) => self.answer(&frame, headers, port, &with),
            Verdict::Reject { with, reason } => self.reject(&frame, headers, port, &with, reason),
            Verdict::Hold(_) => self.counters.dropped(DropReason::NeighbourQueueFull),
            Verdict::Reassemble => self.counters.dropped(DropReason::FragmentIncomplete),
            Verdict::Defer => self.counters.dropped(DropReason::NotListening),
            Verdict::Punt(reason) => self.punt(&frame, headers, port, reason),
            Verdict::Drop(reason) => self.counters.dropped(reason),
        }
    }

    /// The answer takes the frame's place in the counters.
    fn answer(&mut self, frame: &P::Frame, headers: &Packet, port: PortId, with: &Reply) {
        match self.compose(frame, headers, port, with) {
            Some(made) => self.outgoing.push(port, made),
            None => self.counters.dropped(DropReason::NoBuffer),
        }
    }

    /// The frame dies; what its sender is told is a frame of our own.
    pub(super) fn reject(
        &mut self,
        frame: &P::Frame,
        headers: &Packet,
        port: PortId,
        with: &Reply,
        reason: DropReason,
    ) {
        self.counters.dropped(reason);
        if !reply::may_answer_with_error(frame.bytes(), headers) {
            return;
        }
        if let Some(made) = self.compose(frame, headers, port, with) {
            self.counters.originated += 1;
            self.outgoing.push(port, made);
        }
    }

    /// Makes a reply to `frame`, back the way it came.
    fn compose(&mut self, frame: &P::Frame, headers: &Packet, port: PortId, with: &Reply) -> Option<P::Frame> {
        let interface = self.engine.snapshot().interface_of(port, headers.vlan())?;
        let mac = self.engine.snapshot().interface(interface).mac;
        let length = reply::length(with, frame.bytes(), headers);
        if length == 0 {
            return None;
        }
        let mut made = self.ports[port.index()].allocate(length)?;
        let length = reply::build(with, frame.bytes(), headers, mac, made.bytes_mut());
        made.set_len(length).then_some(made)
    }

    pub(super) fn hold(&mut self, hop: NextHop, frames: Frames<P::Frame>, port: PortId, now: Instant) {
        let kept = self.engine.snapshot().is_kept(hop);
        match self.held.neighbours.hold(hop, kept, Queued::new(hop, frames, port, now)) {
            Ok(()) => self.request_neighbour(hop, now),
            Err(frames) => self.counters.dropped_all(frames.count(), DropReason::NeighbourQueueFull),
        }
    }

    /// Management is asked for the hop's MAC, unless it was a moment ago.
    fn request_neighbour(&mut self, hop: NextHop, now: Instant) {
        if self.held.neighbours.asks(hop, now) {
            self.events.request_neighbour(hop);
        }
    }

    fn punt(&mut self, frame: &P::Frame, headers: &Packet, port: PortId, reason: PuntReason) {
        let interface = self.engine.snapshot().interface_of(port, headers.vlan());
        match interface.is_some_and(|interface| self.events.punt(reason, interface, frame.bytes())) {
            true => self.counters.punted(reason),
            false => self.counters.dropped(DropReason::MailboxFull),
        }
    }

    /// Another snapshot was installed: what waits is decided again, in the order it came.
    pub(super) fn decide_waiting(&mut self, now: Instant) {
        for held in self.held.neighbours.take_all() {
            let headers = match held.frames.headers() {
                Ok(headers) => headers,
                Err(malformed) => {
                    self.counters.dropped_all(held.frames.count(), reason(malformed));
                    continue;
                }
            };
            let classified = self.engine.classify(&headers, held.port);
            match (self.engine.decide(&headers, classified, now), held) {
                (Verdict::Hold(hop), held) => {
                    self.held.neighbours.hold_again(hop, held);
                    self.request_neighbour(hop, now);
                }
                (verdict, Queued { frames: Frames::Fragments(pieces), port, .. }) => {
                    self.execute_whole(pieces, &headers, port, verdict);
                }
                (Verdict::Reassemble, Queued { frames: Frames::One(frame), port, .. }) => {
                    self.reassemble(frame, &headers, port, now);
                }
                (Verdict::Defer, Queued { frames: Frames::One(frame), port, .. }) => self.defer(frame, port, now),
                (verdict, Queued { frames: Frames::One(frame), port, .. }) => {
                    self.execute(frame, &headers, port, verdict);
                }
            }
        }
    }

    pub(super) fn defer(&mut self, frame: P::Frame, port: PortId, now: Instant) {
        // One for which there is no room dies in silence, which the RFC allows as well.
        if self.held.deferred.push(frame, port, now).is_err() {
            self.counters.dropped(DropReason::NotListening);
        }
    }

    /// Whose six seconds are over is told, if nobody has opened the connection since.
    pub(super) fn finish_deferred(&mut self, now: Instant) -> usize {
        let mut count = 0;
        while count < AT_ONCE
            && let Some((port, frame)) = self.held.deferred.take_due(now)
        {
            count += 1;
            let Ok(headers) = Packet::parse(frame.bytes()) else {
                self.counters.dropped(DropReason::NotListening);
                continue;
            };
            let classified = self.engine.classify(&headers, port);
            let verdict = self.engine.finish_deferred(&headers, classified, now);
            self.execute(frame, &headers, port, verdict);
        }
        count
    }

    /// The next hop does not answer: senders of what waits for it are told.
    pub(super) fn give_up(&mut self, hop: NextHop) {
        for held in self.held.neighbours.take_for(hop) {
            self.reject_held(&held);
        }
    }

    /// Management did not answer in time either.
    pub(super) fn give_up_waiting(&mut self, now: Instant) -> usize {
        let stale = self.held.neighbours.take_stale(now);
        stale.iter().for_each(|held| self.reject_held(held));
        stale.len()
    }

    fn reject_held(&mut self, held: &Queued<P::Frame>) {
        let (reason, port) = (DropReason::HostUnreachable, held.port);
        let first = match &held.frames {
            Frames::One(frame) => frame,
            Frames::Fragments(pieces) => &pieces[0],
        };
        self.counters.dropped_all(held.frames.count() - 1, reason);
        let Ok(headers) = held.frames.headers() else { return self.counters.dropped(reason) };
        let snapshot = self.engine.snapshot();
        let from = snapshot
            .interface_of(port, headers.vlan())
            .map(|interface| snapshot.interface(interface).address_towards(headers.src()));
        match from {
            Some(from) => {
                let with = Reply::IcmpError { error: IcmpError::HostUnreachable, from };
                self.reject(first, &headers, port, &with, reason);
            }
            None => self.counters.dropped(reason),
        }
    }
}

/// The counter a malformed frame goes to.
pub(super) fn reason(malformed: Malformed) -> DropReason {
    match malformed {
        Malformed::Truncated => DropReason::Truncated,
        Malformed::UnknownEtherType => DropReason::UnknownEtherType,
        Malformed::IpVersion => DropReason::BadIpVersion,
        Malformed::IpHeaderLength => DropReason::BadIpHeaderLength,
        Malformed::IpLength => DropReason::BadIpLength,
        Malformed::IpChecksum => DropReason::BadIpChecksum,
        Malformed::SourceRoute => DropReason::SourceRoute,
        Malformed::TcpHeader => DropReason::BadTcpHeader,
        Malformed::UdpLength => DropReason::BadUdpLength,
        Malformed::Icmp => DropReason::BadIcmp,
        Malformed::IcmpChecksum => DropReason::BadIcmpChecksum,
        Malformed::IcmpQuote => DropReason::BadIcmpQuote,
        Malformed::Arp => DropReason::BadArp,
        Malformed::Fragment => DropReason::BadFragment,
    }
}
