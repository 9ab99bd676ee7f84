//! A port whose cable is the replay: one frame in, and what the worker sends.
//!
//! Owns buffers of frames. One thread has both ends; nothing is lost, reordered or kept.

use crate::io::{Frame, Port};
use std::cell::RefCell;
use std::rc::Rc;

/// Bytes before a new frame, for a tag.
const HEADROOM: usize = 16;
/// The longest frame there is: a datagram of 65,535 bytes behind a header with a tag.
pub(super) const LONGEST: usize = 65_535 + 18;

/// One frame in memory of its own.
pub(super) struct FileFrame {
    buffer: Vec<u8>,
    start: usize,
}

impl FileFrame {
    fn new(length: usize) -> FileFrame {
        FileFrame { buffer: vec![0; HEADROOM + length], start: HEADROOM }
    }

    fn of(bytes: &[u8]) -> FileFrame {
        let mut frame = FileFrame::new(bytes.len());
        frame.bytes_mut().copy_from_slice(bytes);
        frame
    }
}

impl Frame for FileFrame {
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..]
    }

    fn extend_front(&mut self, count: usize) -> bool {
        let Some(start) = self.start.checked_sub(count) else { return false };
        self.start = start;
        true
    }

    fn trim_front(&mut self, count: usize) {
        self.start = (self.start + count).min(self.buffer.len());
    }

    fn set_len(&mut self, length: usize) -> bool {
        if length > LONGEST {
            return false;
        }
        self.buffer.resize(self.start + length, 0);
        true
    }
}

/// What the port and the replay share.
#[derive(Default)]
struct Cable {
    waiting: Option<FileFrame>,
    sent: Vec<FileFrame>,
}

/// The port, as the worker has it.
pub(super) struct FilePort(Rc<RefCell<Cable>>);

/// The other end of its cable.
pub(super) struct FarEnd(Rc<RefCell<Cable>>);

impl FilePort {
    /// A port and its far end.
    pub fn connected() -> (FilePort, FarEnd) {
        let cable = Rc::default();
        (FilePort(Rc::clone(&cable)), FarEnd(cable))
    }
}

impl Port for FilePort {
    type Frame = FileFrame;

    fn receive(&mut self, burst: &mut Vec<FileFrame>) -> usize {
        let waiting = self.0.borrow_mut().waiting.take();
        let count = usize::from(waiting.is_some());
        burst.extend(waiting);
        count
    }

    fn transmit(&mut self, burst: &mut Vec<FileFrame>) -> usize {
        let count = burst.len();
        self.0.borrow_mut().sent.append(burst);
        count
    }

    fn allocate(&mut self, length: usize) -> Option<FileFrame> {
        (length <= LONGEST).then(|| FileFrame::new(length))
    }
}

impl FarEnd {
    /// Lets the port receive a frame in its next turn.
    pub fn inject(&self, bytes: &[u8]) {
        self.0.borrow_mut().waiting = Some(FileFrame::of(bytes));
    }

    /// What the port has sent since the last call, oldest first.
    pub fn collect(&self) -> Vec<FileFrame> {
        std::mem::take(&mut self.0.borrow_mut().sent)
    }
}
