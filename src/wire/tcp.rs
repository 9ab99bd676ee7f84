//! TCP on the wire: segments and sequence arithmetic (RFC 9293 3.1, 3.4).

use super::addr::Protocol;
use super::bytes::{be32, put16, put32};
use super::checksum;
pub use super::facts::Flags;
use super::facts::{Malformed, Segment};
use std::net::Ipv4Addr;

/// The length of a header without options, in bytes.
pub const HEADER: usize = 20;
/// Where in the header the checksum lies.
pub(super) const CHECKSUM: usize = 16;

/// `a` comes at or after `b` in sequence space (modulo 2^32, RFC 9293 3.4).
pub const fn seq_at_or_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) < 1 << 31
}

/// The facts of the segment of `available` bytes whose beginning `payload` holds: all of it, or a first fragment.
#[inline]
pub(super) fn read(payload: &[u8], available: usize) -> Result<Segment, Malformed> {
    let header: &[u8; HEADER] = payload.first_chunk().ok_or(Malformed::TcpHeader)?;
    let header_length = usize::from(header[12] >> 4) * 4;
    if header_length < HEADER || header_length > available {
        return Err(Malformed::TcpHeader);
    }
    Ok(Segment {
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
    let pseudo = checksum::pseudo_header(src.0, dst.0, Protocol::Tcp.number(), HEADER as u16);
    let sum = checksum::combine(checksum::sum(out), pseudo);
    put16(out, CHECKSUM, checksum::field(sum));
}
