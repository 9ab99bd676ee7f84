//! Frames on their way to the worker that owns their flow.
//!
//! Owns one single-producer single-consumer ring for each ordered pair of workers, so that nobody locks and frames of a
//! flow keep their order. A full ring refuses: the frame is dropped and counted by whoever tried; nobody waits.

use super::cargo::Cargo;
use crate::policy::intent::PortId;
use rtrb::{Consumer, Producer, RingBuffer};

/// A datagram and where it came in.
pub struct Parcel<F> {
    /// The frame, or the pieces.
    pub cargo: Cargo<F>,
    /// The NIC it came in on.
    pub port: PortId,
}

/// One worker's ends of the rings to and from the others.
pub struct HandOff<F> {
    /// By worker; `None` at the own place.
    to: Vec<Option<Producer<Parcel<F>>>>,
    from: Vec<Consumer<Parcel<F>>>,
    /// Whose ring is read next, so that none starves.
    next: usize,
}

impl<F> HandOff<F> {
    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.to.len()
    }

    /// Hands a frame over; gives it back when the ring is full or the worker does not exist.
    pub fn give(&mut self, worker: usize, parcel: Parcel<F>) -> Result<(), Parcel<F>> {
        match self.to.get_mut(worker) {
            Some(Some(ring)) => ring.push(parcel).map_err(|rtrb::PushError::Full(parcel)| parcel),
            _ => Err(parcel),
        }
    }

    /// The next frame somebody handed over.
    pub fn take(&mut self) -> Option<Parcel<F>> {
        for _ in 0..self.from.len() {
            self.next = (self.next + 1) % self.from.len();
            if let Ok(parcel) = self.from[self.next].pop() {
                return Some(parcel);
            }
        }
        None
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
            ends[from].to.push(Some(producer));
            ends[to].from.push(consumer);
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_in_order_and_a_full_ring_gives_back() {
        let mut ends = hand_offs::<u32>(3, 2);
        let parcel = |number: u32| Parcel { cargo: Cargo::Frame(number), port: PortId(0) };
        let number = |parcel: Parcel<u32>| match parcel.cargo {
            Cargo::Frame(number) => number,
            Cargo::Pieces(_) => panic!("it was a frame"),
        };
        assert!(ends[0].give(2, parcel(1)).is_ok());
        assert!(ends[0].give(2, parcel(2)).is_ok());
        assert_eq!(ends[0].give(2, parcel(3)).map_err(number), Err(3));
        assert!(ends[1].give(2, parcel(9)).is_ok());
        assert!(ends[0].give(0, parcel(4)).is_err());
        let mut taken = Vec::new();
        while let Some(parcel) = ends[2].take() {
            taken.push(number(parcel));
        }
        let position = |frame| taken.iter().position(|&f| f == frame);
        assert_eq!(taken.len(), 3);
        assert!(position(1) < position(2) && position(9).is_some());
        assert!(ends[1].take().is_none());
    }
}
