//! The Internet checksum (RFC 1071) and its change by difference (RFC 1624).
//!
//! Two kinds of 16-bit value pass through here and must not be mixed:
//!
//! * a **sum** is the one's complement sum of 16-bit words; it can be added to others ([`combine`]) and is found nowhere
//!   in a packet. A **delta** is a sum too: that of the complements of the old words and of the new words.
//! * a **field** is what a packet holds: the complement of a sum ([`field`]).
//!
//! Never knows where in a packet a field lies: `rewrite` does.

use std::net::Ipv4Addr;

/// The sum of `bytes` as big-endian words; an odd last byte is followed by a zero (RFC 1071 1).
///
/// Adds eight bytes at a time in the machine's own order and turns the 16-bit outcome once at the end, which RFC 1071
/// 2(B) shows to be the same.
#[inline]
pub fn sum(bytes: &[u8]) -> u16 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let mut total: u64 = 0;
    for eight in eights {
        let word = u64::from_ne_bytes(*eight);
        total += (word & 0xffff_ffff) + (word >> 32);
    }
    let (fours, rest) = rest.as_chunks::<4>();
    total += fours.iter().map(|four| u64::from(u32::from_ne_bytes(*four))).sum::<u64>();
    let (twos, rest) = rest.as_chunks::<2>();
    total += twos.iter().map(|two| u64::from(u16::from_ne_bytes(*two))).sum::<u64>();
    total += rest.iter().map(|last| u64::from(u16::from_ne_bytes([*last, 0]))).sum::<u64>();
    u16::from_be(fold(total))
}

/// The sum of two sums.
#[inline]
pub const fn combine(a: u16, b: u16) -> u16 {
    let (sum, carried) = a.overflowing_add(b);
    sum + carried as u16
}

/// The field that a packet carries for a sum, and the sum that a field is made from: the complement.
#[inline]
pub const fn field(sum: u16) -> u16 {
    !sum
}

/// Whether the sum over some bytes *and* their checksum field says that they are intact (RFC 1071 1 (3)).
#[inline]
pub fn is_right(bytes: &[u8]) -> bool {
    sum(bytes) == 0xffff
}

/// As [`is_right`], of an IPv4 header without options: what nearly every packet is asked.
#[inline]
pub fn is_right_of_twenty(header: &[u8; 20]) -> bool {
    let ([one, two], rest) = header.as_chunks::<8>() else { return false };
    let (first, carried) = u64::from_ne_bytes(*one).overflowing_add(u64::from_ne_bytes(*two));
    let last = rest.first_chunk::<4>().map_or(0, |four| u32::from_ne_bytes(*four));
    let (sum, carried) = first.overflowing_add(u64::from(last) + u64::from(carried));
    // Neither order of bytes nor how often it is folded changes whether all bits are ones.
    fold(sum + u64::from(carried)) == 0xffff
}

/// The sum of the pseudo-header of TCP and UDP (RFC 9293 3.1, RFC 768). `length` is that of the transport header and
/// its payload in bytes.
#[inline]
pub fn pseudo_header(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, length: u16) -> u16 {
    let [a, b] = words(src);
    let [c, d] = words(dst);
    fold(u64::from(a) + u64::from(b) + u64::from(c) + u64::from(d) + u64::from(protocol) + u64::from(length))
}

/// The delta that replacing the words `old` by the words `new` makes: the sum of `~m + m'` in RFC 1624 equation 3.
/// The two may differ in number; replacing nothing by nothing is 0.
#[inline]
pub fn delta(old: &[u16], new: &[u16]) -> u16 {
    let gone: u64 = old.iter().map(|word| u64::from(!word)).sum();
    let come: u64 = new.iter().map(|word| u64::from(*word)).sum();
    fold(gone + come)
}

/// The field after `delta` happened to the words it covers: `HC' = ~(~HC + ~m + m')` (RFC 1624 equation 3).
/// A field that was wrong stays wrong by as much.
#[inline]
pub const fn update(field: u16, delta: u16) -> u16 {
    !combine(!field, delta)
}

/// As [`update`], of UDP: 0, "none", stays 0; a computed 0 is sent as 0xFFFF (RFC 768).
#[inline]
pub const fn update_udp(field: u16, delta: u16) -> u16 {
    match (field, update(field, delta)) {
        (0, _) => 0,
        (_, 0) => 0xffff,
        (_, new) => new,
    }
}

/// The two words of an address.
#[inline]
pub const fn words(addr: Ipv4Addr) -> [u16; 2] {
    let [a, b, c, d] = addr.octets();
    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
}

/// Adds the carries back in (RFC 1071 2 (A)). Half of the bits are added to the other half, and the carry of the lower
/// half, which is the same as that of the upper, runs into it.
#[inline]
const fn fold(total: u64) -> u16 {
    let total = (total.wrapping_add(total.rotate_left(32)) >> 32) as u32;
    (total.wrapping_add(total.rotate_left(16)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 3: the worked example.
    #[test]
    fn the_example_of_rfc_1071_sums_to_ddf2() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(sum(&bytes), 0xddf2);
        assert_eq!(sum(&bytes[..3]), combine(0x0001, 0xf200), "an odd last byte is the high half of its word");
        assert_eq!(sum(&[]), 0);
    }

    /// RFC 1624 4: the example on which equation 2 gives 0xFFFF.
    #[test]
    fn the_example_of_rfc_1624_gives_zero_and_not_minus_zero() {
        assert_eq!(update(0xdd2f, delta(&[0x5555], &[0x3285])), 0x0000);
    }

    #[test]
    fn no_change_changes_nothing() {
        assert_eq!(delta(&[], &[]), 0);
        for field in [0, 1, 0x1234, 0xfffe, 0xffff] {
            assert_eq!(update(field, 0), field);
        }
    }

    fn plain(bytes: &[u8]) -> u16 {
        let mut total = 0u32;
        for pair in bytes.chunks(2) {
            total += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            total = (total & 0xffff) + (total >> 16);
        }
        total as u16
    }

    proptest! {
        #[test]
        fn eight_at_a_time_is_two_at_a_time(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(sum(&bytes), plain(&bytes));
        }

        #[test]
        fn parts_of_even_length_combine(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..100) {
            let at = (at * 2).min(bytes.len() & !1);
            prop_assert_eq!(combine(sum(&bytes[..at]), sum(&bytes[at..])), sum(&bytes));
        }

        #[test]
        fn difference_equals_recomputing(
            mut bytes in proptest::collection::vec(any::<u8>(), 8..100), word in any::<u16>(), at in 0usize..4,
        ) {
            bytes[0] |= 1; // no checksummed header is all zero
            let old = u16::from_be_bytes([bytes[at * 2], bytes[at * 2 + 1]]);
            let before = field(sum(&bytes));
            bytes[at * 2..at * 2 + 2].copy_from_slice(&word.to_be_bytes());
            prop_assume!(bytes.iter().any(|byte| *byte != 0));
            prop_assert_eq!(update(before, delta(&[old], &[word])), field(sum(&bytes)));
        }
    }
}
