//! Datagrams in fragments (RFC 791 3.2): what a set of fragments says as a whole, and how one datagram becomes several.
//!
//! Owns the facts of a datagram all of whose fragments are there ([`whole`]), the cutting of one that is too large for a
//! link ([`Split`]), the joining of fragments into one frame ([`join`]), and an echo reply in fragments ([`answer_echo`]).
//! Which fragments belong together, and whether they are complete, is found out above: a function here is given the fragments
//! of one datagram, in the order of their offsets. Alters nothing in a payload: translation is `rewrite`'s.

use super::addr::Ports;
use super::bytes::{addr, be16, ports, put_addr, put16};
use super::facts::{Fragment, Kind, Malformed};
use super::packet::Packet;
use super::{checksum, ethernet, icmp, ipv4, tcp, udp};

/// DF, and the two fields that say where a fragment lies.
const DONT_FRAGMENT: u16 = 0x4000;
const MORE: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// The time to live of what we say ourselves.
const FRESH_TTL: u8 = 64;

/// The facts of the datagram whose fragments these frames are, complete and in order. Offsets are those of the first frame,
/// which holds the transport header; `ttl` is the least of the fragments'; `size` is that of the longest.
///
/// # Errors
/// A transport header that cannot be, or is cut; an ICMP error (its checksum covers what is not in one place, RFC 5508
/// REQ-3); frames that are no fragments.
pub fn whole<'a>(fragments: impl IntoIterator<Item = &'a [u8]>) -> Result<Packet, Malformed> {
    let mut first: Option<(&[u8], Packet, Fragment)> = None;
    let mut payload = 0;
    for bytes in fragments {
        let headers = Packet::parse(bytes)?;
        let Kind::Fragment(fragment) = headers.kind else { return Err(Malformed::Fragment) };
        payload += usize::from(headers.end - headers.l4);
        match &mut first {
            None => first = Some((bytes, headers, fragment)),
            Some((_, so_far, _)) => {
                so_far.ttl = so_far.ttl.min(headers.ttl);
                so_far.size = so_far.size.max(headers.size);
                so_far.dont_fragment |= headers.dont_fragment;
            }
        }
    }
    let (bytes, headers, fragment) = first.ok_or(Malformed::Fragment)?;
    if fragment.offset != 0 {
        return Err(Malformed::Fragment);
    }
    let transport = &bytes[usize::from(headers.l4)..usize::from(headers.end)];
    let (kind, its_ports) = match headers.protocol {
        ipv4::UDP => (Kind::Udp, udp::read(transport, payload)?),
        ipv4::TCP => (Kind::Tcp(tcp::read(transport, payload)?), ports(transport, 0)),
        ipv4::ICMP => icmp::read_first_piece(transport)?,
        _ => (Kind::Other, Ports::default()),
    };
    Ok(Packet { kind, ports: its_ports, atomic: false, ..headers })
}

/// One frame of all fragments of a datagram, behind the link header and the IP header of the first; `None` when there are
/// none, or the datagram would end beyond what a frame's facts can say.
pub fn join(fragments: &[&[u8]]) -> Option<Vec<u8>> {
    let first = Packet::parse(fragments.first()?).ok()?;
    let (l3, l4) = (usize::from(first.l3), usize::from(first.l4));
    let mut frame = fragments[0][..l4].to_vec();
    for bytes in fragments {
        let headers = Packet::parse(bytes).ok()?;
        frame.extend_from_slice(&bytes[usize::from(headers.l4)..usize::from(headers.end)]);
    }
    if frame.len() > usize::from(u16::MAX) {
        return None;
    }
    let total = (frame.len() - l3) as u16;
    put16(&mut frame, l3 + 2, total);
    let place = be16(&frame, l3 + 6) & DONT_FRAGMENT;
    put16(&mut frame, l3 + 6, place);
    mend_header(&mut frame[l3..l4]);
    Some(frame)
}

/// Makes a fragment of an echo request into the same fragment of the reply, in place: source and destination swapped, a fresh
/// time to live, and in the first fragment the type, with its checksum (RFC 792, RFC 1812 4.3.3.6). The link header stays.
pub fn answer_echo(bytes: &mut [u8], headers: &Packet) {
    let Kind::Fragment(fragment) = headers.kind else { return };
    let ip = &mut bytes[usize::from(headers.l3)..usize::from(headers.l4)];
    let (src, dst) = (addr(ip, 12), addr(ip, 16));
    put_addr(ip, 12, dst);
    put_addr(ip, 16, src);
    ip[8] = FRESH_TTL;
    mend_header(ip);
    if fragment.offset == 0 {
        let message = &mut bytes[usize::from(headers.l4)..usize::from(headers.end)];
        icmp::turn_into_reply(message);
    }
}

/// The cutting of a datagram into fragments that fit a link; itself the iterator over the fragments. A fragment can be cut again.
pub struct Split<'a> {
    frame: &'a [u8],
    l3: usize,
    /// The length of the IP header of the first fragment, and of every other: those carry only the options that say so.
    header: usize,
    later_header: usize,
    payload: usize,
    mtu: usize,
    done: usize,
}

/// A fragment to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where it begins in the payload of the datagram that is cut, in bytes.
    at: usize,
    length: usize,
}

impl<'a> Split<'a> {
    /// The fragments of the IPv4 datagram that begins at `l3` of `frame`, each at most `mtu` bytes of IP. None when the MTU
    /// leaves no room for eight bytes of payload. The frame is one the parser has taken.
    pub fn new(frame: &'a [u8], l3: usize, mtu: u16) -> Split<'a> {
        let header = usize::from(frame[l3] & 0x0f) * 4;
        let total = usize::from(be16(frame, l3 + 2));
        let later_header = ipv4::HEADER + copied(&frame[l3 + ipv4::HEADER..l3 + header]).len();
        let mtu = usize::from(mtu);
        let done = if mtu < header + 8 { total - header } else { 0 };
        Split { frame, l3, header, later_header, payload: total - header, mtu, done }
    }

    /// The length of the frame for a fragment, Ethernet's padding included.
    pub fn frame_length(&self, cut: &Cut) -> usize {
        (self.l3 + self.header_length(cut) + cut.length).max(ethernet::SHORTEST)
    }

    /// Writes the fragment into `out`, which is [`Split::frame_length`] long: link header and IP header as they are in the
    /// frame but for what makes it a fragment.
    pub fn write(&self, cut: &Cut, out: &mut [u8]) {
        let (l3, length) = (self.l3, self.header_length(cut));
        out[..l3 + ipv4::HEADER].copy_from_slice(&self.frame[..l3 + ipv4::HEADER]);
        let options = &self.frame[l3 + ipv4::HEADER..l3 + self.header];
        match cut.at {
            0 => out[l3 + ipv4::HEADER..l3 + length].copy_from_slice(options),
            _ => out[l3 + ipv4::HEADER..l3 + length].copy_from_slice(&copied(options)),
        }
        let end = l3 + length + cut.length;
        let from = l3 + self.header + cut.at;
        out[l3 + length..end].copy_from_slice(&self.frame[from..from + cut.length]);
        out[end..].fill(0);
        let ip = &mut out[l3..l3 + length];
        ip[0] = 0x40 | (length / 4) as u8;
        put16(ip, 2, (length + cut.length) as u16);
        let place = be16(self.frame, l3 + 6);
        let more = if cut.at + cut.length < self.payload { MORE } else { place & MORE };
        put16(ip, 6, more | ((place & OFFSET) + (cut.at / 8) as u16));
        mend_header(ip);
    }

    fn header_length(&self, cut: &Cut) -> usize {
        if cut.at == 0 { self.header } else { self.later_header }
    }
}

impl Iterator for Split<'_> {
    type Item = Cut;

    fn next(&mut self) -> Option<Cut> {
        let left = self.payload - self.done;
        if left == 0 {
            return None;
        }
        let at = self.done;
        let room = self.mtu - if at == 0 { self.header } else { self.later_header };
        let length = if left <= room { left } else { room & !7 };
        self.done += length;
        Some(Cut { at, length })
    }
}

/// The options that every fragment carries: those with the copied flag (RFC 791 3.1), filled up to a multiple of four.
fn copied(mut options: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    while let [kind, rest @ ..] = options {
        match kind {
            0 => break,
            1 => options = rest,
            _ => {
                let length = usize::from(options.get(1).copied().unwrap_or(0)).clamp(2, options.len().max(2));
                let (option, behind) = options.split_at(length.min(options.len()));
                if kind & 0x80 != 0 {
                    kept.extend_from_slice(option);
                }
                options = behind;
            }
        }
    }
    kept.resize(kept.len().next_multiple_of(4), 0);
    kept
}

fn mend_header(ip: &mut [u8]) {
    put16(ip, 10, 0);
    let sum = checksum::sum(ip);
    put16(ip, 10, checksum::field(sum));
}

#[cfg(test)]
mod tests {
    use super::super::build::Build;
    use super::super::check;
    use super::*;
    use proptest::prelude::*;

    const A: &str = "10.0.0.1:5060";
    const B: &str = "10.0.0.2:40000";

    fn views(frames: &[Vec<u8>]) -> Vec<&[u8]> {
        frames.iter().map(Vec::as_slice).collect()
    }

    fn split(frame: &[u8], l3: usize, mtu: u16) -> Vec<Vec<u8>> {
        let mut cuts = Split::new(frame, l3, mtu);
        let mut frames = Vec::new();
        while let Some(cut) = cuts.next() {
            let mut out = vec![0xee; cuts.frame_length(&cut)];
            cuts.write(&cut, &mut out);
            frames.push(out);
        }
        frames
    }

    #[test]
    fn fragments_say_what_the_whole_would_have_said() {
        let built = [
            Build::udp(A, B).payload(&[7; 3000]),
            Build::tcp(A, B, tcp::Flags::ACK, 5, 6).payload(&[7; 3000]),
            Build::echo_request("10.0.0.1", "10.0.0.2", 9, 1).payload(&[7; 3000]),
            Build::other("10.0.0.1", "10.0.0.2", 47).payload(&[7; 3000]),
        ];
        for build in built {
            let fragments = build.fragments(1480);
            let told = whole(views(&fragments)).unwrap();
            let expected = Packet::parse(&build.bytes()).unwrap();
            assert_eq!((told.kind, told.tuple()), (expected.kind, expected.tuple()));
            assert_eq!((told.atomic, told.size, told.end), (false, 1500, 1514));
        }
    }

    #[test]
    fn the_least_time_to_live_counts() {
        let mut fragments = Build::udp(A, B).ttl(9).payload(&[7; 3000]).fragments(1480);
        let other = Build::udp(A, B).ttl(3).payload(&[7; 3000]).fragments(1480);
        fragments[1] = other[1].clone();
        assert_eq!(whole(views(&fragments)).unwrap().ttl, 3);
    }

    #[test]
    fn what_cannot_be_a_datagram_is_refused() {
        let fragments = Build::udp(A, B).payload(&[7; 3000]).fragments(1480);
        assert_eq!(whole(views(&fragments[1..])), Err(Malformed::Fragment), "the first is missing");
        assert_eq!(whole(std::iter::empty()), Err(Malformed::Fragment));
        assert_eq!(whole([Build::udp(A, B).bytes().as_slice()]), Err(Malformed::Fragment), "no fragment");
        assert_eq!(whole(views(&fragments[..2])), Err(Malformed::UdpLength), "shorter than it says");
        let error = Build::icmp("10.0.0.1", "10.0.0.2", 3, 3).payload(&[7; 3000]).fragments(1480);
        assert_eq!(whole(views(&error)), Err(Malformed::Fragment));
    }

    #[test]
    fn joined_pieces_are_the_datagram() {
        let build = Build::udp(A, B).vlan(5).id(7).ip_options(&[7, 7, 4, 0, 0, 0, 0]).payload(&[7; 3000]);
        assert_eq!(join(&views(&build.fragments(1480))), Some(build.bytes()));
        let huge = Build::other("10.0.0.1", "10.0.0.2", 99).payload(&vec![7; 65_512]);
        assert_eq!(join(&views(&huge.fragments(1480))), None);
    }

    #[test]
    fn a_ping_reassembled_is_answered_piece_by_piece() {
        let mut fragments =
            Build::echo_request("10.0.0.1", "10.0.0.2", 9, 1).ttl(9).id(5).payload(&[7; 3000]).fragments(1480);
        for fragment in &mut fragments {
            let headers = Packet::parse(fragment).unwrap();
            answer_echo(fragment, &headers);
        }
        let expected = Build::echo_reply("10.0.0.2", "10.0.0.1", 9, 1).id(5).payload(&[7; 3000]);
        assert_eq!(fragments, expected.fragments(1480));
    }

    #[test]
    fn later_pieces_carry_only_the_options_that_are_to_be_copied() {
        // Record route (7) is not copied; 0x94, router alert, is (RFC 2113 2.1).
        let build = Build::udp(A, B).ip_options(&[7, 7, 4, 0, 0, 0, 0, 1, 0x94, 4, 0, 0]).payload(&[7; 100]);
        let frames = split(&build.bytes(), 14, 80);
        assert_eq!(frames[0][34..46], [7, 7, 4, 0, 0, 0, 0, 1, 0x94, 4, 0, 0]);
        assert_eq!(frames[1][14] & 0x0f, 6);
        assert_eq!(frames[1][34..38], [0x94, 4, 0, 0]);
        assert!(frames.iter().all(|frame| check::whole(frame).is_ok()));
    }

    #[test]
    fn a_link_that_carries_nothing_gets_nothing() {
        let build = Build::udp(A, B).payload(&[7; 100]);
        assert_eq!(split(&build.bytes(), 14, 27), [] as [Vec<u8>; 0]);
        assert_eq!(split(&build.bytes(), 14, 28).len(), 14);
    }

    proptest! {
        /// What is cut, and cut again, joins to what it was.
        #[test]
        fn cut_and_joined_is_the_same(
            length in 100..9000_usize, first: bool, mtus in (68..1500_u16, 68..600_u16), tag: bool, id: u16,
        ) {
            let payload: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
            let build = Build::udp(A, B).id(id).payload(&payload);
            let build = if tag { build.vlan(9) } else { build };
            let l3 = if tag { 18 } else { 14 };
            let mut frames = split(&build.bytes(), l3, mtus.0);
            if first {
                frames = frames.iter().flat_map(|frame| split(frame, l3, mtus.1)).collect();
            }
            for frame in &frames {
                prop_assert_eq!(check::whole(frame), Ok(()));
                let most = if first { mtus.1.min(mtus.0) } else { mtus.0 };
                prop_assert!(be16(frame, l3 + 2) <= most);
            }
            let whole = if frames.len() == 1 { Some(frames[0].clone()) } else { join(&views(&frames)) };
            prop_assert_eq!(whole, Some(build.bytes()));
        }
    }
}
