//! pcap, as draft-ietf-opsawg-pcap describes it: a header, and packets one after the other.
//!
//! Owns its fields. Both orders of bytes, micro- and nanoseconds.

use super::error::Fault;
use super::format::{ETHERNET, MOST_PACKET, Order};
use super::packet::{Clock, Interface};

/// Length of the file's header, in bytes.
pub(super) const HEADER: usize = 24;
/// Length of a packet's header, in bytes.
pub(super) const RECORD: usize = 16;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub order: Order,
    /// What a fraction of a second counts, in nanoseconds.
    pub unit: u64,
    pub interface: Interface,
    /// How many bytes of each packet are a frame checksum.
    pub fcs: usize,
}

/// A packet's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub at: u64,
    pub captured: usize,
    pub original: u32,
}

/// Byte order and unit in nanoseconds, if these are the first bytes of a pcap file.
pub(super) fn magic(first: [u8; 4]) -> Option<(Order, u64)> {
    match u32::from_be_bytes(first) {
        0xa1b2_c3d4 => Some((Order::Big, 1_000)),
        0xd4c3_b2a1 => Some((Order::Little, 1_000)),
        0xa1b2_3c4d => Some((Order::Big, 1)),
        0x4d3c_b2a1 => Some((Order::Little, 1)),
        _ => None,
    }
}

/// Reads the header, of [`HEADER`] bytes.
pub(super) fn header(bytes: &[u8], order: Order, unit: u64) -> Result<Header, Fault> {
    let (major, minor) = (order.u16(bytes, 4), order.u16(bytes, 6));
    if (major, minor) != (2, 4) {
        return Err(Fault::Version { format: "pcap", major, minor, read: "2.4" });
    }
    let information = order.u32(bytes, 20);
    let link = (information & 0xffff) as u16;
    if link != ETHERNET {
        return Err(Fault::Link(link));
    }
    // The highest four bits count the words of a frame checksum if the bit below them says so.
    let fcs = if information >> 26 & 1 == 1 { (information >> 28) as usize * 2 } else { 0 };
    let interface = Interface { name: None, link, snap_length: order.u32(bytes, 16), clock: Clock::of_resolution(9) };
    Ok(Header { order, unit, interface, fcs })
}

impl Header {
    /// Reads a packet's header, of [`RECORD`] bytes.
    pub fn record(&self, bytes: &[u8]) -> Result<Record, Fault> {
        let [seconds, fraction, captured, original] = [0, 4, 8, 12].map(|at| self.order.u32(bytes, at));
        if captured as usize > MOST_PACKET {
            return Err(Fault::PacketTooLong(u64::from(captured)));
        }
        let at = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * self.unit;
        Ok(Record { at, captured: captured as usize, original: original.max(captured) })
    }
}
