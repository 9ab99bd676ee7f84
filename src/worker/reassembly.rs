//! Pieces of datagrams that wait for the rest.
//!
//! Owns the frames; which belong together, and when they are lost, is [`Fragments`]' to know. A piece leaves as part of a
//! whole, or is handed back with the reason why it never will.

use crate::engine::DropReason;
use crate::flow::fragments::{Arrival, Datagram, Fragments, Loss, Span};
use crate::policy::intent::PortId;
use crate::time::{Duration, Instant};
use crate::wire::Packet;
use crate::wire::facts::Fragment;

/// Tells the place of incomplete datagrams apart from that of flows.
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

    /// Takes a piece in. Returned is the datagram, if it is whole now; `lost` is told of every frame that dies by it.
    pub(super) fn arrive(
        &mut self,
        frame: F,
        (headers, piece): (&Packet, Fragment),
        port: PortId,
        now: Instant,
        mut lost: impl FnMut(DropReason),
    ) -> Option<Reassembled<F>> {
        let datagram = Datagram { src: headers.src(), dst: headers.dst(), protocol: headers.protocol, id: piece.id };
        let span = Span { offset: piece.offset, length: headers.end - headers.l4, more: piece.more };
        let frames = &mut self.frames;
        let arrival = self.fragments.arrive(&datagram, span, now, |place, loss| {
            frames[place as usize] = None;
            lost(reason(loss));
        });
        match arrival {
            Arrival::Waits(place) => self.frames[place as usize] = Some((frame, port)),
            Arrival::Refused(loss) => lost(reason(loss)),
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

    /// Gives up what has waited too long, a bounded part of it. Says how many datagrams that was.
    pub(super) fn expire(&mut self, now: Instant, budget: usize, mut lost: impl FnMut(DropReason)) -> usize {
        let frames = &mut self.frames;
        self.fragments.expire(now, budget, |place, loss| {
            frames[place as usize] = None;
            lost(reason(loss));
        })
    }
}

/// The counter a lost piece goes to.
fn reason(loss: Loss) -> DropReason {
    match loss {
        Loss::Duplicate => DropReason::FragmentDuplicate,
        Loss::Overlap => DropReason::FragmentOverlap,
        Loss::TooMany => DropReason::FragmentTooMany,
        Loss::GaveWay => DropReason::FragmentsFull,
        Loss::Incomplete => DropReason::FragmentIncomplete,
    }
}
