//! Answers the appliance gives itself, made from the packet that provoked them.
//!
//! Owns their formats, and the part of RFC 1812 4.3.2.7 that a packet shows by itself ([`may_answer_with_error`]).
//! Whether to answer at all, rate limits, and broadcast addresses of our own networks are decided above. Read first:
//! [`length`], then [`build`].

use super::addr::Mac;
use super::arp::{self, Operation};
use super::bytes::{be16, put16, put32};
use super::ethernet::LinkHeader;
use super::facts::{Arp, Fragment, Kind, Link, Segment};
use super::packet::Packet;
use super::{checksum, ethernet, icmp, ipv4, tcp};
use std::net::Ipv4Addr;

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// "The address you ask for is at `mac`" (RFC 826).
    Arp {
        /// The MAC of the interface asked on.
        mac: Mac,
    },
    /// Echo reply: source and destination swapped, type 0, identifier, sequence and data as received (RFC 792, RFC 1812
    /// 4.3.3.6).
    Echo,
    /// An ICMP error that quotes the packet as it was received, as much of it as fits in 576 bytes (RFC 1812 4.3.2.3).
    IcmpError {
        /// What is wrong.
        error: IcmpError,
        /// The error's source address.
        from: Ipv4Addr,
    },
    /// A reset as RFC 9293 3.5.2 asks of a host that knows no such connection: if the segment has ACK, `SEQ=SEG.ACK`,
    /// else `SEQ=0, ACK=SEG.SEQ+SEG.LEN`.
    Reset,
}

/// The ICMP errors the appliance makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpError {
    /// 3/0
    NetUnreachable,
    /// 3/1
    HostUnreachable,
    /// 3/2
    ProtocolUnreachable,
    /// 3/3
    PortUnreachable,
    /// 3/4, with the next hop's MTU (RFC 1191 4)
    FragmentationNeeded {
        /// In bytes.
        mtu: u16,
    },
    /// 3/13
    Prohibited,
    /// 11/0
    TtlExceeded,
}

impl IcmpError {
    /// Type, code, and bytes 4 to 7 of the header.
    const fn header(self) -> (u8, u8, u32) {
        match self {
            IcmpError::NetUnreachable => (icmp::UNREACHABLE, 0, 0),
            IcmpError::HostUnreachable => (icmp::UNREACHABLE, 1, 0),
            IcmpError::ProtocolUnreachable => (icmp::UNREACHABLE, 2, 0),
            IcmpError::PortUnreachable => (icmp::UNREACHABLE, 3, 0),
            IcmpError::FragmentationNeeded { mtu } => (icmp::UNREACHABLE, 4, mtu as u32),
            IcmpError::Prohibited => (icmp::UNREACHABLE, 13, 0),
            IcmpError::TtlExceeded => (icmp::TIME_EXCEEDED, 0, 0),
        }
    }
}

/// An ICMP error is at most this long, IP header included (RFC 1812 4.3.2.3).
const LONGEST_ERROR: usize = 576;

/// Precedence 6, internetwork control (RFC 1812 4.3.2.5).
const ERROR_TOS: u8 = 0xc0;

/// How many bytes of frame the answer needs, padding included; 0 when `original` is nothing that can be answered so
/// (an echo reply, a reset, an ARP reply, a fragment of a datagram to be echoed, ...).
pub fn length(reply: &Reply, headers: &Packet, link: &LinkHeader) -> usize {
    let packet = match (reply, &headers.kind) {
        (Reply::Arp { .. }, Kind::Arp(Arp { operation: Operation::Request, .. })) => arp::LENGTH,
        (Reply::Echo, Kind::Echo { request: true, .. }) => ipv4::HEADER + usize::from(headers.end - headers.l4),
        (Reply::IcmpError { .. }, kind) if !matches!(kind, Kind::Arp(_)) => {
            ipv4::HEADER + icmp::HEADER + quoted_length(headers)
        }
        (Reply::Reset, Kind::Tcp(segment)) if !segment.flags.rst() => ipv4::HEADER + tcp::HEADER,
        _ => return 0,
    };
    (link.length() + packet).max(ethernet::SHORTEST)
}

/// The link header of an answer that goes back where `original` came from, in the same VLAN.
pub fn link_back(original: &[u8], headers: &Packet, our_mac: Mac) -> LinkHeader {
    let dst = match headers.kind {
        // Who asks may not be who sends the frame: the answer goes to ar$sha (RFC 826, packet reception).
        Kind::Arp(asked) => asked.sender_mac,
        _ => Link::of(original).src,
    };
    LinkHeader::new(dst, our_mac, headers.vlan())
}

/// Writes the answer to the front of `out` as a whole frame with this link header, padded with zeros to 60 bytes. Returns its
/// length, [`length`]; 0, and nothing written, when that is 0 or `out` is shorter. `original` must be as it was received: an
/// error quotes it with the time to live it came with.
pub fn build(reply: &Reply, original: &[u8], headers: &Packet, link: &LinkHeader, out: &mut [u8]) -> usize {
    let length = length(reply, headers, link);
    let Some(frame) = out.get_mut(..length).filter(|frame| !frame.is_empty()) else { return 0 };
    frame.fill(0);
    let ethertype = if matches!(reply, Reply::Arp { .. }) { ethernet::ARP } else { ethernet::IPV4 };
    let l3 = ethernet::write(frame, &link.link(), ethertype);
    let packet = &mut frame[l3..];
    match (*reply, headers.kind) {
        (Reply::Arp { mac }, Kind::Arp(asked)) => write_arp(packet, mac, &asked),
        (Reply::Echo, _) => write_echo(packet, original, headers),
        (Reply::IcmpError { error, from }, _) => write_error(packet, error, from, original, headers),
        (Reply::Reset, Kind::Tcp(segment)) => write_reset(packet, &segment, original, headers),
        _ => return 0, // `length` is 0 for these
    }
    length
}

/// Whether the packet may be answered with an ICMP error (RFC 1812 4.3.2.7): not when it is an ICMP error itself or ICMP
/// of a kind we do not know (which could be one), a fragment of a datagram that is not its first, sent to a broadcast or
/// multicast address of link or network, or from an address that is not one host's. The broadcast addresses of our own
/// networks are not known here. The same holds for a TCP reset.
pub fn may_answer_with_error(original: &[u8], headers: &Packet) -> bool {
    let about_one_packet = match headers.kind {
        Kind::Tcp(_) | Kind::Udp | Kind::Echo { .. } => true,
        Kind::IcmpError(_) | Kind::Arp(_) => false,
        Kind::Fragment(Fragment { offset: 0, .. }) if headers.protocol == ipv4::ICMP => {
            matches!(original[usize::from(headers.l4)], icmp::ECHO_REQUEST | icmp::ECHO_REPLY)
        }
        Kind::Fragment(Fragment { offset, .. }) => offset == 0,
        Kind::Other => headers.protocol != ipv4::ICMP,
    };
    let to_one_host = !headers.dst_mac().is_group() && !ipv4::is_martian(headers.dst());
    let from_one_host = !Link::of(original).src.is_group() && !ipv4::is_martian(headers.src());
    about_one_packet && to_one_host && from_one_host
}

/// How much of the received datagram an error quotes, in bytes.
fn quoted_length(headers: &Packet) -> usize {
    usize::from(headers.end - headers.l3).min(LONGEST_ERROR - ipv4::HEADER - icmp::HEADER)
}

/// The type of service of an answer: the class of the question, without its congestion marks (RFC 3168 6.1.1).
fn answering_tos(original: &[u8], headers: &Packet) -> u8 {
    original[usize::from(headers.l3) + 1] & 0xfc
}

fn write_arp(packet: &mut [u8], mac: Mac, asked: &Arp) {
    let answer = Arp {
        operation: Operation::Reply,
        sender_mac: mac,
        sender: asked.target,
        target_mac: asked.sender_mac,
        target: asked.sender,
    };
    answer.write(packet);
}

/// The identification and DF are the request's: the pair of addresses is the same, so an identification that tells the
/// requests apart tells the replies apart (RFC 6864 4.3). Options are not reflected.
fn write_echo(packet: &mut [u8], original: &[u8], headers: &Packet) {
    let request = &original[usize::from(headers.l4)..usize::from(headers.end)];
    let header = ipv4::Header {
        tos: answering_tos(original, headers),
        id: be16(original, usize::from(headers.l3) + 4),
        dont_fragment: headers.dont_fragment,
        ..ipv4::Header::new(ipv4::ICMP, headers.dst(), headers.src())
    };
    header.write(packet, request.len());
    let message = &mut packet[ipv4::HEADER..][..request.len()];
    message.copy_from_slice(request);
    icmp::turn_into_reply(message);
}

fn write_error(packet: &mut [u8], error: IcmpError, from: Ipv4Addr, original: &[u8], headers: &Packet) {
    let quote = &original[usize::from(headers.l3)..][..quoted_length(headers)];
    let header = ipv4::Header { tos: ERROR_TOS, ..ipv4::Header::new(ipv4::ICMP, from, headers.src()) };
    header.write(packet, icmp::HEADER + quote.len());
    let message = &mut packet[ipv4::HEADER..][..icmp::HEADER + quote.len()];
    let (kind, code, rest) = error.header();
    message[..2].copy_from_slice(&[kind, code]);
    put32(message, 4, rest);
    message[icmp::HEADER..].copy_from_slice(quote);
    let sum = checksum::sum(message);
    put16(message, icmp::CHECKSUM, checksum::field(sum));
}

fn write_reset(packet: &mut [u8], segment: &Segment, original: &[u8], headers: &Packet) {
    let tos = answering_tos(original, headers);
    ipv4::Header { tos, ..ipv4::Header::new(ipv4::TCP, headers.dst(), headers.src()) }.write(packet, tcp::HEADER);
    let (seq, ack) =
        if segment.flags.ack() { (segment.ack, None) } else { (0, Some(segment.seq.wrapping_add(segment.length()))) };
    let (src, dst) = ((headers.dst(), headers.dst_port()), (headers.src(), headers.src_port()));
    tcp::write_reset(&mut packet[ipv4::HEADER..], src, dst, seq, ack);
}

#[cfg(test)]
mod tests {
    use super::super::build::{Build, DST_MAC, SRC_MAC};
    use super::super::check;
    use super::super::shown::Shown;
    use super::super::tcp::Flags;
    use super::*;

    const OURS: Mac = Mac([2, 0, 0, 0, 0, 9]);
    const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

    /// The answer to `original`, proved whole and as long as was told.
    fn answer(reply: Reply, original: &[u8]) -> Vec<u8> {
        let headers = Packet::parse(original).unwrap();
        let mut out = vec![0xee; 2000];
        let link = link_back(original, &headers, OURS);
        let length = build(&reply, original, &headers, &link, &mut out);
        assert_eq!(length, super::length(&reply, &headers, &link));
        assert!(out[length..].iter().all(|byte| *byte == 0xee), "written beyond its length");
        out.truncate(length);
        assert_eq!(if length > 0 { check::whole(&out) } else { Ok(()) }, Ok(()), "{:?}", Shown(&out));
        out
    }

    fn error(error: IcmpError) -> Reply {
        Reply::IcmpError { error, from: GATEWAY }
    }

    #[test]
    fn echo_comes_back_as_it_was_sent() {
        let data: Vec<u8> = (0..100).collect();
        for frame in [
            Build::echo_request("10.0.0.1", "10.0.0.2", 7, 8).payload(&data),
            Build::echo_request("10.0.0.1", "10.0.0.2", 0, 0),
        ] {
            let original = frame.clone().vlan(6).dscp(0x2e).id(55).ip_options(&[1, 1]).ttl(3).bytes();
            let sent = Build::echo_reply("10.0.0.2", "10.0.0.1", be16(&original, 46), be16(&original, 48));
            let sent = sent.payload(&original[50..usize::from(Packet::parse(&original).unwrap().end)]);
            assert_eq!(answer(Reply::Echo, &original), sent.macs(OURS, SRC_MAC).vlan(6).dscp(0x2e).id(55).bytes());
        }
    }

    #[test]
    fn an_error_quotes_the_packet_as_it_came_up_to_576_bytes() {
        for (size, quoted) in [(0, 28), (100, 128), (520, 548), (1400, 548)] {
            let original = Build::udp("10.0.0.1:9", "10.9.9.9:5060").ttl(1).vlan(3).payload(&vec![7; size]);
            let bytes = answer(error(IcmpError::TtlExceeded), &original.bytes());
            let expected = Build::icmp(GATEWAY, "10.0.0.1", 11, 0).payload(&original.datagram()[..quoted]);
            assert_eq!(bytes, expected.macs(OURS, SRC_MAC).vlan(3).tos(0xc0).df().bytes());
        }
    }

    #[test]
    fn each_error_has_its_numbers() {
        let original = Build::tcp("10.0.0.1:9", "10.9.9.9:80", Flags::SYN, 1, 0);
        let rows = [
            (IcmpError::NetUnreachable, 3, 0, 0),
            (IcmpError::HostUnreachable, 3, 1, 0),
            (IcmpError::PortUnreachable, 3, 3, 0),
            (IcmpError::FragmentationNeeded { mtu: 1400 }, 3, 4, 1400),
            (IcmpError::Prohibited, 3, 13, 0),
            (IcmpError::TtlExceeded, 11, 0, 0),
        ];
        for (what, kind, code, rest) in rows {
            let expected = Build::icmp_error(GATEWAY, "10.0.0.1", kind, code, &original).rest(rest).tos(0xc0).df();
            assert_eq!(answer(error(what), &original.bytes()), expected.macs(OURS, SRC_MAC).bytes(), "{what:?}");
        }
    }

    /// RFC 9293 3.5.2, group 1.
    #[test]
    fn a_reset_fits_what_the_segment_said() {
        let (syn, ack, rst) = (Flags::SYN, Flags::ACK, Flags::RST);
        let none = b"".as_slice();
        let rows = [
            (syn, 100, 0, none, rst.with(ack), 0, 101),
            (syn.with(Flags::FIN), u32::MAX, 0, b"ab".as_slice(), rst.with(ack), 0, 3),
            (ack, 100, 777, b"data".as_slice(), rst, 777, 0),
            (syn.with(ack), 100, 777, none, rst, 777, 0),
        ];
        for (flags, seq, acked, data, reset, reset_seq, reset_ack) in rows {
            let original = Build::tcp("10.0.0.1:9", "10.0.0.2:5061", flags, seq, acked).payload(data).bytes();
            let bytes = answer(Reply::Reset, &original);
            let headers = Packet::parse(&bytes).unwrap();
            let Kind::Tcp(segment) = headers.kind else { panic!("{headers:?}") };
            assert_eq!(headers.tuple().unwrap().to_string(), "tcp 10.0.0.2:5061 > 10.0.0.1:9");
            assert_eq!((segment.flags, segment.seq, segment.ack), (reset, reset_seq, reset_ack));
            assert_eq!((Link::of(&bytes).src, headers.dst_mac(), headers.ttl), (OURS, SRC_MAC, 64));
        }
    }

    #[test]
    fn an_arp_request_is_answered_to_the_one_that_asked() {
        let original = Build::arp_request(SRC_MAC, "10.0.0.1", "10.0.0.2").vlan(5);
        let expected = Build::arp_reply(DST_MAC, "10.0.0.2", SRC_MAC, "10.0.0.1").macs(OURS, SRC_MAC).vlan(5);
        assert_eq!(answer(Reply::Arp { mac: DST_MAC }, &original.bytes()), expected.bytes());
        let through_another = original.macs(Mac([2, 9, 9, 9, 9, 9]), OURS).bytes();
        assert_eq!(answer(Reply::Arp { mac: DST_MAC }, &through_another), expected.bytes(), "to ar$sha");
    }

    #[test]
    fn what_cannot_be_answered_so_gives_nothing() {
        let arp = Build::arp_reply(SRC_MAC, "10.0.0.1", DST_MAC, "10.0.0.2");
        let reset = Build::tcp("10.0.0.1:9", "10.0.0.2:5061", Flags::RST, 1, 0);
        let rows = [
            (Reply::Arp { mac: OURS }, arp.clone()),
            (Reply::Echo, Build::echo_reply("10.0.0.1", "10.0.0.2", 1, 1)),
            (Reply::Echo, reset.clone()),
            (Reply::Reset, reset),
            (Reply::Reset, Build::udp("10.0.0.1:1", "10.0.0.2:2")),
            (error(IcmpError::TtlExceeded), arp),
        ];
        for (reply, original) in rows {
            assert_eq!(answer(reply, &original.bytes()), b"", "{reply:?}");
        }
        let original = Build::echo_request("10.0.0.1", "10.0.0.2", 1, 1).bytes();
        let (mut short, headers) = ([0xee; 59], Packet::parse(&original).unwrap());
        assert_eq!(build(&Reply::Echo, &original, &headers, &link_back(&original, &headers, OURS), &mut short), 0);
        assert_eq!(short, [0xee; 59]);
    }

    #[test]
    fn no_error_is_sent_about_what_must_not_be_answered() {
        let udp = |src: &str, dst: &str| Build::udp(src, dst).payload(&[1; 40]);
        let good = udp("10.0.0.1:1", "10.0.0.2:2");
        let ping = Build::echo_request("10.0.0.1", "10.0.0.2", 1, 1).payload(&[0; 40]);
        let about = Build::icmp_error("10.0.0.1", "10.0.0.2", 3, 3, &good);
        let rows = [
            (true, "a datagram", good.bytes()),
            (true, "an echo request", ping.bytes()),
            (true, "a first fragment", good.fragments(24).remove(0)),
            (true, "a first fragment of an echo request", ping.fragments(24).remove(0)),
            (true, "another protocol", Build::other("10.0.0.1", "10.0.0.2", 47).bytes()),
            (false, "a later fragment", good.fragments(24).remove(1)),
            (false, "an error", about.bytes()),
            (false, "a first fragment of an error", about.fragments(24).remove(0)),
            (
                false,
                "an error about what has no tuple",
                Build::icmp_error("10.0.0.1", "10.0.0.2", 3, 3, &about).bytes(),
            ),
            (false, "to everyone on the link", good.clone().macs(SRC_MAC, Mac::BROADCAST).bytes()),
            (false, "to some on the link", good.clone().macs(SRC_MAC, Mac([1, 0, 0x5e, 0, 0, 1])).bytes()),
            (false, "to everyone", udp("10.0.0.1:1", "255.255.255.255:2").bytes()),
            (false, "to a group", udp("10.0.0.1:1", "224.0.1.75:5060").bytes()),
            (false, "from nobody", udp("0.0.0.0:68", "10.0.0.2:67").bytes()),
            (false, "from the loopback", udp("127.0.0.1:1", "10.0.0.2:2").bytes()),
            (false, "from a group", udp("239.1.1.1:1", "10.0.0.2:2").bytes()),
            (false, "from class E", udp("240.0.0.1:1", "10.0.0.2:2").bytes()),
            (false, "from everyone", udp("255.255.255.255:1", "10.0.0.2:2").bytes()),
            (false, "ARP", Build::arp_request(SRC_MAC, "10.0.0.1", "10.0.0.2").bytes()),
        ];
        for (may, what, frame) in rows {
            assert_eq!(may_answer_with_error(&frame, &Packet::parse(&frame).unwrap()), may, "{what}");
        }
    }
}
