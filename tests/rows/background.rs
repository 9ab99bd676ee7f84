//! What every LAN carries to all hosts: not forwarded, not answered, and no loss.

use super::*;
use fairlead::engine::{DropReason, IgnoreReason};
use fairlead::time::Duration;
use fairlead::wire::Mac;
use fairlead::wire::build::Build;

/// A frame of another format, as a switch sends it: padded to the least length.
fn link_frame(dst: [u8; 6], rest: &[u8]) -> Vec<u8> {
    let mut frame = [&dst[..], &[2, 0, 0, 0, 0, 0x77], rest].concat();
    frame.resize(frame.len().max(60), 0);
    frame
}

/// On the link of the servers and on the router's: what each is ignored for.
fn chatter() -> Vec<(&'static str, Vec<u8>, IgnoreReason)> {
    let switch = Mac([2, 0, 0, 0, 0, 0x77]);
    let to = |dst: [u8; 6], build: Build| build.macs(switch, Mac(dst)).bytes();
    let vrrp = Build::other("10.20.0.2", "224.0.0.18", 112).ttl(255).payload(&[0x31, 10, 100, 1, 0, 0, 0, 0]);
    let hsrp = Build::udp(at("10.20.0.2", 1985), at("224.0.0.2", 1985)).ttl(1).payload(&[0; 20]);
    let dhcp = Build::udp(at("0.0.0.0", 68), at("255.255.255.255", 67)).payload(&[1; 300]);
    let netbios = Build::udp(at(A, 138), at("10.20.0.255", 138)).payload(&[1; 100]);
    let spanning_tree = [0x00, 0x26, 0x42, 0x42, 0x03, 0, 0, 0, 0, 0];
    let cdp = [0x00, 0x40, 0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x20, 0x00, 2, 180];
    let advertisement = [0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 58, 255];
    vec![
        ("STP", link_frame([0x01, 0x80, 0xc2, 0, 0, 0], &spanning_tree), IgnoreReason::LinkProtocol),
        ("LLDP", link_frame([0x01, 0x80, 0xc2, 0, 0, 0x0e], &[0x88, 0xcc, 2, 7, 4]), IgnoreReason::LinkProtocol),
        ("CDP", link_frame([0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc], &cdp), IgnoreReason::LinkProtocol),
        ("IPv6 RA", link_frame([0x33, 0x33, 0, 0, 0, 1], &advertisement), IgnoreReason::LinkProtocol),
        ("VRRP", to([1, 0, 0x5e, 0, 0, 0x12], vrrp), IgnoreReason::Multicast),
        ("HSRP", to([1, 0, 0x5e, 0, 0, 2], hsrp), IgnoreReason::Multicast),
        ("DHCP", to([0xff; 6], dhcp), IgnoreReason::Broadcast),
        ("NetBIOS", to([0xff; 6], netbios), IgnoreReason::Broadcast),
        ("ARP", Build::arp_request(switch, "10.20.0.77", "10.20.0.78").bytes(), IgnoreReason::Arp),
        (
            "another VLAN's ARP",
            Build::arp_request(switch, "10.9.0.1", "10.9.0.2").vlan(99).bytes(),
            IgnoreReason::OtherVlan,
        ),
    ]
}

#[test]
fn an_hour_of_a_switchs_chatter_is_no_loss() {
    let mut lab = Lab::new(Layout::TwoArm);
    for _ in 0..60 {
        for (what, frame, reason) in chatter() {
            for far in [HOST_A, ROUTER] {
                let (out, moved) = lab.raw(far, &frame);
                assert_eq!((out.len(), &moved.ignored[..], moved.received), (0, &[reason][..], 1), "{what}: {moved:?}");
            }
        }
        lab.rig.wait(Duration::from_secs(60));
    }
    let counters = lab.rig.counters();
    assert_eq!((counters.dropped.sum(), counters.punted.sum(), counters.ignored.sum()), (0, 0, 1_200));
    assert_eq!(counters.imbalance(), 0);
}

#[test]
fn what_is_sent_to_one_host_and_dies_here_is_a_loss() {
    let mut lab = Lab::new(Layout::TwoArm);
    let request = Build::udp(at(PHONE, 5060), at(V, 5060)).payload(b"OPTIONS");
    let mut ipv6 = lab.arriving(ROUTER, &request);
    ipv6[12..14].copy_from_slice(&[0x86, 0xdd]);
    lab.drops_frame(ROUTER, &ipv6, DropReason::UnknownEtherType);
    let mut elsewhere = lab.arriving(ROUTER, &request);
    elsewhere[5] ^= 0x40;
    lab.drops_frame(ROUTER, &elsewhere, DropReason::NotForUs);
    // To a group of hosts, but damaged: it was for somebody.
    let mut damaged = lab.arriving(ROUTER, &request);
    damaged[..6].copy_from_slice(&[0xff; 6]);
    damaged[24] ^= 1;
    lab.drops_frame(ROUTER, &damaged, DropReason::BadIpChecksum);
    let mut group = lab.arriving(ROUTER, &request);
    group[..6].copy_from_slice(&[0xff; 6]);
    lab.ignores_frame(ROUTER, &group, IgnoreReason::Broadcast);
}
