//! The blocks of pcapng that say something of packets (draft-ietf-opsawg-pcapng 4).
//!
//! Owns their fields: from the bytes of one block to values. Which block comes next, and what was said before, is the reader's.

use super::error::Fault;
use super::format::{Order, block, option};
use super::options::Options;
use super::packet::{Clock, Direction, Interface};
use std::ops::Range;

/// How much of an interface's name is kept, in bytes.
const MOST_NAME: usize = 256;

/// What is wrong, and where in the block.
pub(super) type Wrong = (usize, Fault);

/// A packet's fields; ranges are of its block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fields {
    pub interface: u32,
    pub stamp: Option<u64>,
    pub bytes: Range<usize>,
    pub original: u32,
    pub direction: Option<Direction>,
    pub drops: Option<u64>,
    pub comment: Option<Range<usize>>,
    /// How many bytes at the end of the frame on the wire are its checksum.
    pub fcs: usize,
}

/// The least that a block of this type takes, with both lengths; `None` for types that are passed over.
pub(super) fn least(kind: u32) -> Option<u32> {
    match kind {
        block::SECTION => Some(28),
        block::INTERFACE => Some(20),
        block::PACKET | block::ENHANCED => Some(32),
        block::SIMPLE => Some(16),
        _ => None,
    }
}

/// The order of bytes of a section, from the mark in its header.
pub(super) fn order(mark: [u8; 4]) -> Result<Order, Fault> {
    match u32::from_be_bytes(mark) {
        block::BYTE_ORDER => Ok(Order::Big),
        swapped if swapped.swap_bytes() == block::BYTE_ORDER => Ok(Order::Little),
        other => Err(Fault::ByteOrder(other)),
    }
}

/// Checks a section's header; `block` is without its trailing length, as everywhere here.
pub(super) fn section(block: &[u8], order: Order) -> Result<(), Wrong> {
    let (major, minor) = (order.u16(block, 12), order.u16(block, 14));
    // 1.2 is written by some programs and is the same as 1.0 (draft-ietf-opsawg-pcapng 4.1).
    if major != 1 || !matches!(minor, 0 | 2) {
        return Err((12, Fault::Version { format: "pcapng", major, minor, read: "1.0" }));
    }
    Ok(())
}

/// Reads the description of an interface.
pub(super) fn interface(block: &[u8], order: Order) -> Result<Interface, Wrong> {
    let (mut name, mut clock, mut offset) = (None, Clock::of_resolution(6), 0);
    for found in (Options { block, at: 16, order }) {
        let found = found.map_err(|at| (at, Fault::Overlong("an option of an interface")))?;
        let value = &block[found.value];
        match (found.code, value) {
            (option::INTERFACE_NAME, _) if name.is_none() => name = text(value),
            (option::INTERFACE_RESOLUTION, [resolution, ..]) => clock = Clock::of_resolution(*resolution),
            (option::INTERFACE_OFFSET, [_, _, _, _, _, _, _, _]) => offset = order.u64(value, 0).cast_signed(),
            _ => {}
        }
    }
    let (link, snap_length) = (order.u16(block, 8), order.u32(block, 12));
    Ok(Interface { name, link, snap_length, clock: Clock { offset, ..clock } })
}

/// Reads an Enhanced Packet Block.
pub(super) fn enhanced(block: &[u8], order: Order) -> Result<Fields, Wrong> {
    packet(block, order, order.u32(block, 8), None)
}

/// Reads a Packet Block, which is obsolete: the same but for the number of its interface, and how many were lost beside it.
pub(super) fn obsolete(block: &[u8], order: Order) -> Result<Fields, Wrong> {
    let drops = Some(order.u16(block, 10)).filter(|drops| *drops != u16::MAX);
    packet(block, order, u32::from(order.u16(block, 8)), drops.map(u64::from))
}

/// Reads a Simple Packet Block: a packet of the first interface, without a time. How much of it was kept follows from how much
/// that interface keeps.
pub(super) fn simple(block: &[u8], order: Order, snap_length: u32) -> Result<Fields, Wrong> {
    let original = order.u32(block, 8);
    let kept = if snap_length == 0 { original } else { original.min(snap_length) } as usize;
    let bytes = 12..12usize.saturating_add(kept);
    if bytes.end > block.len() {
        return Err((8, Fault::Overlong("a packet")));
    }
    let nothing =
        Fields { interface: 0, stamp: None, bytes, original, direction: None, drops: None, comment: None, fcs: 0 };
    Ok(nothing)
}

fn packet(block: &[u8], order: Order, interface: u32, drops: Option<u64>) -> Result<Fields, Wrong> {
    let stamp = u64::from(order.u32(block, 12)) << 32 | u64::from(order.u32(block, 16));
    let (captured, original) = (order.u32(block, 20), order.u32(block, 24));
    let bytes = 28..28usize.saturating_add(captured as usize);
    if bytes.end > block.len() {
        return Err((20, Fault::Overlong("a packet")));
    }
    let at = bytes.end.next_multiple_of(4);
    let original = original.max(captured);
    let mut fields =
        Fields { interface, stamp: Some(stamp), bytes, original, direction: None, drops, comment: None, fcs: 0 };
    for found in (Options { block, at, order }) {
        let found = found.map_err(|at| (at, Fault::Overlong("an option of a packet")))?;
        match (found.code, found.value.len()) {
            (option::COMMENT, 1..) if fields.comment.is_none() => fields.comment = Some(found.value),
            (option::PACKET_FLAGS, 4) => {
                let flags = order.u32(block, found.value.start);
                fields.direction = Direction::of_flags(flags);
                fields.fcs = (flags >> 5 & 0xf) as usize;
            }
            (option::PACKET_DROPS, 8) => fields.drops = Some(order.u64(block, found.value.start)),
            _ => {}
        }
    }
    Ok(fields)
}

/// A name as a file has it; what is no UTF-8 is replaced, what is too long is cut. Some programs end it with a zero.
fn text(value: &[u8]) -> Option<String> {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len()).min(MOST_NAME);
    Some(String::from_utf8_lossy(&value[..end]).into_owned()).filter(|name| !name.is_empty())
}
