//! Whatever arrives: it is read or refused, and what was read can be changed, answered and sent on without a fault.
//!
//! Run briefly by `cargo test`; `tests/fuzz/search wire any_bytes 600` searches for longer.

use fairlead::wire::build::{Build, mend_icmp, mend_ip};
use fairlead::wire::facts::{Kind, Link};
use fairlead::wire::reply::{self, IcmpError, Reply};
use fairlead::wire::shown::Shown;
use fairlead::wire::tcp::Flags;
use fairlead::wire::{Endpoint, Mac, Packet, Rewrite, Tuple, VlanId, check, ethernet, ipv4};
use std::net::Ipv4Addr;

const OURS: Mac = Mac([2, 0, 0, 0, 0, 9]);

/// Does to `bytes` all that the appliance could, and proves that the facts hold.
fn handle(bytes: &[u8], seed: u32) {
    let _ = check::whole(bytes);
    let _ = Shown(bytes).to_string();
    let Ok(headers) = Packet::parse(bytes) else { return };
    assert!(headers.l3 < headers.l4 && headers.l4 <= headers.end && usize::from(headers.end) <= bytes.len());
    answer(bytes, &headers);
    forward(bytes.to_vec(), &headers, seed);
}

fn answer(bytes: &[u8], headers: &Packet) {
    let from = Ipv4Addr::new(10, 20, 0, 1);
    let error = |error| Reply::IcmpError { error, from };
    let too_big = IcmpError::FragmentationNeeded { mtu: 1400 };
    let _ = reply::may_answer_with_error(bytes, headers);
    for reply in [Reply::Arp { mac: OURS }, Reply::Echo, Reply::Reset, error(IcmpError::TtlExceeded), error(too_big)] {
        let link = reply::link_back(bytes, headers, OURS);
        let length = reply::length(&reply, headers, &link);
        let mut out = vec![0xee; length + 1];
        assert_eq!(reply::build(&reply, bytes, headers, &link, &mut out), length);
        assert_eq!(out[length], 0xee, "written beyond its length");
        if length > 0 {
            let answer = Packet::parse(&out[..length]).unwrap_or_else(|why| panic!("{why:?}: {out:02x?}"));
            assert_eq!(answer.dst(), if let Kind::Arp(asked) = headers.kind { asked.sender } else { headers.src() });
        }
    }
}

fn forward(mut bytes: Vec<u8>, headers: &Packet, seed: u32) {
    let new = Endpoint::new(Ipv4Addr::from_bits(seed), seed as u16);
    if let Some(from) = headers.tuple() {
        let to = if seed.is_multiple_of(2) { Tuple { src: new, ..from } } else { Tuple { dst: new, ..from } };
        Rewrite::between(&from, &to).apply(&mut bytes, headers);
    } else {
        Rewrite::addresses((headers.src(), headers.dst()), (new.addr, headers.dst())).apply(&mut bytes, headers);
    }
    if let Kind::IcmpError(quoted) = headers.kind {
        let to = Tuple { dst: new, ..quoted.tuple };
        Rewrite::between(&quoted.tuple, &to).apply_to_quoted(&mut bytes, headers, &quoted);
    }
    if !matches!(headers.kind, Kind::Arp(_)) {
        ipv4::decrement_ttl(&mut bytes[usize::from(headers.l3)..]);
    }
    let tag = if headers.l3 == 18 { VlanId::new(7) } else { None };
    ethernet::LinkHeader::new(OURS, OURS, tag).write(&mut bytes, headers.l3.into());
    let again = Packet::parse(&bytes).unwrap_or_else(|why| panic!("{why:?} after: {bytes:02x?}"));
    assert_eq!((again.l3, again.l4, again.end), (headers.l3, headers.l4, headers.end));
    assert_eq!((Link::of(&bytes).src, again.vlan()), (OURS, tag));
    if let (Kind::IcmpError(before), Kind::IcmpError(after)) = (headers.kind, again.kind) {
        assert_eq!((after.tuple.src.addr, after.tuple.dst.addr), (before.tuple.src.addr, new.addr));
    }
}

/// A good frame of each kind, to be damaged.
fn good(kind: u8, payload: &[u8]) -> Build {
    let (a, b) = ("10.0.0.1:5060", "10.0.0.2:40000");
    let udp = Build::udp(a, b).payload(payload);
    let tcp = Build::tcp(a, b, Flags::SYN, 1, 0).tcp_options(&[2, 4, 5, 0xb4]).payload(payload);
    let echo = Build::echo_request("10.0.0.1", "10.0.0.2", 1, 1).payload(payload);
    match kind % 8 {
        0 => udp,
        1 => tcp,
        2 => echo,
        3 => Build::icmp_error("10.0.0.9", "10.0.0.1", 3, 3, &udp),
        4 => Build::icmp_error("10.0.0.9", "10.0.0.1", 11, 0, &tcp.ip_options(&[7, 7, 4])),
        5 => Build::icmp_error("10.0.0.9", "10.0.0.1", 12, 0, &echo).vlan(9),
        6 => Build::arp_request(OURS, "10.0.0.1", "10.0.0.2"),
        _ => udp.ip_options(&[7, 7, 4, 0, 0, 0, 0]).vlan(5),
    }
}

#[test]
fn any_bytes() {
    bolero::check!().for_each(|bytes: &[u8]| handle(bytes, 0x0a00_0005));
}

/// Good frames with some bytes overwritten, some bits of the fragment field among them, cut, and their checksums mended
/// so that the damage gets past the first door.
#[test]
fn damaged_frames() {
    type Input = (u8, Vec<u8>, Vec<(u8, u8)>, Option<u8>, bool, u32);
    bolero::check!().with_type::<Input>().for_each(|(kind, payload, damage, cut, mend, seed)| {
        let mut frame = good(*kind, payload).bytes();
        let l3 = if frame[12] == 0x81 { 18 } else { 14 };
        for (at, value) in damage {
            if let Some(byte) = frame.get_mut(usize::from(*at)) {
                *byte = *value;
            }
        }
        let end = l3 + usize::from(u16::from_be_bytes([frame[l3 + 2], frame[l3 + 3]]));
        let l4 = l3 + usize::from(frame[l3] & 0x0f) * 4;
        if *mend {
            if frame[l3 + 9] == 1 && end <= frame.len() && l4 + 28 <= end {
                mend_ip(&mut frame, l4 + 8);
                mend_icmp(&mut frame, l3);
            }
            mend_ip(&mut frame, l3);
        }
        if let Some(cut) = cut {
            frame.truncate(usize::from(*cut));
        }
        handle(&frame, *seed);
    });
}
