//! Frames on their way to the worker that owns their flow.
//!
//! Owns one single-producer single-consumer ring for each ordered pair of workers, so that nobody locks and frames of a
//! flow keep their order. A full ring refuses: the frame is dropped and counted by whoever tried; nobody waits.

use super::frames::Frames;
use crate::io::BURST;
use crate::policy::intent::PortId;
use crate::time::Instant;
use rtrb::{Consumer, Producer, RingBuffer};

/// A datagram and where it came in.
pub struct HandedOff<F> {
    /// The frame, or the pieces.
    pub frames: Frames<F>,
    /// The NIC it came in on.
    pub port: PortId,
    /// When the turn began that received it; of a datagram in pieces, the turn in which it was whole.
    pub received: Instant,
}

/// One worker's ends of the rings to and from the others.
pub struct HandOff<F> {
    /// By worker; `None` at the own place.
    to: Vec<Option<Outlet<F>>>,
    from: Vec<Consumer<HandedOff<F>>>,
    /// Whose ring is read next, so that none starves.
    next: usize,
}

/// The way to one other worker.
struct Outlet<F> {
    ring: Producer<HandedOff<F>>,
    /// What goes there at the end of the turn, all at once: the other side then sees one change of the ring, not many.
    waiting: Vec<HandedOff<F>>,
}

impl<F> HandOff<F> {
    /// How many workers there are.
    #[inline]
    pub fn workers(&self) -> usize {
        self.to.len()
    }

    /// Queues a datagram for another worker. `worker` exists and is not the own place.
    #[inline]
    pub fn queue(&mut self, worker: usize, datagram: HandedOff<F>) {
        if let Some(Some(outlet)) = self.to.get_mut(worker) {
            outlet.waiting.push(datagram);
        }
    }

    /// Hands over what is queued, in order. `report` learns of every datagram whether the ring took it.
    pub fn flush(&mut self, mut report: impl FnMut(&HandedOff<F>, bool)) {
        for outlet in self.to.iter_mut().flatten().filter(|outlet| !outlet.waiting.is_empty()) {
            let room = outlet.ring.slots().min(outlet.waiting.len());
            outlet.waiting.iter().enumerate().for_each(|(at, datagram)| report(datagram, at < room));
            if let Ok(chunk) = outlet.ring.write_chunk_uninit(room) {
                chunk.fill_from_iter(outlet.waiting.drain(..room));
            }
            outlet.waiting.clear();
        }
    }

    /// Takes up to `most` datagrams that others handed over, a worker's in the order it gave them.
    pub fn take(&mut self, into: &mut Vec<HandedOff<F>>, most: usize) {
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

/// The ends for `workers` workers, with rings of `capacity` frames.
pub fn hand_offs<F>(workers: usize, capacity: usize) -> Vec<HandOff<F>> {
    let mut ends: Vec<HandOff<F>> =
        (0..workers).map(|_| HandOff { to: Vec::new(), from: Vec::new(), next: 0 }).collect();
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
    use super::*;

    fn number(datagram: &HandedOff<u32>) -> u32 {
        match datagram.frames {
            Frames::One(number) => number,
            Frames::Fragments(_) => panic!("it was a frame"),
        }
    }

    fn give(end: &mut HandOff<u32>, worker: usize, numbers: impl IntoIterator<Item = u32>) -> Vec<(u32, bool)> {
        for number in numbers {
            end.queue(worker, HandedOff { frames: Frames::One(number), port: PortId(0), received: Instant::ZERO });
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
