//! What flows have sent, where that is counted.
//!
//! Owns an array beside the slots: who does not count has not a byte more in a flow, and nothing to look at.

use crate::flow::key::Direction;

/// What one side of a flow has sent that has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCount {
    /// Packets; fragments each count.
    pub packets: u64,
    /// Bytes from the IP header on, as they came in.
    pub bytes: u64,
}

/// By the place of the flow, then by [`Direction::index`].
pub(super) struct Counts(Box<[[FlowCount; 2]]>);

impl Counts {
    /// For so many flows.
    pub(super) fn new(capacity: usize) -> Counts {
        // Written one by one, so that the memory is there before the first packet is.
        Counts((0..capacity).map(|_| [FlowCount::default(); 2]).collect())
    }

    /// Another flow has this place from now on.
    pub(super) fn begin(&mut self, at: u32) {
        if let Some(counts) = self.0.get_mut(at as usize) {
            *counts = [FlowCount::default(); 2];
        }
    }

    #[inline(always)]
    pub(super) fn add(&mut self, at: u32, side: Direction, bytes: u16) {
        if let Some(counts) = self.0.get_mut(at as usize) {
            let count = &mut counts[side.index()];
            count.packets += 1;
            count.bytes += u64::from(bytes);
        }
    }

    pub(super) fn of(&self, at: u32) -> Option<[FlowCount; 2]> {
        self.0.get(at as usize).copied()
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}
