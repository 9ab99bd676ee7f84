//! Any other port, on a bad day.
//!
//! Owns [`Chaos`], which loses, doubles, reorders and damages frames of the port it wraps, each direction with rates of
//! its own. Everything it does follows from one seed: the same seed and the same frames give the same day.

use super::{BURST, Frame, Port};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many of a thousand frames meet what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Disappear.
    pub loss: u16,
    /// Come twice.
    pub duplication: u16,
    /// Come after the frame behind them, or a turn late when none is behind them.
    pub reordering: u16,
    /// Have one bit turned over.
    pub damage: u16,
}

/// What was done so far, both directions together. Written by the port, read by whoever holds a handle.
#[derive(Debug, Default)]
pub struct Done {
    /// Frames that disappeared.
    pub lost: AtomicU64,
    /// Frames that came twice.
    pub duplicated: AtomicU64,
    /// Frames that came late.
    pub reordered: AtomicU64,
    /// Frames with one wrong bit.
    pub damaged: AtomicU64,
}

/// A small generator of random numbers (xorshift64*), the same on every machine.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Numbers that follow from `seed`; every seed is good.
    pub fn new(seed: u64) -> Dice {
        // Neighbouring seeds must not give neighbouring days, and the state must not be 0 (splitmix64's finish).
        let mixed = (seed ^ (seed >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Dice((mixed ^ (mixed >> 27)).max(1))
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.roll()) * limit as u128) >> 64) as usize
    }

    /// Whether something happens that happens `per_mille` times in a thousand.
    pub fn happens(&mut self, per_mille: u16) -> bool {
        per_mille > 0 && self.below(1000) < usize::from(per_mille)
    }
}

/// A port that mistreats frames on their way to and from another port.
pub struct Chaos<P: Port> {
    inner: P,
    dice: Dice,
    done: Arc<Done>,
    incoming: Lane<P::Frame>,
    outgoing: Lane<P::Frame>,
    /// Between two calls empty.
    scratch: Vec<P::Frame>,
    /// Through the outgoing lane, and not yet taken by the port.
    leaving: Vec<P::Frame>,
}

impl<P: Port> Chaos<P> {
    /// Wraps `inner`; `on_receive` and `on_transmit` are the rates in each direction.
    pub fn new(inner: P, seed: u64, on_receive: Faults, on_transmit: Faults) -> Chaos<P> {
        Chaos {
            inner,
            dice: Dice::new(seed),
            done: Arc::default(),
            incoming: Lane::new(on_receive),
            outgoing: Lane::new(on_transmit),
            scratch: Vec::with_capacity(BURST),
            leaving: Vec::new(),
        }
    }

    /// A handle to what is done, for after the port is given away.
    pub fn done(&self) -> Arc<Done> {
        Arc::clone(&self.done)
    }

    /// Sends what left the outgoing lane; whether the port took all of it.
    fn leave(&mut self) -> bool {
        self.leaving.extend(self.outgoing.ready.drain(..));
        while !self.leaving.is_empty() && self.inner.transmit(&mut self.leaving) > 0 {}
        self.leaving.is_empty()
    }
}

impl<P: Port> Port for Chaos<P> {
    type Frame = P::Frame;

    fn receive(&mut self, burst: &mut Vec<P::Frame>) -> usize {
        self.outgoing.release();
        self.leave();
        if self.incoming.ready.is_empty() && self.inner.receive(&mut self.scratch) == 0 {
            self.incoming.release();
        }
        for frame in self.scratch.drain(..) {
            self.incoming.pass(frame, &mut self.dice, &self.done, &mut self.inner);
        }
        let count = self.incoming.ready.len().min(BURST);
        burst.extend(self.incoming.ready.drain(..count));
        count
    }

    fn transmit(&mut self, burst: &mut Vec<P::Frame>) -> usize {
        if !self.leave() {
            return 0;
        }
        let count = burst.len().min(BURST);
        for frame in burst.drain(..count) {
            self.outgoing.pass(frame, &mut self.dice, &self.done, &mut self.inner);
        }
        self.leave();
        count
    }

    fn allocate(&mut self, length: usize) -> Option<P::Frame> {
        self.inner.allocate(length)
    }
}

/// One direction.
struct Lane<F> {
    faults: Faults,
    /// Waits for the next frame to pass it.
    late: Option<F>,
    ready: VecDeque<F>,
}

impl<F: Frame> Lane<F> {
    fn new(faults: Faults) -> Lane<F> {
        Lane { faults, late: None, ready: VecDeque::new() }
    }

    /// Lets a frame through, or not, or twice.
    fn pass(&mut self, mut frame: F, dice: &mut Dice, done: &Done, port: &mut impl Port<Frame = F>) {
        let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        if dice.happens(self.faults.loss) {
            count(&done.lost);
            return;
        }
        if dice.happens(self.faults.damage) && !frame.bytes().is_empty() {
            let at = dice.below(frame.bytes().len());
            frame.bytes_mut()[at] ^= 1 << dice.below(8);
            count(&done.damaged);
        }
        let twin = if dice.happens(self.faults.duplication) { twin(&frame, port) } else { None };
        if twin.is_some() {
            count(&done.duplicated);
        }
        if self.late.is_none() && dice.happens(self.faults.reordering) {
            count(&done.reordered);
            self.late = Some(frame);
        } else {
            self.ready.push_back(frame);
            self.release();
        }
        self.ready.extend(twin);
    }

    /// Lets the late frame go.
    fn release(&mut self) {
        self.ready.extend(self.late.take());
    }
}

/// Another frame with the same bytes, as long as there are buffers.
fn twin<F: Frame>(frame: &F, port: &mut impl Port<Frame = F>) -> Option<F> {
    let mut twin = port.allocate(frame.bytes().len())?;
    twin.bytes_mut().copy_from_slice(frame.bytes());
    Some(twin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::memory::{FarEnd, MemoryPort, Pool};

    const NONE: Faults = Faults { loss: 0, duplication: 0, reordering: 0, damage: 0 };
    const BAD: Faults = Faults { loss: 100, duplication: 100, reordering: 100, damage: 100 };

    /// What `count` numbered frames become on their way in.
    fn received(seed: u64, faults: Faults, count: u16) -> (Vec<Vec<u8>>, Arc<Done>) {
        let (port, end) = MemoryPort::connected(&Pool::default());
        let mut port = Chaos::new(port, seed, faults, NONE);
        for number in 0..count {
            assert!(end.inject(&[&number.to_be_bytes()[..], &[0; 58]].concat()));
        }
        let mut burst = Vec::new();
        while port.receive(&mut burst) > 0 {}
        (burst.iter().map(|frame| frame.bytes().to_vec()).collect(), port.done())
    }

    /// What `count` numbered frames become on their way out.
    fn sent(seed: u64, faults: Faults, count: u16) -> (Vec<Vec<u8>>, FarEnd, Pool) {
        let pool = Pool::default();
        let (port, end) = MemoryPort::connected(&pool);
        let mut port = Chaos::new(port, seed, NONE, faults);
        for number in 0..count {
            let mut burst = vec![pool.frame(&[&number.to_be_bytes()[..], &[0; 58]].concat()).expect("a buffer")];
            assert_eq!(port.transmit(&mut burst), 1);
        }
        port.receive(&mut Vec::new());
        (end.collect(), end, pool)
    }

    fn numbers(frames: &[Vec<u8>]) -> Vec<u16> {
        frames.iter().map(|frame| u16::from_be_bytes([frame[0], frame[1]])).collect()
    }

    #[test]
    fn without_faults_it_is_the_port_it_wraps() {
        assert_eq!(numbers(&received(1, NONE, 200).0), (0..200).collect::<Vec<_>>());
        assert_eq!(numbers(&sent(1, NONE, 200).0), (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn one_seed_is_one_day() {
        assert_eq!(received(7, BAD, 500).0, received(7, BAD, 500).0);
        assert_ne!(received(7, BAD, 500).0, received(8, BAD, 500).0);
        assert_eq!(sent(7, BAD, 500).0, sent(7, BAD, 500).0);
    }

    #[test]
    fn each_fault_does_what_it_says_and_is_counted() {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as usize;
        let (frames, done) = received(3, Faults { loss: 250, ..NONE }, 1000);
        assert_eq!(frames.len(), 1000 - load(&done.lost));
        assert!((200..300).contains(&load(&done.lost)), "{done:?}");

        let (frames, done) = received(3, Faults { duplication: 250, ..NONE }, 1000);
        assert_eq!(frames.len(), 1000 + load(&done.duplicated));
        assert!((200..300).contains(&load(&done.duplicated)), "{done:?}");

        let (frames, done) = received(3, Faults { reordering: 250, ..NONE }, 1000);
        let found = numbers(&frames);
        let overtaken = found.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!(overtaken > 150 && overtaken <= load(&done.reordered), "{overtaken} {done:?}");
        assert_eq!(numbers(&sorted(frames)), (0..1000).collect::<Vec<_>>());

        let (frames, done) = received(3, Faults { damage: 250, ..NONE }, 1000);
        let wrong = (0..).zip(&frames).filter(|(number, frame)| bits_wrong(*number, frame) == 1).count();
        assert_eq!(wrong, load(&done.damaged));
        assert!((200..300).contains(&wrong), "{done:?}");
    }

    fn sorted(mut frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        frames.sort();
        frames
    }

    fn bits_wrong(number: u16, frame: &[u8]) -> u32 {
        let expected = [&number.to_be_bytes()[..], &[0; 58]].concat();
        frame.iter().zip(expected).map(|(one, other)| (one ^ other).count_ones()).sum()
    }

    #[test]
    fn a_late_frame_that_nothing_follows_goes_with_the_next_turn() {
        let all_late = Faults { reordering: 1000, ..NONE };
        assert_eq!(numbers(&sent(1, all_late, 3).0), [1, 0, 2]);
        assert_eq!(numbers(&received(1, all_late, 1).0), Vec::<u16>::new(), "the turn it came in");
        let (port, end) = MemoryPort::connected(&Pool::default());
        let mut port = Chaos::new(port, 1, all_late, NONE);
        end.inject(&[1; 60]);
        let mut burst = Vec::new();
        assert_eq!((port.receive(&mut burst), port.receive(&mut burst)), (0, 1));
    }

    #[test]
    fn a_full_port_is_full_and_nothing_is_forgotten() {
        let (port, end) = MemoryPort::connected(&Pool::default());
        end.set_capacity(3);
        let mut port = Chaos::new(port, 1, NONE, NONE);
        let mut burst: Vec<_> = (0..5).map(|_| port.allocate(60).expect("a buffer")).collect();
        assert_eq!(port.transmit(&mut burst), 5, "it takes one burst ahead");
        burst.extend(port.allocate(60));
        assert_eq!(port.transmit(&mut burst), 0);
        assert_eq!(end.collect().len(), 3);
        assert_eq!(port.transmit(&mut burst), 1);
        assert_eq!(end.collect().len(), 3);
    }

    #[test]
    fn every_buffer_comes_home() {
        let (_, end, pool) = sent(5, BAD, 1000);
        end.collect();
        assert_eq!(pool.in_use(), 0);
    }
}
