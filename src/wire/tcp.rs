//! TCP on the wire: segments and sequence arithmetic (RFC 9293 3.1, 3.4).

use super::addr::Protocol;
use super::bytes::{be16, be32, put16, put32};
use super::checksum;
pub use super::facts::Flags;
use super::facts::{Malformed, Segment};
use std::net::Ipv4Addr;

/// The length of a header without options, in bytes.
pub const HEADER: usize = 20;
/// Where in the header the checksum lies.
pub(super) const CHECKSUM: usize = 16;

const OPTION_END: u8 = 0;
const OPTION_NOTHING: u8 = 1;
const OPTION_MSS: u8 = 2;

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

/// Lowers each maximum segment size that a SYN offers (RFC 9293 3.7.1) to `most`, if it offers more; one that offers none stays as it is. No
/// honest SYN has two, but of one that does a receiver may heed either. The checksum is updated by difference, so what was wrong on arrival
/// stays wrong. `segment` begins at the TCP header. Says whether anything was changed.
pub fn lower_mss(segment: &mut [u8], most: u16) -> bool {
    let Some(&offset) = segment.get(12) else { return false };
    let length = (usize::from(offset >> 4) * 4).min(segment.len());
    let (mut at, mut changed) = (HEADER, false);
    while at < length {
        let size = match segment[at] {
            OPTION_END => break,
            OPTION_NOTHING => 1,
            // One that is cut off, or would never end, is the receiver's to judge.
            _ => match segment.get(at + 1) {
                Some(&size) if size >= 2 && at + usize::from(size) <= length => usize::from(size),
                _ => break,
            },
        };
        if segment[at] == OPTION_MSS && size == 4 {
            changed |= write_lower(segment, at + 2, most);
        }
        at += size;
    }
    changed
}

fn write_lower(segment: &mut [u8], at: usize, most: u16) -> bool {
    let offered = be16(segment, at);
    if offered <= most {
        return false;
    }
    put16(segment, at, most);
    // At an odd place the value lies across two words of the sum: the same, with its bytes exchanged (RFC 1071 2(B)).
    let as_summed = |value: u16| if at.is_multiple_of(2) { value } else { value.swap_bytes() };
    let delta = checksum::delta(&[as_summed(offered)], &[as_summed(most)]);
    let field = checksum::update(be16(segment, CHECKSUM), delta);
    put16(segment, CHECKSUM, field);
    true
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

#[cfg(test)]
mod tests {
    use super::super::build::Build;
    use super::super::{Packet, check};
    use super::*;
    use proptest::prelude::*;

    fn syn(options: &[u8]) -> Build {
        Build::tcp("10.0.0.1:1", "10.0.0.2:2", Flags::SYN, 1, 0).tcp_options(options)
    }

    fn lowered(options: &[u8], most: u16) -> (bool, Vec<u8>) {
        let mut bytes = syn(options).bytes();
        let packet = Packet::parse(&bytes).unwrap();
        let changed = lower_mss(&mut bytes[usize::from(packet.l4)..usize::from(packet.end)], most);
        (changed, bytes)
    }

    #[test]
    fn what_is_offered_is_only_lowered() {
        for (options, most, expected) in [
            (&[2, 4, 5, 0xb4][..], 1400, &[2, 4, 5, 0x78][..]),
            (&[2, 4, 5, 0xb4], 1460, &[2, 4, 5, 0xb4]),
            (&[2, 4, 4, 0], 1400, &[2, 4, 4, 0]),
            // Behind others, at an odd place, and behind the end.
            (&[4, 2, 3, 3, 7, 2, 4, 5, 0xb4], 1400, &[4, 2, 3, 3, 7, 2, 4, 5, 0x78]),
            (&[1, 2, 4, 5, 0xb4], 536, &[1, 2, 4, 2, 0x18]),
            (&[0, 2, 4, 5, 0xb4], 536, &[0, 2, 4, 5, 0xb4]),
            (&[], 536, &[]),
            // Twice, or three times, if only the last one is too much.
            (&[2, 4, 5, 0xb4, 2, 4, 6, 0], 1400, &[2, 4, 5, 0x78, 2, 4, 5, 0x78]),
            (&[2, 4, 4, 0, 1, 2, 4, 4, 0, 2, 4, 6, 0], 1400, &[2, 4, 4, 0, 1, 2, 4, 4, 0, 2, 4, 5, 0x78]),
            // What is malformed stays, and what is behind it.
            (&[2, 4, 5, 0xb4, 8, 0, 2, 4, 5, 0xb4], 536, &[2, 4, 2, 0x18, 8, 0, 2, 4, 5, 0xb4]),
            (&[8, 0, 2, 4, 5, 0xb4], 536, &[8, 0, 2, 4, 5, 0xb4]),
            (&[2, 3, 5, 0xb4], 536, &[2, 3, 5, 0xb4]),
            (&[1, 1, 1, 2], 536, &[1, 1, 1, 2]),
        ] {
            let (changed, bytes) = lowered(options, most);
            assert_eq!(bytes, syn(expected).bytes(), "{options:?}");
            assert_eq!(changed, options != expected);
        }
    }

    proptest! {
        #[test]
        fn whatever_options_there_are_the_checksum_stays_right(
            options in proptest::collection::vec(any::<u8>(), 0..=40),
            most in 1_u16..=9_000,
        ) {
            let (_, bytes) = lowered(&options, most);
            prop_assert_eq!(check::whole(&bytes), Ok(()));
            let packet = Packet::parse(&bytes).unwrap();
            let mut again = bytes[usize::from(packet.l4)..usize::from(packet.end)].to_vec();
            prop_assert!(!lower_mss(&mut again, most));
        }
    }
}
