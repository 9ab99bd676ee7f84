//! Ethernet II with at most one 802.1Q tag.
//!
//! Owns the link header: reading it, and writing it over a frame that leaves. Never changes what is behind it. The
//! EtherType is right before the network header with and without a tag, so it never has to move.

use super::addr::{Mac, VlanId};
use super::bytes::{be16, mac, put_mac, put16, put32};
use super::facts::{Link, Malformed};
use std::net::Ipv4Addr;

/// The two MACs at the front of a frame, in bytes; a tag stands behind them.
pub const MACS: usize = 12;
/// The link header without a tag, in bytes.
pub const HEADER: usize = 14;
/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ARP: u16 = 0x0806;
/// EtherType of an 802.1Q tag.
pub const TAG: u16 = 0x8100;
/// The least a frame may be without its check sequence (IEEE 802.3 3.2.7); shorter ones are padded.
pub const SHORTEST: usize = 60;

/// The EtherType at `at` is this one.
#[inline(always)]
pub(super) fn is(front: &[u8], at: usize, ethertype: u16) -> bool {
    front[at..at + 2] == ethertype.to_be_bytes()
}

/// How long the link header is in bytes: 14, or 18 with a tag.
#[inline]
pub const fn header_length(vlan: Option<VlanId>) -> usize {
    if vlan.is_some() { 18 } else { 14 }
}

/// The VLAN of any frame, however short it is; 0: it has no tag.
pub fn tag_of(frame: &[u8]) -> u16 {
    match frame.get(12..16) {
        Some(&[a, b, c, d]) if u16::from_be_bytes([a, b]) == TAG => u16::from_be_bytes([c, d]) & 0x0fff,
        _ => 0,
    }
}

/// Source and destination of the IPv4 packet in a frame, or in its beginning, tagged or not.
pub fn ipv4_ends(frame: &[u8]) -> Option<[Ipv4Addr; 2]> {
    let half = |at: usize| Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk()?));
    let l3 = if half(12)? == TAG { 18 } else { 14 };
    let address = |at: usize| Some(Ipv4Addr::from(*frame.get(at..)?.first_chunk::<4>()?));
    if half(l3 - 2)? != IPV4 {
        return None;
    }
    Some([address(l3 + 12)?, address(l3 + 16)?])
}

/// What a frame is received by: destination MAC and VLAN in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RxKey(u64);

impl RxKey {
    /// That of frames to this MAC in this VLAN.
    pub fn of(mac: Mac, vlan: Option<VlanId>) -> RxKey {
        let [a, b, c, d, e, f] = mac.0;
        RxKey::at(&[a, b, c, d, e, f, 0, 0], vlan.map_or(0, VlanId::get))
    }

    /// That of no frame.
    pub const NONE: RxKey = RxKey(0);

    /// `front` begins with the MAC; `tag` is the VLAN identifier, 0 for none.
    #[inline(always)]
    pub(super) fn at(front: &[u8; 8], tag: u16) -> RxKey {
        RxKey(u64::from_le_bytes(*front) << 16 | u64::from(tag))
    }

    /// The VLAN.
    #[inline]
    pub const fn vlan(self) -> Option<VlanId> {
        VlanId::new(self.0 as u16)
    }

    /// The destination MAC.
    pub fn mac(self) -> Mac {
        mac(&(self.0 >> 16).to_le_bytes(), 0)
    }
}

/// The link header that frames leave with, ready to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkHeader {
    /// Destination and source MAC, as they are in a frame.
    macs: [u8; 12],
    vlan: Option<VlanId>,
}

impl LinkHeader {
    /// With these addresses and this tag.
    pub fn new(dst: Mac, src: Mac, vlan: Option<VlanId>) -> LinkHeader {
        let mut macs = [0; 12];
        put_mac(&mut macs, 0, dst);
        put_mac(&mut macs, 6, src);
        LinkHeader { macs, vlan }
    }

    /// What it says.
    pub fn link(&self) -> Link {
        Link { dst: mac(&self.macs, 0), src: mac(&self.macs, 6), vlan: self.vlan }
    }

    /// How long it is in bytes: 14, or 18 with a tag.
    #[inline]
    pub const fn length(&self) -> usize {
        header_length(self.vlan)
    }

    /// Writes it over that of the frame that arrived, whose network header began at `l3`.
    ///
    /// Before the call the frame must have been lengthened or shortened at its front by the difference between
    /// `l3` and [`LinkHeader::length`], so that the network header stays where it is in memory. The EtherType is
    /// kept; a tag that stays keeps its priority and drop eligibility (IEEE 802.1Q 9.6: PCP, DEI), a new tag has neither.
    #[inline(always)]
    pub fn write(&self, bytes: &mut [u8], l3: usize) {
        let Some(front) = bytes.first_chunk_mut::<16>() else { return };
        front[..12].copy_from_slice(&self.macs);
        if let Some(vlan) = self.vlan {
            let priority = if l3 == 18 { be16(front, 14) & 0xf000 } else { 0 };
            put32(front, 12, u32::from(TAG) << 16 | u32::from(priority | vlan.get()));
        }
    }
}

impl Link {
    /// The link header of a frame whose facts were read.
    pub fn of(frame: &[u8]) -> Link {
        let front = frame.first_chunk().unwrap_or(&[0; 18]);
        let tag = if be16(front, 12) == TAG { be16(front, 14) & 0x0fff } else { 0 };
        Link { dst: mac(front, 0), src: mac(front, 6), vlan: VlanId::new(tag) }
    }
}

/// Writes a link header where there was none. Returns its length.
pub(super) fn write(bytes: &mut [u8], link: &Link, ethertype: u16) -> usize {
    put_mac(bytes, 0, link.dst);
    put_mac(bytes, 6, link.src);
    let length = header_length(link.vlan);
    if let Some(vlan) = link.vlan {
        put16(bytes, 12, TAG);
        put16(bytes, 14, vlan.get());
    }
    put16(bytes, length - 2, ethertype);
    length
}

/// Writes a tag behind the MACs, over whatever stands there.
pub fn write_tag(bytes: &mut [u8], vlan: VlanId) {
    put16(bytes, MACS, TAG);
    put16(bytes, MACS + 2, vlan.get());
}

/// The link header, the EtherType behind it, and where the network header begins. Does not look further.
#[inline]
pub(super) fn read(bytes: &[u8]) -> Result<(Link, u16, usize), Malformed> {
    let header: &[u8; 14] = bytes.first_chunk().ok_or(Malformed::Truncated)?;
    let mut link = Link { dst: mac(header, 0), src: mac(header, 6), vlan: None };
    let ethertype = be16(header, 12);
    if ethertype != TAG {
        return Ok((link, ethertype, 14));
    }
    let tagged: &[u8; 18] = bytes.first_chunk().ok_or(Malformed::Truncated)?;
    let id = be16(tagged, 14) & 0x0fff;
    link.vlan = VlanId::new(id);
    // Identifier 4095 is reserved: such a frame belongs to no VLAN, nor to the untagged network.
    if id == 0x0fff { Err(Malformed::UnknownEtherType) } else { Ok((link, be16(tagged, 16), 18)) }
}

#[cfg(test)]
mod tests {
    use super::super::build::Build;
    use super::super::packet::Packet;
    use super::*;

    const A: Mac = Mac([2, 0, 0, 0, 0, 0xa]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 0xb]);

    #[test]
    fn a_tag_that_stays_keeps_its_priority() {
        let mut frame = Build::udp("10.0.0.1:1", "10.0.0.2:2").vlan(5).priority(6).bytes();
        let headers = Packet::parse(&frame).unwrap();
        LinkHeader::new(B, A, VlanId::new(7)).write(&mut frame, headers.l3.into());
        assert_eq!(frame[12..18], [0x81, 0x00, 6 << 5, 7, 0x08, 0x00]);
        let link = Link::of(&frame);
        assert_eq!(link, Link { dst: B, src: A, vlan: VlanId::new(7) });
    }

    #[test]
    fn a_tag_comes_and_goes_and_the_datagram_stays() {
        let plain = Build::udp("10.0.0.1:1", "10.0.0.2:2").macs(A, B).payload(b"0123456789012345678").bytes();
        let headers = Packet::parse(&plain).unwrap();
        let mut tagged = [vec![0xee; 4], plain.clone()].concat();
        LinkHeader::new(B, A, VlanId::new(9)).write(&mut tagged, headers.l3.into());
        assert_eq!(
            tagged,
            Build::udp("10.0.0.1:1", "10.0.0.2:2").macs(A, B).vlan(9).payload(b"0123456789012345678").bytes()
        );

        let headers = Packet::parse(&tagged).unwrap();
        let mut back = tagged[4..].to_vec();
        LinkHeader::new(B, A, None).write(&mut back, headers.l3.into());
        assert_eq!(back, plain);
    }

    #[test]
    fn the_reserved_identifier_is_refused_and_a_priority_tag_is_no_vlan() {
        let mut frame = Build::udp("10.0.0.1:1", "10.0.0.2:2").vlan(5).bytes();
        frame[14..16].copy_from_slice(&[0x0f, 0xff]);
        assert_eq!(Packet::parse(&frame), Err(Malformed::UnknownEtherType));
        frame[14..16].copy_from_slice(&[0xa0, 0x00]);
        let headers = Packet::parse(&frame).unwrap();
        assert_eq!((headers.vlan(), headers.l3), (None, 18));
    }
}
