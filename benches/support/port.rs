//! A port that never runs dry, in plain memory.
//!
//! Owns [`Supply`], which says what comes in, and [`BenchPort`], a worker's end: frames are copied in from the supply and
//! what is sent is used again.

use super::Frames;
use fairlead::io::{BURST, Frame, Port};
use fairlead::policy::intent::PortId;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

const HEADROOM: usize = 32;
/// Room for a SIP message of some 500 bytes.
const ROOM: usize = 640;

/// A frame that is not long.
pub struct BenchFrame {
    buffer: Box<[u8; HEADROOM + ROOM]>,
    start: usize,
    end: usize,
}

impl Frame for BenchFrame {
    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.end]
    }

    #[inline]
    fn extend_front(&mut self, count: usize) -> bool {
        let fits = count <= self.start;
        self.start -= if fits { count } else { 0 };
        fits
    }

    #[inline]
    fn trim_front(&mut self, count: usize) {
        self.start += count;
    }

    #[inline]
    fn set_len(&mut self, length: usize) -> bool {
        let fits = self.start + length <= self.buffer.len();
        self.end = if fits { self.start + length } else { self.end };
        fits
    }
}

/// What the ports of a bench receive.
#[derive(Default)]
pub struct Supply {
    /// By port: the frames, and which of them is next.
    lanes: RefCell<Vec<(Option<Rc<Frames>>, usize)>>,
    /// Frames a port hands over at once.
    burst: Cell<usize>,
    /// Frames sent.
    sent: Cell<u64>,
    /// Frames that were sent and may be used again.
    stock: RefCell<Vec<BenchFrame>>,
}

impl Supply {
    /// Two ports that receive nothing yet, in bursts of [`BURST`].
    pub fn new() -> Rc<Supply> {
        let supply = Supply::default();
        supply.lanes.replace(vec![(None, 0), (None, 0)]);
        supply.burst.set(BURST);
        Rc::new(supply)
    }

    /// The port receives these frames from now on, over and over; the other port nothing.
    pub fn feed(&self, port: PortId, frames: &Rc<Frames>) {
        let mut lanes = self.lanes.borrow_mut();
        lanes.iter_mut().for_each(|lane| *lane = (None, 0));
        lanes[port.index()] = (Some(Rc::clone(frames)), 0);
    }

    /// Both ports receive frames from now on, over and over.
    pub fn feed_both(&self, frames: &[Rc<Frames>; 2]) {
        self.lanes.replace(frames.iter().map(|frames| (Some(Rc::clone(frames)), 0)).collect());
    }

    /// As [`Supply::feed`], but continues where these frames were left last.
    pub fn feed_from(&self, port: PortId, frames: &Rc<Frames>, at: usize) {
        self.feed(port, frames);
        self.lanes.borrow_mut()[port.index()].1 = at;
    }

    /// How many frames a port hands over at once, 1 to [`BURST`].
    pub fn in_bursts_of(&self, burst: usize) {
        self.burst.set(burst);
    }

    /// Frames sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// The ports of one worker; one that does not receive sends what others hand it.
    pub fn ports(self: &Rc<Supply>, receives: bool) -> Vec<BenchPort> {
        (0..2).map(|at| BenchPort { at, receives, supply: Rc::clone(self) }).collect()
    }
}

/// One port of a worker.
pub struct BenchPort {
    at: usize,
    receives: bool,
    supply: Rc<Supply>,
}

impl BenchPort {
    #[inline]
    fn frame(&self, length: usize) -> BenchFrame {
        let used = self.supply.stock.borrow_mut().pop();
        let buffer = used.map_or_else(|| Box::new([0; HEADROOM + ROOM]), |frame| frame.buffer);
        BenchFrame { buffer, start: HEADROOM, end: HEADROOM + length }
    }
}

impl Port for BenchPort {
    type Frame = BenchFrame;

    #[inline]
    fn receive(&mut self, burst: &mut Vec<BenchFrame>) -> usize {
        if !self.receives {
            return 0;
        }
        let mut lanes = self.supply.lanes.borrow_mut();
        let (Some(frames), next) = &mut lanes[self.at] else { return 0 };
        let count = self.supply.burst.get();
        for _ in 0..count {
            let mut frame = self.frame(frames.length());
            frame.bytes_mut().copy_from_slice(frames.at(*next));
            burst.push(frame);
            *next = if *next + 1 < frames.count() { *next + 1 } else { 0 };
        }
        count
    }

    #[inline]
    fn transmit(&mut self, burst: &mut Vec<BenchFrame>) -> usize {
        let count = burst.len();
        self.supply.sent.set(self.supply.sent.get() + count as u64);
        self.supply.stock.borrow_mut().append(burst);
        count
    }

    fn allocate(&mut self, length: usize) -> Option<BenchFrame> {
        (length <= ROOM).then(|| self.frame(length))
    }
}
