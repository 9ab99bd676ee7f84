//! TCP on the wire: control bits and sequence arithmetic (RFC 9293 3.1, 3.4).

use super::bytes::{be16, be32};
use super::headers::{Malformed, Segment};
use std::fmt;

/// The length of a header without options, in bytes.
pub const HEADER: usize = 20;
/// Where in the header the checksum lies.
pub(super) const CHECKSUM: usize = 16;

/// The control bits of a segment.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Flags = Flags(0x01);
    /// Synchronize sequence numbers.
    pub const SYN: Flags = Flags(0x02);
    /// Reset the connection.
    pub const RST: Flags = Flags(0x04);
    /// Push.
    pub const PSH: Flags = Flags(0x08);
    /// The acknowledgement number is meaningful.
    pub const ACK: Flags = Flags(0x10);

    /// Both sets of bits.
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
    /// FIN is set.
    pub const fn fin(self) -> bool {
        self.0 & Flags::FIN.0 != 0
    }
    /// SYN is set.
    pub const fn syn(self) -> bool {
        self.0 & Flags::SYN.0 != 0
    }
    /// RST is set.
    pub const fn rst(self) -> bool {
        self.0 & Flags::RST.0 != 0
    }
    /// ACK is set.
    pub const fn ack(self) -> bool {
        self.0 & Flags::ACK.0 != 0
    }
    /// The segment asks for a new connection: SYN without ACK or RST.
    pub const fn opens(self) -> bool {
        self.syn() && !self.ack() && !self.rst()
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
        let set: Vec<_> = names.iter().enumerate().filter(|(bit, _)| self.0 >> bit & 1 == 1).map(|(_, n)| *n).collect();
        f.write_str(&set.join("|"))
    }
}

/// `a` comes at or after `b` in sequence space (modulo 2^32, RFC 9293 3.4).
pub const fn seq_at_or_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) < 1 << 31
}

/// The facts of the segment that `payload` holds.
#[inline]
pub(super) fn read(payload: &[u8]) -> Result<Segment, Malformed> {
    let header: &[u8; HEADER] = payload.first_chunk().ok_or(Malformed::TcpHeader)?;
    let header_length = usize::from(header[12] >> 4) * 4;
    if header_length < HEADER || header_length > payload.len() {
        return Err(Malformed::TcpHeader);
    }
    Ok(Segment {
        src_port: be16(header, 0),
        dst_port: be16(header, 2),
        seq: be32(header, 4),
        ack: be32(header, 8),
        flags: Flags(header[13]),
        payload: (payload.len() - header_length) as u16,
    })
}
