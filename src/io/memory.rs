//! A port made of two lists.
//!
//! Owns [`MemoryPort`], what a worker holds; [`FarEnd`], what a test or a simulation holds of the same port: it injects
//! frames and collects what was sent; and [`Pool`], a budget of buffers that come back when their frame is dropped, so
//! that running out and leaking can both be seen. Once a pool has handed out a buffer it is recycled, never freed: a
//! warm port allocates nothing. Never loses or reorders anything.

use super::port::{BURST, Frame, Port};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes before a new frame, as a DPDK buffer has them.
pub const HEADROOM: usize = 128;

/// The longest frame of a [`Pool::default`] pool, in bytes, headroom not counted.
pub const ROOM: usize = 2048;

/// How many buffers a [`Pool::default`] pool has.
pub const BUFFERS: usize = 8192;

/// A budget of buffers, shared by the ports made with it. A clone is another handle to the same buffers.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shelf>,
}

struct Shelf {
    budget: usize,
    room: usize,
    stock: Mutex<Stock>,
}

/// What a pool has left.
struct Stock {
    /// Used before, waiting for the next frame.
    idle: Vec<Box<[u8]>>,
    /// In somebody's hands.
    out: usize,
}

impl Pool {
    /// `budget` buffers, each for a frame of up to `room` bytes and [`HEADROOM`].
    pub fn new(budget: usize, room: usize) -> Pool {
        let stock = Mutex::new(Stock { idle: Vec::new(), out: 0 });
        Pool { shared: Arc::new(Shelf { budget, room, stock }) }
    }

    /// How many buffers nobody holds.
    pub fn available(&self) -> usize {
        self.shared.budget - self.in_use()
    }

    /// How many frames are alive.
    pub fn in_use(&self) -> usize {
        self.shared.stock.lock().out
    }

    /// A frame of `length` cleared bytes; `None` when the budget is spent or the buffers are too small.
    pub fn allocate(&self, length: usize) -> Option<MemoryFrame> {
        let mut frame = self.take(length)?;
        frame.bytes_mut().fill(0);
        Some(frame)
    }

    /// A frame that holds `bytes`; `None` as in [`Pool::allocate`].
    pub fn frame(&self, bytes: &[u8]) -> Option<MemoryFrame> {
        let mut frame = self.take(bytes.len())?;
        frame.bytes_mut().copy_from_slice(bytes);
        Some(frame)
    }

    fn take(&self, length: usize) -> Option<MemoryFrame> {
        if length > self.shared.room {
            return None;
        }
        let mut stock = self.shared.stock.lock();
        if stock.out == self.shared.budget {
            return None;
        }
        stock.out += 1;
        let size = HEADROOM + self.shared.room;
        let buffer = stock.idle.pop().unwrap_or_else(|| vec![0; size].into_boxed_slice());
        Some(MemoryFrame { buffer, start: HEADROOM, end: HEADROOM + length, home: self.clone() })
    }
}

impl Default for Pool {
    fn default() -> Pool {
        Pool::new(BUFFERS, ROOM)
    }
}

/// One frame in a buffer of a [`Pool`]; the buffer goes back when the frame is dropped.
pub struct MemoryFrame {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    home: Pool,
}

impl Frame for MemoryFrame {
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.end]
    }

    fn extend_front(&mut self, count: usize) -> bool {
        let Some(start) = self.start.checked_sub(count) else { return false };
        self.start = start;
        true
    }

    fn trim_front(&mut self, count: usize) {
        debug_assert!(count <= self.end - self.start, "{count} bytes off a frame of {}", self.end - self.start);
        self.start = (self.start + count).min(self.end);
    }

    fn set_len(&mut self, length: usize) -> bool {
        if length > self.buffer.len() - self.start {
            return false;
        }
        self.end = self.start + length;
        true
    }
}

impl Drop for MemoryFrame {
    fn drop(&mut self) {
        let mut stock = self.home.shared.stock.lock();
        stock.out -= 1;
        stock.idle.push(std::mem::take(&mut self.buffer));
    }
}

/// One queue pair of a port in memory, as a worker uses it.
pub struct MemoryPort {
    /// What waits for this queue; `None`: it has no receive queue.
    waiting: Option<Arc<Mutex<VecDeque<MemoryFrame>>>>,
    link: Arc<Link>,
}

/// What the queues of one port and its far end share.
struct Link {
    pool: Pool,
    sent: Mutex<Sent>,
}

struct Sent {
    frames: VecDeque<MemoryFrame>,
    capacity: usize,
}

/// The other end of a [`MemoryPort`]'s cable. A clone is another hand on the same end.
#[derive(Clone)]
pub struct FarEnd {
    waiting: Arc<Mutex<VecDeque<MemoryFrame>>>,
    link: Arc<Link>,
}

impl MemoryPort {
    /// A port with one queue, buffers from `pool`, and its far end. The transmit queue is as long as memory.
    pub fn connected(pool: &Pool) -> (MemoryPort, FarEnd) {
        let sent = Mutex::new(Sent { frames: VecDeque::new(), capacity: usize::MAX });
        let link = Arc::new(Link { pool: pool.clone(), sent });
        let waiting = Arc::default();
        (MemoryPort { waiting: Some(Arc::clone(&waiting)), link: Arc::clone(&link) }, FarEnd { waiting, link })
    }

    /// Another worker's queue on the same port: it receives nothing, and what it sends joins what the first one sends.
    pub fn transmit_only(&self) -> MemoryPort {
        MemoryPort { waiting: None, link: Arc::clone(&self.link) }
    }

    /// Another worker's queue on the same port with a receive queue of its own, which the returned end feeds. What
    /// either sends can be collected at either end.
    pub fn another(&self) -> (MemoryPort, FarEnd) {
        let waiting = Arc::default();
        let end = FarEnd { waiting: Arc::clone(&waiting), link: Arc::clone(&self.link) };
        (MemoryPort { waiting: Some(waiting), link: Arc::clone(&self.link) }, end)
    }
}

impl Port for MemoryPort {
    type Frame = MemoryFrame;

    fn receive(&mut self, burst: &mut Vec<MemoryFrame>) -> usize {
        let Some(waiting) = &self.waiting else { return 0 };
        let mut waiting = waiting.lock();
        let count = waiting.len().min(BURST);
        burst.extend(waiting.drain(..count));
        count
    }

    fn transmit(&mut self, burst: &mut Vec<MemoryFrame>) -> usize {
        let mut sent = self.link.sent.lock();
        let count = burst.len().min(sent.capacity.saturating_sub(sent.frames.len()));
        sent.frames.extend(burst.drain(..count));
        count
    }

    fn allocate(&mut self, length: usize) -> Option<MemoryFrame> {
        self.link.pool.allocate(length)
    }
}

impl FarEnd {
    /// Lets the port receive `bytes` after what waits already; `false`, and nothing happened, when the pool has no
    /// buffer left or none as large.
    pub fn inject(&self, bytes: &[u8]) -> bool {
        let Some(frame) = self.link.pool.frame(bytes) else { return false };
        self.waiting.lock().push_back(frame);
        true
    }

    /// The oldest frame sent and not yet collected.
    pub fn collect_one(&self) -> Option<Vec<u8>> {
        let frame = self.link.sent.lock().frames.pop_front();
        frame.map(|frame| frame.bytes().to_vec())
    }

    /// Every frame sent and not yet collected, oldest first.
    pub fn collect(&self) -> Vec<Vec<u8>> {
        let frames = std::mem::take(&mut self.link.sent.lock().frames);
        frames.iter().map(|frame| frame.bytes().to_vec()).collect()
    }

    /// How many frames were sent and not yet collected.
    pub fn sent(&self) -> usize {
        self.link.sent.lock().frames.len()
    }

    /// How many injected frames the port has not yet received.
    pub fn waiting(&self) -> usize {
        self.waiting.lock().len()
    }

    /// Lets the transmit queue take frames only until `capacity` wait to be collected.
    pub fn set_capacity(&self, capacity: usize) {
        self.link.sent.lock().capacity = capacity;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> (MemoryPort, FarEnd) {
        MemoryPort::connected(&Pool::default())
    }

    #[test]
    fn what_is_injected_is_received_in_order_and_a_burst_at_a_time() {
        let (mut port, end) = port();
        for number in 0..100_u8 {
            assert!(end.inject(&[number; 60]));
        }
        let mut burst = Vec::new();
        assert_eq!(port.receive(&mut burst), BURST);
        assert_eq!(end.waiting(), 100 - BURST);
        assert_eq!(port.receive(&mut burst), 100 - BURST);
        assert_eq!(port.receive(&mut burst), 0);
        let firsts: Vec<u8> = burst.iter().map(|frame| frame.bytes()[0]).collect();
        assert_eq!(firsts, (0..100).collect::<Vec<u8>>());
    }

    #[test]
    fn transmit_takes_from_the_front_until_the_queue_is_full() {
        let (mut port, end) = port();
        end.set_capacity(3);
        let mut burst: Vec<_> = (0..5).map(|_| port.allocate(60).expect("a buffer")).collect();
        for (number, frame) in (0..).zip(&mut burst) {
            frame.bytes_mut()[0] = number;
        }
        assert_eq!(port.transmit(&mut burst), 3);
        assert_eq!(burst.iter().map(|frame| frame.bytes()[0]).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(port.transmit(&mut burst), 0);
        assert_eq!(end.collect().iter().map(|bytes| bytes[0]).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(port.transmit(&mut burst), 2);
        assert_eq!(end.sent(), 2);
        assert_eq!(end.collect_one().map(|bytes| bytes[0]), Some(3));
    }

    #[test]
    fn both_ends_of_a_frame_move_within_its_buffer_only() {
        let pool = Pool::new(1, 100);
        let mut frame = pool.frame(&[1, 2, 3, 4]).expect("a buffer");
        assert!(frame.extend_front(4));
        frame.bytes_mut()[..4].copy_from_slice(&[9, 9, 9, 9]);
        assert_eq!(frame.bytes(), [9, 9, 9, 9, 1, 2, 3, 4]);
        frame.trim_front(6);
        assert_eq!(frame.bytes(), [3, 4]);
        assert!(frame.set_len(1));
        assert_eq!(frame.bytes(), [3]);
        assert!(frame.set_len(98));
        assert!(!frame.set_len(99), "two bytes were trimmed from a room of 100");
        assert_eq!(frame.bytes().len(), 98);
        assert!(!frame.extend_front(HEADROOM + 3));
        assert!(frame.extend_front(HEADROOM + 2));
        assert_eq!(frame.bytes().len(), 98 + HEADROOM + 2);
    }

    #[test]
    fn a_spent_budget_is_none_and_every_buffer_comes_home() {
        let pool = Pool::new(2, 100);
        let (mut port, end) = MemoryPort::connected(&pool);
        assert!(port.allocate(101).is_none(), "no buffer is as large");
        assert!(end.inject(&[1; 60]));
        let held = port.allocate(60).expect("the second buffer");
        assert!(port.allocate(60).is_none());
        assert!(!end.inject(&[2; 60]));
        drop(held);
        let mut burst = Vec::new();
        port.receive(&mut burst);
        port.transmit(&mut burst);
        assert_eq!(pool.in_use(), 1);
        end.collect();
        assert_eq!((pool.in_use(), pool.available()), (0, 2));
    }

    #[test]
    fn a_new_frame_shows_nothing_of_the_one_before() {
        let pool = Pool::new(1, 100);
        drop(pool.frame(&[0xff; 100]));
        assert_eq!(pool.allocate(100).expect("a buffer").bytes(), [0; 100]);
    }

    #[test]
    fn queues_of_one_port_receive_apart_and_send_together() {
        let (mut first, end) = port();
        let (mut second, second_end) = first.another();
        let mut third = first.transmit_only();
        assert!(second_end.inject(&[2; 60]));
        let mut burst = Vec::new();
        assert_eq!((first.receive(&mut burst), third.receive(&mut burst), second.receive(&mut burst)), (0, 0, 1));
        second.transmit(&mut burst);
        burst.extend(third.allocate(60));
        third.transmit(&mut burst);
        assert_eq!(end.collect(), [vec![2; 60], vec![0; 60]]);
    }
}
