//! Frames on their way to the worker that decides about them.
//!
//! Owns [`HandOff`]: the steering by which packets belong to workers, the count of frames that arrived at their worker and
//! elsewhere, and one single-producer single-consumer ring for each ordered pair of workers, so that nobody locks and frames of
//! a flow keep their order. A full ring refuses: the frame is dropped and counted by whoever tried; nobody waits.

use super::arrivals::Arrived;
use super::frames::Received;
use crate::engine::{Path, Steering};
use crate::io::BURST;
use crate::policy::Snapshot;
use crate::wire::{Endpoint, Packet};
use rtrb::{Consumer, Producer, RingBuffer};

/// One worker among the others.
pub struct HandOff<F> {
    worker: usize,
    pub(super) steering: Steering,
    /// By worker; `None` at its own place.
    to: Vec<Option<Outlet<F>>>,
    from: Vec<Consumer<Received<F>>>,
    /// Whose ring is read next, so that none starves.
    next: usize,
    /// In this burst. What belongs to nobody (ARP, what is for the appliance itself, junk) is not among it; what was to go to
    /// another worker is, whether or not its ring had room.
    arrived: Arrived,
}

/// The ring to one other worker.
struct Outlet<F> {
    ring: Producer<Received<F>>,
    /// What goes there at the end of the turn, all at once: the other side then sees one change of the ring, not many.
    waiting: Vec<Received<F>>,
}

impl<F> HandOff<F> {
    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.to.len()
    }

    /// The other worker that decides about this packet; `None` when it is to be decided about here.
    pub(super) fn elsewhere(&self, packet: &Packet, path: Path, snapshot: &Snapshot) -> Option<usize> {
        self.steering.worker(packet, path, snapshot).filter(|worker| *worker != self.worker)
    }

    /// What a member sends to this endpoint from a service port is decided about here.
    pub(super) fn is_here(&self, outside: Endpoint) -> bool {
        self.steering.worker_of(outside) == self.worker
    }

    /// As [`HandOff::elsewhere`], of a frame from a NIC, which is counted.
    #[inline(always)]
    pub(super) fn arrives(&mut self, packet: &Packet, path: Path, snapshot: &Snapshot) -> Option<usize> {
        if self.steering.spreads() { self.arrives_for(packet, path, snapshot) } else { None }
    }

    fn arrives_for(&mut self, packet: &Packet, path: Path, snapshot: &Snapshot) -> Option<usize> {
        let worker = self.steering.worker(packet, path, snapshot)?;
        self.count_arrived(worker)
    }

    /// The same of a datagram of a service, whose end outside this is.
    #[inline(always)]
    pub(super) fn arrives_of(&mut self, outside: Endpoint) -> Option<usize> {
        if self.steering.spreads() { self.count_arrived(self.steering.worker_of(outside)) } else { None }
    }

    #[inline(always)]
    fn count_arrived(&mut self, worker: usize) -> Option<usize> {
        let elsewhere = worker != self.worker;
        self.arrived.frames += 1;
        self.arrived.elsewhere += u64::from(elsewhere);
        elsewhere.then_some(worker)
    }

    /// Frames from a NIC whose flows are here, and which are this worker's for that.
    #[inline]
    pub(super) fn arrived_here(&mut self, frames: u64) {
        if self.steering.spreads() {
            self.arrived.frames += frames;
        }
    }

    /// What arrived since the last call.
    pub(super) fn take_arrived(&mut self) -> Arrived {
        std::mem::take(&mut self.arrived)
    }

    /// Queues a datagram for another worker. `worker` is another one that exists.
    #[inline]
    pub fn queue(&mut self, worker: usize, datagram: Received<F>) {
        if let Some(Some(outlet)) = self.to.get_mut(worker) {
            outlet.waiting.push(datagram);
        }
    }

    /// How many datagrams are queued for other workers.
    pub(super) fn waiting(&self) -> usize {
        self.to.iter().flatten().map(|outlet| outlet.waiting.len()).sum()
    }

    /// Hands off what is queued, in order. Calls `report` for every datagram with whether the ring took it.
    pub fn flush(&mut self, mut report: impl FnMut(&Received<F>, bool)) {
        for outlet in self.to.iter_mut().flatten().filter(|outlet| !outlet.waiting.is_empty()) {
            let room = outlet.ring.slots().min(outlet.waiting.len());
            outlet.waiting.iter().enumerate().for_each(|(at, datagram)| report(datagram, at < room));
            if let Ok(chunk) = outlet.ring.write_chunk_uninit(room) {
                chunk.fill_from_iter(outlet.waiting.drain(..room));
            }
            outlet.waiting.clear();
        }
    }

    /// Takes up to `most` datagrams that others handed off, each worker's in order.
    pub fn take(&mut self, into: &mut Vec<Received<F>>, most: usize) {
        let mut left = most;
        let (behind, first) = self.from.split_at_mut(self.next);
        for ring in first.iter_mut().chain(behind) {
            let count = ring.slots().min(left);
            if let Ok(chunk) = ring.read_chunk(count) {
                into.extend(chunk);
            }
            left -= count;
        }
        self.next = if self.next + 1 < self.from.len() { self.next + 1 } else { 0 };
    }
}

/// The ends for `workers` workers, with rings of `capacity` frames. Packets belong to workers by our own hash.
pub fn hand_offs<F>(workers: usize, capacity: usize) -> Vec<HandOff<F>> {
    let (arrived, steering) = (Arrived::default(), || Steering::ours(workers));
    let end = |worker| HandOff { worker, steering: steering(), to: Vec::new(), from: Vec::new(), next: 0, arrived };
    let mut ends: Vec<HandOff<F>> = (0..workers).map(end).collect();
    for from in 0..workers {
        for to in 0..workers {
            if from == to {
                ends[from].to.push(None);
                continue;
            }
            let (producer, consumer) = RingBuffer::new(capacity);
            ends[from].to.push(Some(Outlet { ring: producer, waiting: Vec::with_capacity(BURST) }));
            ends[to].from.push(consumer);
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::super::frames::Frames;
    use super::*;
    use crate::policy::intent::PortId;
    use crate::time::Instant;

    fn number(datagram: &Received<u32>) -> u32 {
        match datagram.frames {
            Frames::One(number) => number,
            Frames::Fragments(_) => panic!("it was a frame"),
        }
    }

    fn give(end: &mut HandOff<u32>, worker: usize, numbers: impl IntoIterator<Item = u32>) -> Vec<(u32, bool)> {
        for number in numbers {
            end.queue(worker, Received { frames: Frames::One(number), port: PortId(0), at: Instant::ZERO });
        }
        let mut reported = Vec::new();
        end.flush(|datagram, taken| reported.push((number(datagram), taken)));
        reported
    }

    fn take(end: &mut HandOff<u32>, most: usize) -> Vec<u32> {
        let mut handed_off = Vec::new();
        end.take(&mut handed_off, most);
        handed_off.iter().map(number).collect()
    }

    #[test]
    fn frames_arrive_in_order_and_a_full_ring_refuses_the_rest() {
        let mut ends = hand_offs::<u32>(3, 2);
        assert_eq!(give(&mut ends[0], 2, [1, 2, 3]), [(1, true), (2, true), (3, false)]);
        assert_eq!(give(&mut ends[0], 2, [4]), [(4, false)]);
        assert_eq!(give(&mut ends[1], 2, [9]), [(9, true)]);
        let taken = take(&mut ends[2], 64);
        assert!(taken == [1, 2, 9] || taken == [9, 1, 2], "{taken:?}");
        assert_eq!(give(&mut ends[0], 2, [5]), [(5, true)], "it recovers");
        assert_eq!(take(&mut ends[2], 64), [5]);
        assert!(take(&mut ends[1], 64).is_empty());
    }

    #[test]
    fn nobody_starves_when_little_is_taken() {
        let mut ends = hand_offs::<u32>(3, 64);
        for turn in 0..8 {
            give(&mut ends[0], 2, [turn, turn]);
            give(&mut ends[1], 2, [100 + turn, 100 + turn]);
        }
        let taken: Vec<_> = (0..8).flat_map(|_| take(&mut ends[2], 2)).collect();
        assert!(taken.iter().any(|&n| n < 100) && taken.iter().any(|&n| n >= 100), "{taken:?}");
    }
}
