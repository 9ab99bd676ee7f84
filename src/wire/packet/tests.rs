//! Facts of frames that are as they should be, and what is said of others.

use super::super::build::{Build, DST_MAC, SRC_MAC, mend_ip};
use super::*;
use proptest::prelude::*;

const A: &str = "10.0.0.1:5060";
const B: &str = "10.0.0.2:40000";

fn parse(frame: &Build) -> Packet {
    Packet::parse(&frame.bytes()).unwrap()
}

#[test]
fn a_datagram_behind_options_and_a_tag() {
    let headers = parse(&Build::udp(A, B).vlan(5).ttl(9).df().ip_options(&[7, 7, 4, 0, 0, 0, 0]).payload(b"x"));
    let (src, dst) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let facts = Packet {
        addresses: Address::pair(src, dst),
        rx: RxKey::of(DST_MAC, VlanId::new(5)),
        ports: Ports::new(5060, 40000),
        l3: 18,
        l4: 46,
        end: 55,
        size: 37,
        ttl: 9,
        protocol: ipv4::UDP,
        dont_fragment: true,
        atomic: true,
        plain: false,
        kind: Kind::Udp,
    };
    assert_eq!(headers, facts);
    assert_eq!((headers.dst_mac(), headers.vlan(), headers.src(), headers.dst()), (DST_MAC, VlanId::new(5), src, dst));
    assert_eq!(headers.tuple().unwrap().to_string(), "udp 10.0.0.1:5060 > 10.0.0.2:40000");
}

#[test]
fn a_segment_and_its_sequence_numbers() {
    let flags = Flags::ACK.with(Flags::FIN);
    let headers = parse(&Build::tcp(A, B, flags, 0xffff_fffe, 77).tcp_options(&[1, 1, 1]).payload(b"hello"));
    let Kind::Tcp(segment) = headers.kind else { panic!("{headers:?}") };
    let expected = Segment { seq: 0xffff_fffe, ack: 77, flags, payload: 5 };
    assert_eq!((segment, segment.length()), (expected, 6));
}

#[test]
fn echo_has_its_identifier_on_the_side_that_asks() {
    let request = parse(&Build::echo_request("10.0.0.1", "10.0.0.2", 77, 1)).tuple().unwrap();
    let reply = parse(&Build::echo_reply("10.0.0.2", "10.0.0.1", 77, 1)).tuple().unwrap();
    assert_eq!(request.to_string(), "icmp 10.0.0.1:77 > 10.0.0.2:0");
    assert_eq!(request.reversed(), reply);
}

#[test]
fn an_error_tells_the_tuple_it_is_about() {
    let quoted = [
        (Build::udp(A, B).ip_options(&[7, 4, 4, 0]), "udp 10.0.0.1:5060 > 10.0.0.2:40000", 66),
        (Build::tcp(A, B, Flags::SYN, 1, 0), "tcp 10.0.0.1:5060 > 10.0.0.2:40000", 62),
        (Build::echo_request("10.0.0.1", "10.0.0.2", 9, 1), "icmp 10.0.0.1:9 > 10.0.0.2:0", 62),
        (Build::echo_reply("10.0.0.1", "10.0.0.2", 9, 1), "icmp 10.0.0.1:0 > 10.0.0.2:9", 62),
    ];
    for (quoted, tuple, l4) in quoted {
        for kind in [3, 4, 5, 11, 12] {
            let headers = parse(&Build::icmp_error("192.0.2.1", "10.0.0.1", kind, 1, &quoted));
            let Kind::IcmpError(error) = headers.kind else { panic!("{headers:?}") };
            assert_eq!((error.kind, error.code, error.l3, error.l4), (kind, 1, 42, l4));
            assert_eq!((error.tuple.to_string().as_str(), headers.tuple()), (tuple, None));
        }
    }
}

#[test]
fn an_error_about_what_has_no_tuple_is_only_routed() {
    let big = Build::udp(A, B).payload(&[7; 3000]);
    let later = Build::icmp("192.0.2.1", "10.0.0.1", 11, 1).payload(&big.fragments(1480)[1][14..46]);
    let gre = parse(&Build::icmp_error("192.0.2.1", "10.0.0.1", 3, 2, &Build::other("10.0.0.1", "10.0.0.2", 47)));
    let Kind::IcmpError(quoted) = gre.kind else { panic!("{gre:?}") };
    assert_eq!(quoted.tuple.to_string(), "gre 10.0.0.1:0 > 10.0.0.2:0");
    let stamp = Build::icmp_error("192.0.2.1", "10.0.0.1", 3, 1, &Build::icmp("10.0.0.1", "10.0.0.2", 13, 0));
    for error in [later, stamp, Build::icmp("10.0.0.1", "10.0.0.2", 13, 0)] {
        assert_eq!((parse(&error).kind, parse(&error).protocol), (Kind::Other, ipv4::ICMP));
    }
}

#[test]
fn fragments_of_a_datagram() {
    let fragments = Build::udp(A, B).id(7).payload(&[7; 3000]).fragments(1480);
    let read: Vec<_> = fragments.iter().map(|fragment| Packet::parse(fragment).unwrap().kind).collect();
    let fragment = |offset, more, shows_ports| Kind::Fragment(Fragment { id: 7, offset, more, shows_ports });
    assert_eq!(read, [fragment(0, true, true), fragment(1480, true, false), fragment(2960, false, false)]);
    let tuple = parse(&Build::udp(A, B)).tuple();
    assert_eq!(Packet::parse(&fragments[0]).unwrap().fragment_tuple(), tuple);
}

#[test]
fn arp_tells_its_addresses() {
    let headers = parse(&Build::arp_request(SRC_MAC, "10.0.0.1", "10.0.0.2").vlan(8));
    assert_eq!((headers.src(), headers.dst()), (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)));
    assert_eq!((headers.l3, headers.end, headers.ttl, headers.tuple()), (18, 46, 0, None));
    assert!(matches!(headers.kind, Kind::Arp(Arp { operation: arp::Operation::Request, .. })));
}

#[test]
fn what_is_odd_but_legal_is_read() {
    let mut trailing = Build::udp(A, B).payload(b"1234").bytes();
    trailing[39] = 10;
    let no_checksum = Build::udp(A, B).no_checksum().bytes();
    let record_route = Build::udp(A, B).ip_options(&[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0]).bytes();
    let long_padding = [Build::udp(A, B).bytes(), vec![0xff; 100]].concat();
    for frame in [trailing, no_checksum, record_route, long_padding] {
        assert!(matches!(Packet::parse(&frame), Ok(Packet { kind: Kind::Udp, .. })), "{frame:02x?}");
    }
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (flags, 0..40_usize, any::<u8>(), any::<u32>(), prop::option::of(0..5_u16)).prop_map(
        |((tcp, df, options, tcp_options), payload, ttl, numbers, vlan)| {
            let build = match tcp {
                true => Build::tcp(A, B, Flags(numbers as u8), numbers, !numbers),
                false => Build::udp(A, B),
            };
            let build = build.ttl(ttl).payload(&vec![7; payload]);
            let build = if df { build.df() } else { build };
            let build = if options { build.ip_options(if ttl & 1 == 0 { &[1, 1, 1] } else { &[0] }) } else { build };
            let build = if tcp && tcp_options { build.tcp_options(&[1, 1, 1, 1]) } else { build };
            match vlan {
                None => build.bytes(),
                Some(0) => build.priority(3).bytes(),
                Some(id) => build.vlan(id).bytes(),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// What the common reader accepts, the other one accepts, with the same facts.
    #[test]
    fn the_common_packet_is_read_alike_by_both_readers(
        mut frame in any_frame(),
        damage in prop::collection::vec((0..64_usize, any::<u8>()), 0..3),
        place in prop::option::weighted(0.3, prop::sample::select(vec![0x2000_u16, 0x4000, 0x6000, 1, 0x2001, 0x8000])),
        mends: bool,
        cut in prop::option::of(0..100_usize),
    ) {
        let whole = damage.is_empty() && place.is_none() && cut.is_none();
        let l3 = if frame[12..14] == [0x81, 0] { 18 } else { 14 };
        for (at, bits) in damage {
            if let Some(byte) = frame.get_mut(at) {
                *byte ^= bits;
            }
        }
        if let Some(place) = place {
            frame[l3 + 6..l3 + 8].copy_from_slice(&place.to_be_bytes());
        }
        if mends {
            mend_ip(&mut frame, l3);
        }
        frame.truncate(cut.unwrap_or(usize::MAX));
        let mut packet = Packet::BLANK;
        let is_common = read_common(&mut packet, &frame).is_some();
        let any = read_any(&frame);
        if is_common {
            prop_assert_eq!(Ok(packet), any);
        }
        prop_assert_eq!(Packet::parse(&frame), any);
        // Without options, and long enough to be looked at, it is one.
        let plain = |headers: Packet| headers.l4 - headers.l3 == 20;
        prop_assert!(!whole || is_common || frame.len() < 58 || !any.is_ok_and(plain), "{:?}", any);
    }
}
