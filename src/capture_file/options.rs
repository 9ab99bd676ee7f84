//! The options at the end of a block of pcapng: code, length, value, padded to four bytes (draft-ietf-opsawg-pcapng 3.5).
//!
//! Owns the walk over them and how one is written. What a code means is the block's to say.

use super::format::{Order, option};
use std::ops::Range;

/// One option: where its value stands in the block.
pub(super) struct Found {
    pub code: u16,
    pub value: Range<usize>,
}

/// Walks over the options of `block` from `at` on. Ends at the end of options or of the block; an option that is longer than
/// the block is `Err`, with where it begins, and the last.
pub(super) struct Options<'a> {
    pub block: &'a [u8],
    pub at: usize,
    pub order: Order,
}

impl Iterator for Options<'_> {
    type Item = Result<Found, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        // What is too short to be an option is padding.
        if self.at.checked_add(4)? > self.block.len() {
            return None;
        }
        let (code, length) = (self.order.u16(self.block, self.at), self.order.u16(self.block, self.at + 2));
        let value = self.at + 4..self.at + 4 + usize::from(length);
        let begin = std::mem::replace(&mut self.at, value.end.next_multiple_of(4));
        if code == option::END {
            self.at = self.block.len();
            return None;
        }
        if value.end > self.block.len() {
            self.at = self.block.len();
            return Some(Err(begin));
        }
        Some(Ok(Found { code, value }))
    }
}

/// Writes an option into a block that is being made.
pub(super) fn put(block: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    block.extend_from_slice(&code.to_le_bytes());
    block.extend_from_slice(&(value.len() as u16).to_le_bytes());
    block.extend_from_slice(value);
    pad(block);
}

/// Ends the options of a block that is being made.
pub(super) fn put_end(block: &mut Vec<u8>) {
    block.extend_from_slice(&[0; 4]);
}

/// Fills a block that is being made to a multiple of four bytes.
pub(super) fn pad(block: &mut Vec<u8>) {
    block.resize(block.len().next_multiple_of(4), 0);
}
