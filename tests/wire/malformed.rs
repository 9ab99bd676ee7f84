//! Frames that cannot be read: each is refused with its reason, and none brings the parser down.

use fairlead::wire::build::{Build, SRC_MAC, mend_icmp, mend_ip};
use fairlead::wire::tcp::Flags;
use fairlead::wire::{Malformed, Packet};

const A: &str = "10.0.0.1:5060";
const B: &str = "10.0.0.2:40000";

/// One row: what was done to a good frame, how, and what the parser must say.
type Row = (&'static str, fn() -> Vec<u8>, Malformed);

fn tcp() -> Build {
    Build::tcp(A, B, Flags::SYN, 1, 0)
}

fn udp() -> Build {
    Build::udp(A, B)
}

fn error() -> Build {
    Build::icmp_error("192.0.2.1", "10.0.0.1", 3, 3, &udp())
}

/// A good datagram with `bytes` written at `at`, its header checksum mended.
fn damaged(frame: Build, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = frame.bytes();
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    mend_ip(&mut frame, 14);
    frame
}

/// An error whose quote has `bytes` at `at`, the message's own checksum mended.
fn misquoting(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = error().bytes();
    frame[42 + at..42 + at + bytes.len()].copy_from_slice(bytes);
    mend_icmp(&mut frame, 14);
    frame
}

fn quoting(bytes: &[u8]) -> Vec<u8> {
    Build::icmp("192.0.2.1", "10.0.0.1", 3, 3).payload(bytes).bytes()
}

fn unfit_arp(at: usize, value: u8) -> Vec<u8> {
    let mut frame = Build::arp_request(SRC_MAC, "10.0.0.1", "10.0.0.2").bytes();
    frame[at] = value;
    frame
}

fn with_wrong_header_checksum() -> Vec<u8> {
    let mut frame = tcp().bytes();
    frame[25] ^= 1;
    frame
}

const LINK: &[Row] = &[
    ("nothing", Vec::new, Malformed::Truncated),
    ("half an Ethernet header", || tcp().bytes()[..9].to_vec(), Malformed::Truncated),
    ("a tag cut short", || tcp().vlan(1).bytes()[..17].to_vec(), Malformed::Truncated),
    ("a length field instead of an EtherType", || damaged(tcp(), 12, &[0, 46]), Malformed::UnknownEtherType),
    ("IPv6", || damaged(tcp(), 12, &[0x86, 0xdd]), Malformed::UnknownEtherType),
    ("a service tag", || damaged(tcp(), 12, &[0x88, 0xa8]), Malformed::UnknownEtherType),
    ("two tags", || damaged(tcp(), 12, &[0x81, 0, 0, 1, 0x81, 0]), Malformed::UnknownEtherType),
    ("an ARP packet cut short", || unfit_arp(0, 2)[..41].to_vec(), Malformed::Arp),
    ("ARP for IEEE 802 addresses", || unfit_arp(15, 6), Malformed::Arp),
    ("ARP with sixteen-byte addresses", || unfit_arp(19, 16), Malformed::Arp),
    ("reverse ARP", || unfit_arp(21, 3), Malformed::Arp),
];

const NETWORK: &[Row] = &[
    ("an IP header cut short", || tcp().bytes()[..33].to_vec(), Malformed::Truncated),
    ("version 5", || damaged(tcp(), 14, &[0x55]), Malformed::IpVersion),
    ("IHL 4", || damaged(tcp(), 14, &[0x44]), Malformed::IpHeaderLength),
    ("IHL beyond the datagram", || damaged(tcp(), 14, &[0x4f]), Malformed::IpHeaderLength),
    ("total length 19", || damaged(tcp(), 16, &[0, 19]), Malformed::IpLength),
    ("total length beyond the frame", || damaged(tcp(), 16, &[0, 47]), Malformed::IpLength),
    ("a header checksum off by one", with_wrong_header_checksum, Malformed::IpChecksum),
    ("a loose source route", || tcp().ip_options(&[1, 131, 3, 4]).bytes(), Malformed::SourceRoute),
    ("a strict source route", || tcp().ip_options(&[137, 7, 4, 10, 0, 0, 1]).bytes(), Malformed::SourceRoute),
    ("an option of length 0", || tcp().ip_options(&[7, 0, 0, 0]).bytes(), Malformed::IpHeaderLength),
    ("an option beyond the header", || tcp().ip_options(&[1, 7, 4, 4]).bytes(), Malformed::IpHeaderLength),
    ("an option of one byte", || tcp().ip_options(&[1, 1, 1, 7]).bytes(), Malformed::IpHeaderLength),
    ("a piece beyond the largest datagram", || damaged(udp(), 20, &[0x1f, 0xff]), Malformed::Fragment),
    ("a piece cut within eight bytes", || damaged(udp().payload(b"x"), 20, &[0x20, 0]), Malformed::Fragment),
    ("an empty piece", || damaged(Build::other("10.0.0.1", "10.0.0.2", 47), 20, &[0x20, 0]), Malformed::Fragment),
    ("a tiny first piece of TCP", || tcp().payload(&[0; 40]).fragments(16).remove(0), Malformed::Fragment),
    ("a piece over the TCP flags", || tcp().payload(&[0; 40]).fragments(8).remove(1), Malformed::Fragment),
];

const TRANSPORT: &[Row] = &[
    ("a segment of 19 bytes", || damaged(tcp(), 16, &[0, 39]), Malformed::TcpHeader),
    ("TCP data offset 4", || damaged(tcp(), 46, &[0x40]), Malformed::TcpHeader),
    ("TCP data offset beyond the segment", || damaged(tcp(), 46, &[0x60]), Malformed::TcpHeader),
    ("a UDP header of 7 bytes", || damaged(udp(), 16, &[0, 27]), Malformed::UdpLength),
    ("UDP length 7", || damaged(udp(), 38, &[0, 7]), Malformed::UdpLength),
    ("UDP length beyond the datagram", || damaged(udp(), 38, &[0, 9]), Malformed::UdpLength),
    ("an ICMP header of 7 bytes", || damaged(error(), 16, &[0, 27]), Malformed::Icmp),
    ("an ICMP error with a wrong checksum", || damaged(error(), 36, &[0, 0]), Malformed::IcmpChecksum),
    ("an error that quotes nothing", || quoting(b""), Malformed::IcmpQuote),
    ("a quote of seven transport bytes", || quoting(&udp().datagram()[..27]), Malformed::IcmpQuote),
    ("a quoted version 6", || misquoting(0, &[0x65]), Malformed::IcmpQuote),
    ("a quoted IHL 4", || misquoting(0, &[0x44]), Malformed::IcmpQuote),
    ("a quoted IHL beyond the message", || misquoting(0, &[0x4f]), Malformed::IcmpQuote),
    ("a quoted header with a wrong checksum", || misquoting(10, &[0, 0]), Malformed::IcmpQuote),
];

#[test]
fn every_malformed_frame_is_refused_with_its_reason() {
    for (what, frame, why) in [LINK, NETWORK, TRANSPORT].concat() {
        assert_eq!(Packet::parse(&frame()), Err(why), "{what}");
    }
}

/// A frame cut anywhere before the end of its datagram is refused; cut behind it, only padding is gone.
#[test]
fn a_frame_cut_anywhere_is_refused() {
    for (frame, end) in [(tcp().bytes(), 54), (error().vlan(3).bytes(), 74), (udp().bytes(), 42)] {
        for length in 0..end {
            assert!(Packet::parse(&frame[..length]).is_err(), "{length} of {frame:02x?}");
        }
        assert_eq!(Packet::parse(&frame[..end]), Packet::parse(&frame));
    }
}
