//! IPv4: the header as a router reads, checks and writes it (RFC 791, RFC 1812 5.2.2).
//!
//! Owns the header checks, the walk over options, the rules for fragments of a datagram, the time to live, and which
//! addresses can never be right. Never looks past the header.

use super::bytes::{addr, be16, put_addr, put16};
use super::checksum;
use super::facts::Malformed;
use std::net::Ipv4Addr;

/// The length of a header without options, in bytes.
pub const HEADER: usize = 20;

/// IP protocol of ICMP.
pub const ICMP: u8 = 1;
/// IP protocol of TCP.
pub const TCP: u8 = 6;
/// IP protocol of UDP.
pub const UDP: u8 = 17;

const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// No source or destination of a packet that is forwarded (RFC 1812 5.3.7): 0/8, 127/8, 240/4 with the limited broadcast, and
/// 224/4, since we forward no multicast.
#[inline]
pub const fn is_martian(addr: Ipv4Addr) -> bool {
    matches!(addr.octets()[0], 0 | 127 | 224..)
}

/// What one hop less does to the header checksum: `~m + m'` for `m' = m - 0x0100`, whatever `m` is (RFC 1624).
pub(super) const ONE_HOP: u16 = 0xfeff;

/// Lowers the time to live of the datagram by one and changes the header checksum by the difference (RFC 1812 5.3.1, RFC
/// 1624). A time to live of 0 stays: whether the packet may be forwarded is decided before.
#[inline]
pub fn decrement_ttl(datagram: &mut [u8]) {
    let Some(header) = datagram.first_chunk_mut::<HEADER>() else { return };
    if header[8] == 0 {
        return;
    }
    header[8] -= 1;
    let field = checksum::update(be16(header, 10), ONE_HOP);
    put16(header, 10, field);
}

/// What the header says, every length in it checked. Offsets count from the start of the frame.
pub(super) struct Ip {
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
    pub l4: usize,
    pub end: usize,
    pub ttl: u8,
    pub protocol: u8,
    pub id: u16,
    pub dont_fragment: bool,
    pub more: bool,
    /// In bytes.
    pub offset: usize,
}

/// Reads and checks the header at `l3` of the frame (RFC 1812 5.2.2).
#[inline]
pub(super) fn read(frame: &[u8], l3: usize) -> Result<Ip, Malformed> {
    let datagram = &frame[l3..];
    let header: &[u8; HEADER] = datagram.first_chunk().ok_or(Malformed::Truncated)?;
    if header[0] >> 4 != 4 {
        return Err(Malformed::IpVersion);
    }
    let header_length = usize::from(header[0] & 0x0f) * 4;
    let total = usize::from(be16(header, 2));
    // A frame whose datagram ends beyond 65,535 does not fit 16 bits, nor sent on any Ethernet we know.
    if total < HEADER || total > datagram.len() || l3 + total > usize::from(u16::MAX) {
        return Err(Malformed::IpLength);
    }
    if header_length < HEADER || header_length > total {
        return Err(Malformed::IpHeaderLength);
    }
    if header_length > HEADER {
        check_options(&datagram[..header_length])?;
    } else if !checksum::is_right_of_twenty(header) {
        return Err(Malformed::IpChecksum);
    }
    let place = be16(header, 6);
    Ok(Ip {
        src: addr(header, 12),
        dst: addr(header, 16),
        l4: l3 + header_length,
        end: l3 + total,
        ttl: header[8],
        protocol: header[9],
        id: be16(header, 4),
        dont_fragment: place & 0x4000 != 0,
        more: place & 0x2000 != 0,
        offset: usize::from(place & 0x1fff) * 8,
    })
}

/// A header with options is whole; every option has a length that fits, and none routes (RFC 791 3.1; RFC 1812
/// 5.3.13.4 lets us refuse).
#[cold]
fn check_options(header: &[u8]) -> Result<(), Malformed> {
    if !checksum::is_right(header) {
        return Err(Malformed::IpChecksum);
    }
    let mut options = &header[HEADER..];
    loop {
        match *options {
            [] | [0, ..] => return Ok(()),
            [1, ref rest @ ..] => options = rest,
            [LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, ..] => return Err(Malformed::SourceRoute),
            [_, length, ..] if length >= 2 && usize::from(length) <= options.len() => {
                options = &options[usize::from(length)..];
            }
            _ => return Err(Malformed::IpHeaderLength),
        }
    }
}

impl Ip {
    /// The datagram came in fragments and this is one.
    #[inline]
    pub fn is_fragment(&self) -> bool {
        self.more || self.offset != 0
    }

    /// The rules for a fragment: it has bytes, a multiple of eight unless it is the last, within the largest datagram
    /// (RFC 791 3.2); a TCP header is not cut and no later fragment lies over it (RFC 1858 3).
    pub fn check_fragment(&self) -> Result<(), Malformed> {
        let payload = self.end - self.l4;
        let cut = self.more && !payload.is_multiple_of(8);
        let beyond = HEADER + self.offset + payload > usize::from(u16::MAX);
        let over_tcp = self.protocol == TCP
            && if self.offset == 0 { payload < super::tcp::HEADER } else { self.offset < super::tcp::HEADER };
        if payload == 0 || cut || beyond || over_tcp { Err(Malformed::Fragment) } else { Ok(()) }
    }
}

/// Gives the packet that begins at `ip` this DSCP, 0 to 63 (RFC 2474 3). The two bits behind it are congestion notification's, and stay
/// (RFC 3168 5).
pub fn set_dscp(ip: &mut [u8], dscp: u8) {
    let Some(ip) = ip.first_chunk_mut::<HEADER>() else { return };
    let was = be16(ip, 0);
    ip[1] = ip[1] & 0b11 | dscp << 2;
    let field = checksum::update(be16(ip, 10), checksum::delta(&[was], &[be16(ip, 0)]));
    put16(ip, 10, field);
}

/// The header of a datagram of ours: no options, not to be fragmented, so that its identification means nothing
/// (RFC 6864 4.1) unless one is given.
pub(super) struct Header {
    pub tos: u8,
    pub id: u16,
    pub dont_fragment: bool,
    pub protocol: u8,
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
}

/// The time to live of what we send ourselves (RFC 1812 4.2.2.9).
const OUR_TTL: u8 = 64;

impl Header {
    /// A header with no type of service and identification 0.
    pub fn new(protocol: u8, src: Ipv4Addr, dst: Ipv4Addr) -> Header {
        Header { tos: 0, id: 0, dont_fragment: true, protocol, src, dst }
    }

    /// Writes the header in front of `payload` bytes.
    pub fn write(&self, out: &mut [u8], payload: usize) {
        let total = u16::try_from(HEADER + payload).unwrap_or(u16::MAX);
        out[..2].copy_from_slice(&[0x45, self.tos]);
        put16(out, 2, total);
        put16(out, 4, self.id);
        put16(out, 6, if self.dont_fragment { 0x4000 } else { 0 });
        out[8..12].copy_from_slice(&[OUR_TTL, self.protocol, 0, 0]);
        put_addr(out, 12, self.src);
        put_addr(out, 16, self.dst);
        put16(out, 10, checksum::field(checksum::sum(&out[..HEADER])));
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::Build;
    use super::*;

    #[test]
    fn a_lowered_time_to_live_is_the_frame_that_would_have_been_built() {
        for ttl in 1..=255 {
            let frame = |ttl| Build::udp("10.0.0.1:1", "10.0.0.2:2").ttl(ttl).vlan(3);
            let mut bytes = frame(ttl).bytes();
            decrement_ttl(&mut bytes[18..]);
            assert_eq!(bytes, frame(ttl - 1).bytes());
        }
    }

    #[test]
    fn a_time_to_live_of_zero_stays() {
        let frame = Build::udp("10.0.0.1:1", "10.0.0.2:2").ttl(0);
        let mut bytes = frame.bytes();
        decrement_ttl(&mut bytes[14..]);
        assert_eq!(bytes, frame.bytes());
    }

    /// RFC 1812 5.3.7, first and last address of each block and their neighbours.
    #[test]
    fn martians() {
        let bad = ["0.0.0.0", "0.255.255.255", "127.0.0.1", "127.255.255.255", "224.0.0.1", "239.255.255.255"];
        let worse = ["240.0.0.0", "255.255.255.255"];
        for text in bad.iter().chain(&worse) {
            let addr = text.parse().unwrap();
            assert!(is_martian(addr), "{text}");
        }
        for text in ["1.0.0.0", "126.255.255.255", "128.0.0.0", "223.255.255.255", "10.0.0.1", "169.254.0.1"] {
            let addr = text.parse().unwrap();
            assert!(!is_martian(addr), "{text}");
        }
    }
}
