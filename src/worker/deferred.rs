//! SYNs that nobody takes, kept in silence for a while.
//!
//! Owns the six seconds of RFC 5382 REQ-4: a member may be about to open the connection that the SYN wants (both ends
//! open at once to get through), and an early refusal would end that. Bounded; a SYN for which there is no room dies in
//! silence, which the RFC allows as well.

use super::Worker;
use crate::engine::DropReason;
use crate::io::{Frame, Port};
use crate::policy::intent::PortId;
use crate::time::{Duration, Instant};
use crate::wire::Packet;
use std::collections::VecDeque;

/// How long nothing is said (RFC 5382 REQ-4).
const SILENCE: Duration = Duration::from_secs(6);
/// SYNs kept at once, at most; fewer where buffers are scarce.
const MOST: usize = 1_024;
/// SYNs answered in one turn, at most.
const AT_ONCE: usize = 64;

/// The SYNs, oldest in front.
pub(super) struct Deferred<F> {
    frames: VecDeque<(Instant, PortId, F)>,
    most: usize,
}

impl<F> Deferred<F> {
    /// Room for `most` SYNs, and no more than are ever kept.
    pub(super) fn new(most: usize) -> Deferred<F> {
        Deferred { frames: VecDeque::new(), most: most.min(MOST) }
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    fn take_due(&mut self, now: Instant) -> Option<(PortId, F)> {
        let due = self.frames.front().is_some_and(|(since, ..)| now.since(*since) >= SILENCE);
        if due { self.frames.pop_front().map(|(_, port, frame)| (port, frame)) } else { None }
    }
}

impl<P: Port> Worker<P> {
    pub(super) fn defer(&mut self, frame: P::Frame, port: PortId, now: Instant) {
        if self.deferred.len() >= self.deferred.most {
            return self.tally.dropped(DropReason::NotListening);
        }
        self.deferred.frames.push_back((now, port, frame));
    }

    /// Whose six seconds are over is told, if nobody has opened the connection since.
    pub(super) fn finish_deferred(&mut self, now: Instant) -> usize {
        let mut count = 0;
        while count < AT_ONCE
            && let Some((port, frame)) = self.deferred.take_due(now)
        {
            count += 1;
            let Ok(headers) = Packet::parse(frame.bytes()) else {
                self.tally.dropped(DropReason::NotListening);
                continue;
            };
            let classified = self.engine.classify(&headers, port);
            let verdict = self.engine.finish_deferred(&headers, &classified, now);
            self.execute(frame, &headers, port, verdict);
        }
        count
    }
}
