//! Scenario 179: what leaves under a virtual address has the code point that the file says.

use super::*;
use fairlead::policy::intent::Dscp;
use fairlead::wire::build::Build;

const LAYOUTS: [Layout; 4] = [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort, Layout::OneArm];
/// AF41 with both bits of congestion notification: what members send.
const SENT: u8 = 34 << 2 | 0b11;
/// The same bits of congestion notification.
const AS_SERVICE: u8 = 24 << 2 | 0b11;
const AS_SNAT: u8 = 8 << 2 | 0b11;

fn lab(layout: Layout) -> Lab {
    let mut lab = Lab::new(layout);
    lab.rig.intent.virtual_servers[0].dscp = Some(Dscp::Cs3);
    lab.rig.intent.snats[0].dscp = Some(Dscp::Cs1);
    lab.rig.publish();
    lab
}

fn datagram(src: (&str, u16), dst: (&str, u16), tos: u8) -> Build {
    Build::udp(at(src.0, src.1), at(dst.0, dst.1)).id(7).tos(tos).payload(b"SIP/2.0 200 OK\r\n\r\n")
}

fn segment(src: (&str, u16), dst: (&str, u16), flags: fairlead::wire::tcp::Flags, seq: u32, tos: u8) -> Build {
    Build::tcp(at(src.0, src.1), at(dst.0, dst.1), flags, seq, if flags == SYN { 0 } else { 1 }).tos(tos)
}

#[test]
fn s179_what_leaves_from_service_ports_has_the_code_point_of_its_virtual_server() {
    for layout in LAYOUTS {
        let mut lab = lab(layout);
        // What comes in keeps its own.
        lab.forwards(
            ROUTER,
            datagram((PHONE, 5060), (V, 5060), SENT),
            HOST_A,
            datagram((PHONE, 5060), (A, 5060), SENT),
        );
        for _ in 0..2 {
            let out = datagram((V, 5060), (PHONE, 5060), AS_SERVICE);
            lab.forwards(HOST_A, datagram((A, 5060), (PHONE, 5060), SENT), ROUTER, out);
        }
        // A connection to it: by the packet that has no cached route yet, and by those that have.
        let (phone, v, a) = ((PHONE, 40_001), (V, 5061), (A, 5061));
        lab.forwards(ROUTER, segment(phone, v, SYN, 1, SENT), HOST_A, segment(phone, a, SYN, 1, SENT));
        lab.forwards(HOST_A, segment(a, phone, SYN_ACK, 1, SENT), ROUTER, segment(v, phone, SYN_ACK, 1, AS_SERVICE));
        for seq in [2, 3, 4] {
            lab.forwards(ROUTER, segment(phone, v, ACK, seq, SENT), HOST_A, segment(phone, a, ACK, seq, SENT));
            lab.forwards(HOST_A, segment(a, phone, ACK, seq, SENT), ROUTER, segment(v, phone, ACK, seq, AS_SERVICE));
        }
        // One from a service port, by the member.
        let (own, out, peer) = ((A, 5060), (V, 5060), (PEER, 5060));
        lab.forwards(HOST_A, segment(own, peer, SYN, 1, SENT), ROUTER, segment(out, peer, SYN, 1, AS_SERVICE));
        for seq in [2, 3] {
            lab.forwards(HOST_A, segment(own, peer, ACK, seq, SENT), ROUTER, segment(out, peer, ACK, seq, AS_SERVICE));
        }
    }
}

#[test]
fn s179_what_members_send_from_other_ports_has_that_of_snat() {
    for layout in LAYOUTS {
        let mut lab = lab(layout);
        let (own, out, peer) = ((A, 41_000), (V, 41_000), (PEER, 5060));
        lab.forwards(HOST_A, segment(own, peer, SYN, 1, SENT), ROUTER, segment(out, peer, SYN, 1, AS_SNAT));
        lab.forwards(ROUTER, segment(peer, out, SYN_ACK, 1, SENT), HOST_A, segment(peer, own, SYN_ACK, 1, SENT));
        for seq in [2, 3, 4] {
            lab.forwards(HOST_A, segment(own, peer, ACK, seq, SENT), ROUTER, segment(out, peer, ACK, seq, AS_SNAT));
            lab.forwards(HOST_A, datagram(own, peer, SENT), ROUTER, datagram(out, peer, AS_SNAT));
        }
        let ping = |src, tos| Build::echo_request(src, PEER, 9, 1).tos(tos);
        lab.forwards(HOST_A, ping(A, SENT), ROUTER, ping(V, AS_SNAT));
        let gre = |src, tos| Build::other(src, PEER, 47).id(0x55).payload(&[0; 12]).tos(tos);
        lab.forwards(HOST_A, gre(A, SENT), ROUTER, gre(V, AS_SNAT));
    }
}

#[test]
fn s179_what_leaves_untranslated_and_what_reports_an_error_keep_theirs() {
    for layout in LAYOUTS {
        let mut lab = lab(layout);
        // The exclusion group, from a service port and from another one.
        for port in [5060, 41_000] {
            for _ in 0..3 {
                let sent = || datagram((A, port), (CONFIG, 5060), SENT);
                lab.forwards(HOST_A, sent(), ROUTER, sent());
            }
        }
        let (visitor, own) = ((VISITOR, 50_000), (A, 22));
        lab.forwards(ROUTER, segment(visitor, own, SYN, 1, SENT), HOST_A, segment(visitor, own, SYN, 1, SENT));
        for seq in [1, 2, 3] {
            let flags = if seq == 1 { SYN_ACK } else { ACK };
            let sent = || segment(own, visitor, flags, seq, SENT);
            lab.forwards(HOST_A, sent(), ROUTER, sent());
        }
        let asked = |dst| Build::udp(at(PHONE, 5060), at(dst, 5060)).id(3).payload(b"INVITE");
        lab.forwards(ROUTER, asked(V), HOST_A, asked(A));
        let refuses = |src, dst| Build::icmp_error(src, PHONE, 3, 3, &asked(dst)).tos(0xc0);
        lab.forwards(HOST_A, refuses(A, A), ROUTER, refuses(V, V));
    }
}

#[test]
fn s179_each_fragment_has_it_that_came_or_that_we_make() {
    let mut lab = lab(Layout::TwoArm);
    lab.forwards_pieces(HOST_A, &answer(A, 4_000), ROUTER, answer(V, 4_000));
    // A narrower way out: 34 is what the member sent in `answer`'s place.
    let mut lab = self::lab(Layout::TwoArm);
    lab.rig.intent.virtual_servers[0].dscp = Some(Dscp::Ef);
    lab.rig.intent.interfaces[0].mtu = 1_000;
    lab.rig.publish();
    let (out, moved) = lab.send(HOST_A, &answer(A, 1_400));
    assert_eq!((moved.transmitted, &moved.dropped[..]), (2, &[][..]));
    let expected = lab.identified(answer(V, 1_400).ttl(63).dscp(46), &out[0].1);
    let expected = lab.undress(ROUTER, &expected).fragments(976);
    out.iter().zip(&expected).for_each(|((_, got), expected)| assert_same(got, expected));
}

#[test]
fn s179_a_reload_changes_it_for_what_stands() {
    let mut lab = lab(Layout::TwoArm);
    let (phone, v, a) = ((PHONE, 40_001), (V, 5060), (A, 5060));
    lab.forwards(ROUTER, segment(phone, v, SYN, 1, 0), HOST_A, segment(phone, a, SYN, 1, 0));
    lab.forwards(HOST_A, segment(a, phone, SYN_ACK, 1, 0), ROUTER, segment(v, phone, SYN_ACK, 1, 24 << 2));
    for (dscp, tos) in [(Some(Dscp::Ef), 46 << 2), (None, 0), (Some(Dscp::Cs0), 0), (Some(Dscp::Le), 1 << 2)] {
        lab.rig.intent.virtual_servers[0].dscp = dscp;
        lab.rig.publish();
        for seq in [2, 3, 4] {
            lab.forwards(HOST_A, segment(a, phone, ACK, seq, 0), ROUTER, segment(v, phone, ACK, seq, tos));
            lab.forwards(HOST_A, datagram(a, phone, 0), ROUTER, datagram(v, phone, tos));
        }
    }
}
