//! Whole frames from nothing: what the appliance says without having been asked.
//!
//! Owns ARP requests and announcements, resets of connections it gives up, frames around datagrams that another stack made, and the
//! smallest packet with a tuple, which is only asked about. Allocates; the data path does not come here. Every frame is padded with zeros to 60 bytes.

use super::addr::{Mac, Protocol, Tuple, VlanId};
use super::arp::{self, Arp, Operation};
use super::bytes::{put16, put32};
use super::facts::{Flags, Link};
use super::{checksum, ethernet, icmp, ipv4, tcp, udp};
use std::net::Ipv4Addr;

/// "Who has `target`? Tell `sender`", to everyone (RFC 826).
pub fn arp_request(src: Mac, vlan: Option<VlanId>, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let packet = Arp { operation: Operation::Request, sender_mac: src, sender, target_mac: Mac::ZERO, target };
    arp_frame(&Link { dst: Mac::BROADCAST, src, vlan }, &packet)
}

/// Any ARP packet, in a frame with this header.
pub fn arp_frame(link: &Link, packet: &Arp) -> Vec<u8> {
    let mut bytes = [0; arp::LENGTH];
    packet.write(&mut bytes);
    frame(link, ethernet::ARP, &bytes)
}

/// "I have `addr`": a request for one's own address, which makes every neighbour that knows it correct its MAC
/// (RFC 5227 2.3, 3).
pub fn arp_announcement(mac: Mac, vlan: Option<VlanId>, addr: Ipv4Addr) -> Vec<u8> {
    arp_request(mac, vlan, addr, addr)
}

/// The same as a reply to everybody, which some hosts believe that do not believe the request. Its target is the sender itself: Linux
/// takes one whose target is nobody for no announcement.
pub fn arp_announcing_reply(mac: Mac, vlan: Option<VlanId>, addr: Ipv4Addr) -> Vec<u8> {
    let packet = Arp { operation: Operation::Reply, sender_mac: mac, sender: addr, target_mac: mac, target: addr };
    arp_frame(&Link { dst: Mac::BROADCAST, src: mac, vlan }, &packet)
}

/// "Has anybody `addr`?", by nobody: who has the address answers, and nobody learns anything from the question (RFC 5227 2.1.1).
pub fn arp_probe(mac: Mac, vlan: Option<VlanId>, addr: Ipv4Addr) -> Vec<u8> {
    arp_request(mac, vlan, Ipv4Addr::UNSPECIFIED, addr)
}

/// A reset from `tuple.src` to `tuple.dst`. `seq` must be exactly what the receiver expects next, or it is only asked to
/// prove itself (RFC 5961 3.2). With `ack` the reset acknowledges (RFC 9293 3.5.2). The tuple's protocol is not looked at.
pub fn tcp_reset(link: &Link, tuple: &Tuple, seq: u32, ack: Option<u32>) -> Vec<u8> {
    let (src, dst) = (tuple.src, tuple.dst);
    let mut datagram = [0; ipv4::HEADER + tcp::HEADER];
    ipv4::Header::new(ipv4::TCP, src.addr, dst.addr).write(&mut datagram, tcp::HEADER);
    tcp::write_reset(&mut datagram[ipv4::HEADER..], (src.addr, src.port), (dst.addr, dst.port), seq, ack);
    frame(link, ethernet::IPV4, &datagram)
}

/// A packet with this tuple and content: a datagram; a segment with these control bits, sequence number 1 and, if it acknowledges, 1
/// acknowledged; or an echo request whose identifier is the source's port. Of another protocol the content stands behind the header. All
/// of it must fit into an IPv4 datagram.
pub fn packet(link: &Link, tuple: &Tuple, flags: Flags, content: &[u8]) -> Vec<u8> {
    let (src, dst) = (tuple.src, tuple.dst);
    let (length, checksum_at) = match tuple.protocol {
        Protocol::Udp => (udp::HEADER, Some(udp::CHECKSUM)),
        Protocol::Tcp => (tcp::HEADER, Some(tcp::CHECKSUM)),
        Protocol::Icmp => (icmp::HEADER, Some(icmp::CHECKSUM)),
        Protocol::Other(_) => (0, None),
    };
    let number = tuple.protocol.number();
    let header_length = length;
    let length = header_length + content.len();
    let mut datagram = vec![0; ipv4::HEADER + length];
    ipv4::Header::new(number, src.addr, dst.addr).write(&mut datagram, length);
    let header = &mut datagram[ipv4::HEADER..];
    match tuple.protocol {
        Protocol::Udp => {
            put16(header, 0, src.port);
            put16(header, 2, dst.port);
            put16(header, 4, length as u16);
        }
        Protocol::Tcp => {
            put16(header, 0, src.port);
            put16(header, 2, dst.port);
            put32(header, 4, 1);
            put32(header, 8, u32::from(flags.ack()));
            header[12] = (tcp::HEADER / 4 * 16) as u8;
            header[13] = flags.0;
            put16(header, 14, u16::MAX);
        }
        Protocol::Icmp => {
            header[0] = icmp::ECHO_REQUEST;
            put16(header, icmp::IDENTIFIER, src.port);
            put16(header, icmp::IDENTIFIER + 2, 1);
        }
        Protocol::Other(_) => {}
    }
    header[header_length..].copy_from_slice(content);
    if let Some(at) = checksum_at {
        let pseudo = match tuple.protocol {
            Protocol::Icmp => 0,
            _ => checksum::pseudo_header(src.addr, dst.addr, number, length as u16),
        };
        let field = checksum::field(checksum::combine(checksum::sum(header), pseudo));
        let none = tuple.protocol == Protocol::Udp && field == 0;
        put16(header, at, if none { u16::MAX } else { field });
    }
    frame(link, ethernet::IPV4, &datagram)
}

/// A frame around a whole IPv4 datagram, which is taken as it is.
pub fn ip_frame(dst: Mac, src: Mac, vlan: Option<VlanId>, datagram: &[u8]) -> Vec<u8> {
    frame(&Link { dst, src, vlan }, ethernet::IPV4, datagram)
}

fn frame(link: &Link, ethertype: u16, packet: &[u8]) -> Vec<u8> {
    let l3 = ethernet::header_length(link.vlan);
    let mut bytes = vec![0; (l3 + packet.len()).max(ethernet::SHORTEST)];
    ethernet::write(&mut bytes, link, ethertype);
    bytes[l3..l3 + packet.len()].copy_from_slice(packet);
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::build::{Build, DST_MAC, SRC_MAC, ToEndpoint};
    use super::super::shown::Shown;
    use super::super::{Protocol, tcp::Flags};
    use super::*;

    const US: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 1);
    const VIP: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 100);

    #[test]
    fn a_packet_with_a_tuple_is_as_a_host_would_send_it() {
        let [src, dst] = ["172.16.5.5:40000", "10.20.0.100:5060"].map(ToEndpoint::endpoint);
        let vlan = VlanId::new(120);
        let link = Link { dst: DST_MAC, src: SRC_MAC, vlan };
        let rows = [
            (Protocol::Udp, Flags::default(), Build::udp(src, dst)),
            (Protocol::Tcp, Flags::SYN, Build::tcp(src, dst, Flags::SYN, 1, 0)),
            (Protocol::Tcp, Flags::FIN.with(Flags::ACK), Build::tcp(src, dst, Flags::FIN.with(Flags::ACK), 1, 1)),
            (Protocol::Icmp, Flags::default(), Build::echo_request(src.addr, dst.addr, 40_000, 1)),
            (Protocol::GRE, Flags::default(), Build::other(src.addr, dst.addr, 47)),
        ];
        for (protocol, flags, build) in rows {
            for content in [&b""[..], b"odd", b"SIP/2.0 200 OK\r\n\r\n"] {
                let got = packet(&link, &Tuple::new(protocol, src, dst), flags, content);
                let expected = build.clone().payload(content).vlan(120).df().bytes();
                assert_eq!(Shown(&got).to_string(), Shown(&expected).to_string());
                assert_eq!(got, expected);
            }
        }
    }

    /// Byte for byte from RFC 826, so that reader and writer cannot be wrong together.
    #[test]
    fn an_arp_request_has_the_format_of_rfc_826() {
        let expected = [
            [0xff; 6].as_slice(),      // to everyone
            &[2, 0, 0, 0, 0, 1, 8, 6], // from us, ARP
            &[0, 1, 8, 0, 6, 4, 0, 1], // Ethernet, IPv4, address lengths, request
            &[2, 0, 0, 0, 0, 1, 10, 20, 0, 1],
            &[0, 0, 0, 0, 0, 0, 10, 20, 0, 100],
            &[0; 18],
        ];
        assert_eq!(arp_request(SRC_MAC, None, US, VIP), expected.concat());
        let tagged = arp_request(SRC_MAC, VlanId::new(7), US, VIP);
        assert_eq!(tagged, Build::arp_request(SRC_MAC, US, VIP).vlan(7).bytes());
    }

    #[test]
    fn an_announcement_asks_for_its_own_sender() {
        assert_eq!(arp_announcement(SRC_MAC, None, VIP), Build::arp_request(SRC_MAC, VIP, VIP).bytes());
    }

    #[test]
    fn a_probe_asks_for_nobody() {
        let expected = Build::arp_request(SRC_MAC, Ipv4Addr::UNSPECIFIED, VIP).vlan(7).bytes();
        assert_eq!(arp_probe(SRC_MAC, VlanId::new(7), VIP), expected);
    }

    #[test]
    fn a_reset_is_whole_and_says_what_was_asked() {
        let link = Link { dst: DST_MAC, src: SRC_MAC, vlan: VlanId::new(4) };
        let (src, dst) = ("10.20.0.100:5061", "172.16.5.5:40000");
        let tuple = Tuple::new(Protocol::Tcp, src.endpoint(), dst.endpoint());
        assert_eq!(
            Shown(&tcp_reset(&link, &tuple, 7, None)).to_string(),
            "02:00:00:00:00:01 > 02:00:00:00:00:02 vlan 4 | tcp 10.20.0.100:5061 > 172.16.5.5:40000 RST seq 7 ack 0 \
             | ttl 64 df | 0 bytes \"\""
        );
        let mut expected = Build::tcp(src, dst, Flags::RST.with(Flags::ACK), 0, 9).vlan(4).df().bytes();
        let bytes = tcp_reset(&link, &tuple, 0, Some(9));
        // The builder offers a window, a reset has none; the checksum differs by just that.
        expected[52..56].copy_from_slice(&bytes[52..56]);
        assert_eq!(bytes, expected);
        assert_eq!(super::super::check::whole(&bytes), Ok(()));
    }

    #[test]
    fn a_datagram_is_framed_as_it_is() {
        let built = Build::udp("10.20.0.1:1", "10.20.0.11:5060").vlan(2).payload(b"OPTIONS");
        assert_eq!(ip_frame(DST_MAC, SRC_MAC, VlanId::new(2), &built.datagram()), built.bytes());
    }
}
