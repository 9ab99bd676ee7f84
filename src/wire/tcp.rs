//! TCP on the wire: control bits and sequence arithmetic (RFC 9293 3.1, 3.4).

use super::bytes::{be16, be32, put16, put32};
use super::checksum;
use super::headers::{Malformed, Segment};
use super::ipv4;
use std::fmt;
use std::net::Ipv4Addr;

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
    /// Neither begins nor ends anything: data, or a mere acknowledgement.
    #[inline]
    pub const fn is_data(self) -> bool {
        self.0 & (Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0) == 0
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

/// The facts of the segment of `available` bytes whose beginning `payload` holds: all of it, or a first piece.
#[inline]
pub(super) fn read(payload: &[u8], available: usize) -> Result<Segment, Malformed> {
    let header: &[u8; HEADER] = payload.first_chunk().ok_or(Malformed::TcpHeader)?;
    let header_length = usize::from(header[12] >> 4) * 4;
    if header_length < HEADER || header_length > available {
        return Err(Malformed::TcpHeader);
    }
    Ok(Segment {
        src_port: be16(header, 0),
        dst_port: be16(header, 2),
        seq: be32(header, 4),
        ack: be32(header, 8),
        flags: Flags(header[13]),
        payload: (available - header_length) as u16,
    })
}

/// Writes a reset without options or window into the first [`HEADER`] bytes of `out`, its checksum made. With `ack` it
/// acknowledges (RFC 9293 3.5.2).
pub(super) fn write_reset(out: &mut [u8], src: (Ipv4Addr, u16), dst: (Ipv4Addr, u16), seq: u32, ack: Option<u32>) {
    let out = &mut out[..HEADER];
    out.fill(0);
    put16(out, 0, src.1);
    put16(out, 2, dst.1);
    put32(out, 4, seq);
    put32(out, 8, ack.unwrap_or(0));
    out[12] = (HEADER / 4 * 16) as u8;
    out[13] = if ack.is_some() { Flags::RST.with(Flags::ACK).0 } else { Flags::RST.0 };
    let pseudo = checksum::pseudo_header(src.0, dst.0, ipv4::TCP, HEADER as u16);
    let sum = checksum::combine(checksum::sum(out), pseudo);
    put16(out, CHECKSUM, checksum::field(sum));
}
