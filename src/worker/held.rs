//! Frames that wait in a worker's hands.
//!
//! Owns [`Held`], all that is neither sent nor dropped at the end of a turn, in four queues, each with a reason, a budget and a
//! time limit of its own: what a member refuses while another may take over ([`WithheldQueue`]); datagrams whose next hop's MAC
//! is asked for, so that the first INVITE to a peer is not lost ([`NeighbourQueue`]); fragments of datagrams that are not whole
//! ([`Reassembly`]); and SYNs that nobody takes ([`Deferred`]: RFC 5382 REQ-4, since a member may be about to open the
//! connection that the SYN wants, and an early reject would end that). Never decides what a frame's verdict is.

use super::frames::Received;
use super::withheld::WithheldQueue;
use crate::engine::DropReason;
use crate::flow::fragments::{Arrival, Datagram, Fragments, Loss, Span};
use crate::policy::adjacency::NextHop;
use crate::policy::intent::{Limits, PortId, Timeouts};
use crate::time::{Duration, Instant};
use crate::wire::Packet;
use crate::wire::facts::Fragment;
use std::collections::VecDeque;

/// All frames that wait.
pub(super) struct Held<F> {
    pub neighbours: NeighbourQueue<F>,
    pub reassembly: Reassembly<F>,
    pub deferred: Deferred<F>,
    pub withheld: WithheldQueue<F>,
}

impl<F> Held<F> {
    /// Room for as many fragments as the limits say, and for half as many frames of each other kind: buffers are as scarce
    /// for them.
    pub(super) fn new(limits: &Limits, timeouts: &Timeouts, seed: u64) -> Held<F> {
        let frames = limits.fragments_per_worker;
        Held {
            neighbours: NeighbourQueue::new(frames / 2),
            reassembly: Reassembly::new(frames, timeouts.reassembly, seed),
            deferred: Deferred::new(frames / 2),
            withheld: WithheldQueue::new(frames / 2),
        }
    }

    /// How many frames wait.
    pub(super) fn frames(&self) -> usize {
        self.neighbours.len() + self.reassembly.len() + self.deferred.len() + self.withheld.len()
    }

    /// Drops all of them.
    pub(super) fn clear(&mut self) {
        self.neighbours.take_all();
        self.reassembly = Reassembly::new(1, Duration::ZERO, 0);
        self.deferred = Deferred::new(0);
        self.withheld = WithheldQueue::new(0);
    }
}

/// Datagrams that wait for one next hop, at most.
const PER_HOP: usize = 16;
/// Frames that wait in all, at most; fewer where buffers are scarce.
const IN_ALL: usize = 1_024;
/// One place in so many is reserved for members and routers: a scan of a connected network cannot fill it.
const KEPT: usize = 4;
/// A datagram is given up after this, whatever management does.
const PATIENCE: Duration = Duration::from_secs(5);
/// Management is asked again for a next hop after this.
const REMINDER: Duration = Duration::from_secs(1);

/// A datagram that waits, since it was received.
pub(super) struct Queued<F> {
    pub datagram: Received<F>,
    hop: NextHop,
}

/// All that wait.
pub(super) struct NeighbourQueue<F> {
    queued: Vec<Queued<F>>,
    /// In all of them.
    frames: usize,
    most: usize,
    asked: Vec<(NextHop, Instant)>,
}

impl<F> NeighbourQueue<F> {
    /// Room for `most` frames, and no more than a queue of this kind may need.
    pub(super) fn new(most: usize) -> NeighbourQueue<F> {
        NeighbourQueue { queued: Vec::new(), frames: 0, most: most.min(IN_ALL), asked: Vec::new() }
    }

    /// How many frames wait.
    pub(super) fn len(&self) -> usize {
        self.frames
    }

    /// Holds a datagram; returns it when too many wait already. `kept`: the hop is a member or a router.
    pub(super) fn hold(&mut self, hop: NextHop, kept: bool, datagram: Received<F>) -> Result<(), Received<F>> {
        let most = if kept { self.most } else { self.most - self.most / KEPT };
        // A flood finds the queue full at once, and walks over nothing.
        if self.frames + datagram.frames.count() > most || self.count_for(hop) >= PER_HOP {
            return Err(datagram);
        }
        self.hold_again(hop, datagram);
        Ok(())
    }

    /// `true` when management is to be asked for the hop now: it has not been within the last second.
    pub(super) fn asks(&mut self, hop: NextHop, now: Instant) -> bool {
        self.asked.retain(|&(_, at)| now.since(at) < REMINDER);
        let fresh = !self.asked.iter().any(|&(asked, _)| asked == hop);
        if fresh {
            self.asked.push((hop, now));
        }
        fresh
    }

    /// Everything that waits, oldest first, to be decided again.
    pub(super) fn take_all(&mut self) -> Vec<Queued<F>> {
        self.frames = 0;
        std::mem::take(&mut self.queued)
    }

    /// What waits for `hop`, oldest first.
    pub(super) fn take_for(&mut self, hop: NextHop) -> Vec<Queued<F>> {
        self.take(|held| held.hop == hop)
    }

    /// What has waited too long.
    pub(super) fn take_stale(&mut self, now: Instant) -> Vec<Queued<F>> {
        match self.queued.first() {
            Some(oldest) if now.since(oldest.datagram.at) > PATIENCE => {
                self.take(|held| now.since(held.datagram.at) > PATIENCE)
            }
            _ => Vec::new(),
        }
    }

    /// Holds a datagram again, with the time it has waited already.
    pub(super) fn hold_again(&mut self, hop: NextHop, datagram: Received<F>) {
        self.frames += datagram.frames.count();
        self.queued.push(Queued { datagram, hop });
    }

    fn count_for(&self, hop: NextHop) -> usize {
        self.queued.iter().filter(|held| held.hop == hop).count()
    }

    fn take(&mut self, which: impl Fn(&Queued<F>) -> bool) -> Vec<Queued<F>> {
        let taken: Vec<_> = self.queued.extract_if(.., |held| which(held)).collect();
        self.frames -= taken.iter().map(|held| held.datagram.frames.count()).sum::<usize>();
        taken
    }
}

/// Keys the table of incomplete datagrams apart from that of flows.
const SEED: u64 = 0x6672_6167;

/// The frames that wait, by their place in [`Fragments`].
pub(super) struct Reassembly<F> {
    fragments: Fragments,
    frames: Box<[Option<(F, PortId)>]>,
}

/// A datagram that is whole: its frames in order, and where the first of them came in.
pub(super) type Reassembled<F> = (Vec<F>, PortId);

impl<F> Reassembly<F> {
    /// Room for `capacity` frames.
    pub(super) fn new(capacity: usize, patience: Duration, seed: u64) -> Reassembly<F> {
        let fragments = Fragments::new(capacity, patience, seed ^ SEED);
        let frames = (0..fragments.capacity()).map(|_| None).collect();
        Reassembly { fragments, frames }
    }

    pub(super) fn len(&self) -> usize {
        self.fragments.len()
    }

    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.fragments.set_patience(patience);
    }

    /// Takes a fragment in. Returns the datagram if it is whole now; calls `lost` for every frame dropped by this, with the frame and
    /// where it came in if it is another one than this.
    pub(super) fn arrive(
        &mut self,
        frame: F,
        (headers, fragment): (&Packet, Fragment),
        port: PortId,
        now: Instant,
        mut lost: impl FnMut(Option<(F, PortId)>, DropReason),
    ) -> Option<Reassembled<F>> {
        let datagram = Datagram { src: headers.src(), dst: headers.dst(), protocol: headers.protocol, id: fragment.id };
        let span = Span { offset: fragment.offset, length: headers.end - headers.l4, more: fragment.more };
        let frames = &mut self.frames;
        let arrival = self.fragments.arrive(&datagram, span, now, |place, loss| {
            lost(frames[place as usize].take(), reason(loss));
        });
        match arrival {
            Arrival::Waits(place) => self.frames[place as usize] = Some((frame, port)),
            Arrival::Refused(loss) => lost(None, reason(loss)),
            Arrival::Completes(place, whole) => {
                self.frames[place as usize] = Some((frame, port));
                let mut came = Vec::new();
                self.fragments.take(whole, |place| came.extend(self.frames[place as usize].take()));
                let port = came.first().map_or(port, |(_, port)| *port);
                return Some((came.into_iter().map(|(frame, _)| frame).collect(), port));
            }
        }
        None
    }

    /// Drops what has waited too long, a bounded part of it. Returns how many datagrams that was.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        budget: usize,
        mut lost: impl FnMut(Option<(F, PortId)>, DropReason),
    ) -> usize {
        let frames = &mut self.frames;
        self.fragments.expire(now, budget, |place, loss| {
            lost(frames[place as usize].take(), reason(loss));
        })
    }
}

/// The counter a lost fragment goes to.
fn reason(loss: Loss) -> DropReason {
    match loss {
        Loss::Duplicate => DropReason::FragmentDuplicate,
        Loss::Overlap => DropReason::FragmentOverlap,
        Loss::TooMany => DropReason::FragmentTooMany,
        Loss::GaveWay => DropReason::FragmentsFull,
        Loss::Incomplete => DropReason::FragmentIncomplete,
    }
}

/// How long the reject is deferred (RFC 5382 REQ-4).
const SILENCE: Duration = Duration::from_secs(6);
/// SYNs held at once, at most; fewer where buffers are scarce.
const MOST: usize = 1_024;

/// The SYNs, oldest in front.
pub(super) struct Deferred<F> {
    frames: VecDeque<(Instant, PortId, F)>,
    most: usize,
}

impl<F> Deferred<F> {
    /// Room for `most` SYNs, and no more than are ever held.
    pub(super) fn new(most: usize) -> Deferred<F> {
        Deferred { frames: VecDeque::new(), most: most.min(MOST) }
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Takes in a SYN; returns it when there is no room.
    pub(super) fn push(&mut self, frame: F, port: PortId, now: Instant) -> Result<(), F> {
        if self.frames.len() >= self.most {
            return Err(frame);
        }
        self.frames.push_back((now, port, frame));
        Ok(())
    }

    /// The next SYN whose six seconds are over.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(PortId, F)> {
        let due = self.frames.front().is_some_and(|(since, ..)| now.since(*since) >= SILENCE);
        if due { self.frames.pop_front().map(|(_, port, frame)| (port, frame)) } else { None }
    }
}
