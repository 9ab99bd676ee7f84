//! Scenarios 1 to 15: what is translated, what is not, and what is answered.

use crate::rig::*;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;

const PHONE: &str = "172.16.5.5:5060";
const GATEWAY: &str = "172.16.9.9:5060";

fn rig() -> Rig<Memory> {
    Rig::two_arm(Memory::default())
}

/// What a frame from the outside looks like when it arrives, and when it has been sent on to a member.
fn arrives(build: Build) -> Build {
    build.macs(MAC_R, MAC_OUTER)
}

#[test]
fn s01_a_datagram_to_the_vip_reaches_the_active_member() {
    let mut rig = rig();
    let payload = b"REGISTER sip:10.20.0.100 SIP/2.0\r\n\r\n";
    let sent = arrives(Build::udp(PHONE, "10.20.0.100:5060").dscp(24).payload(payload));
    let got = rig.one(OUTER, &sent.bytes(), INNER);
    let expected = Build::udp(PHONE, "10.20.0.11:5060").dscp(24).payload(payload).macs(MAC_INNER, MAC_A).ttl(63);
    assert_eq!(got, expected.bytes());
}

#[test]
fn s02_the_answer_wears_the_virtual_address() {
    let mut rig = rig();
    let sent = Build::udp("10.20.0.11:5060", PHONE).macs(MAC_A, MAC_INNER).payload(b"SIP/2.0 200 OK\r\n\r\n");
    let got = rig.one(INNER, &sent.bytes(), OUTER);
    let expected =
        Build::udp("10.20.0.100:5060", PHONE).macs(MAC_OUTER, MAC_R).ttl(63).payload(b"SIP/2.0 200 OK\r\n\r\n");
    assert_eq!(got, expected.bytes());
}

#[test]
fn s06_a_connection_from_a_member_wears_the_virtual_address() {
    let mut rig = rig();
    let syn = Build::tcp("10.20.0.11:41000", GATEWAY, Flags::SYN, 1000, 0).macs(MAC_A, MAC_INNER).df();
    let got = rig.one(INNER, &syn.bytes(), OUTER);
    let expected = Build::tcp("10.20.0.100:41000", GATEWAY, Flags::SYN, 1000, 0).macs(MAC_OUTER, MAC_R).ttl(63).df();
    assert_eq!(got, expected.bytes());
    let answer = arrives(Build::tcp(GATEWAY, "10.20.0.100:41000", Flags::SYN.with(Flags::ACK), 77, 1001));
    let got = rig.one(OUTER, &answer.bytes(), INNER);
    let expected =
        Build::tcp(GATEWAY, "10.20.0.11:41000", Flags::SYN.with(Flags::ACK), 77, 1001).macs(MAC_INNER, MAC_A).ttl(63);
    assert_eq!(got, expected.bytes());
}
