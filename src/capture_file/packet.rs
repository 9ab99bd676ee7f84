//! What a capture file says of a packet and of where it was captured.
//!
//! Owns the values that a reader gives and a writer takes. Nothing here knows how they are written.

use std::borrow::Cow;

/// Which way a packet went, seen from who captured it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It was received.
    Inbound,
    /// It was sent.
    Outbound,
}

impl Direction {
    /// From the two lowest bits of a packet's flags (draft-ietf-opsawg-pcapng 4.3.1); `None` where they say nothing.
    pub(super) fn of_flags(flags: u32) -> Option<Self> {
        match flags & 3 {
            1 => Some(Direction::Inbound),
            2 => Some(Direction::Outbound),
            _ => None,
        }
    }

    pub(super) fn flags(self) -> u32 {
        match self {
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        }
    }
}

/// Where packets were captured, as the file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name; a pcap file, and some pcapng files, have none.
    pub name: Option<String>,
    /// The number of its link type in the registry; 1 is Ethernet.
    pub link: u16,
    /// How much of a packet was kept at most, in bytes.
    pub(super) snap_length: u32,
    pub(super) clock: Clock,
}

/// How the time stamps of an interface count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    /// Units a second: a power of ten or of two; `None` where it is more than a number holds, and every time stamp less than
    /// a nanosecond.
    pub units: Option<u128>,
    /// Seconds to add.
    pub offset: i64,
}

impl Clock {
    /// From the option if_tsresol: a power of ten, or of two where the highest bit is set.
    pub fn of_resolution(resolution: u8) -> Self {
        let (base, power) = (if resolution & 0x80 == 0 { 10u128 } else { 2 }, u32::from(resolution & 0x7f));
        Self { units: base.checked_pow(power), offset: 0 }
    }

    /// Nanoseconds since 1970, rounded down; `None` before it, and where 64 bits do not hold it.
    pub fn nanoseconds(self, stamp: u64) -> Option<u64> {
        const SECOND: u128 = 1_000_000_000;
        let since = self.units.map_or(0, |units| u128::from(stamp) * SECOND / units);
        let since = i128::try_from(since).ok()? + i128::from(self.offset) * SECOND as i128;
        u64::try_from(since).ok()
    }
}

/// One packet of a file, good until the next one is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captured<'a> {
    /// Counted from 1 through the whole file, as Wireshark numbers frames.
    pub number: u64,
    /// Which section of the file, counted from 1: interfaces are numbered anew in each.
    pub section: u64,
    /// Which of [`Reader::interfaces`](super::Reader::interfaces).
    pub interface: usize,
    /// What the file says of that.
    pub described: &'a Interface,
    /// Nanoseconds since 1970; `None` where the file does not say (Simple Packet Block).
    pub at: Option<u64>,
    /// Which way it went, if the file says.
    pub direction: Option<Direction>,
    /// How many were lost between this packet and the one before it, if the file says.
    pub drops: Option<u64>,
    /// Length of the frame on the wire, in bytes; more than `bytes` where it was cut.
    pub original_length: u32,
    /// The frame from its destination MAC on, without a frame checksum.
    pub bytes: &'a [u8],
    pub(super) comment: Option<&'a [u8]>,
}

impl<'a> Captured<'a> {
    /// Its first comment; what is no UTF-8 in it is replaced.
    pub fn comment(&self) -> Option<Cow<'a, str>> {
        self.comment.map(String::from_utf8_lossy)
    }

    /// Whether less was kept of it than there was on the wire.
    pub fn is_cut(&self) -> bool {
        (self.bytes.len() as u64) < u64::from(self.original_length)
    }
}
