//! Scenarios 111 to 114: interfaces of which the kernel has a device. What it is handed, what is handed to it as a copy, what it sends,
//! and that none of that costs more than its budget.

use super::*;
use fairlead::engine::{DropReason, IgnoreReason, PuntReason};
use fairlead::policy::adjacency::NextHop;
use fairlead::policy::intent::InterfaceId;
use fairlead::time::Duration;
use fairlead::wire::build::Build;
use fairlead::wire::{Mac, Packet};

const CLIENTS: InterfaceId = InterfaceId(0);
const SERVERS: InterfaceId = InterfaceId(1);
const LAYOUTS: [Layout; 4] = [Layout::TwoArm, Layout::TaggedServers, Layout::OnePort, Layout::PriorityTags];

/// Both interfaces have a device.
fn lab(layout: Layout) -> Lab {
    let mut lab = Lab::new(layout);
    for (interface, name) in lab.rig.intent.interfaces.iter_mut().zip(["fl-clients", "fl-servers"]) {
        interface.host = Some(name.into());
    }
    lab.rig.publish();
    lab
}

fn own(far: Far) -> (&'static str, InterfaceId) {
    if far == ROUTER { (E, CLIENTS) } else { (G, SERVERS) }
}

/// As the kernel sees what `far` sends: without any tag.
fn untagged(lab: &Lab, far: Far, build: &Build) -> Vec<u8> {
    untagged_bytes(&lab.arriving(far, build))
}

fn untagged_bytes(frame: &[u8]) -> Vec<u8> {
    match frame[12..14] == [0x81, 0] {
        true => [&frame[..12], &frame[16..]].concat(),
        false => frame.to_vec(),
    }
}

/// What `far` sends reaches the kernel as it is, is counted as `reason`, and comes out nowhere.
#[track_caller]
fn reaches_kernel(lab: &mut Lab, far: Far, sent: &Build, reason: PuntReason) {
    let frame = lab.arriving(far, sent);
    reaches_kernel_as(lab, far, &frame, reason);
}

#[track_caller]
fn reaches_kernel_as(lab: &mut Lab, far: Far, frame: &[u8], reason: PuntReason) {
    let (out, moved) = lab.raw(far, frame);
    assert_eq!(out, [], "nothing was to come out");
    assert_eq!(moved, Moved { received: 1, punted: vec![reason], ..Moved::default() });
    assert_eq!(lab.rig.for_kernel(), [(own(far).1, untagged_bytes(frame))]);
}

#[test]
fn s111_what_is_sent_to_a_self_ip_and_is_not_ours_reaches_the_kernel() {
    for layout in LAYOUTS {
        let mut lab = lab(layout);
        for (far, client) in [(ROUTER, PHONE), (HOST_A, A), (Far::Server(77), "10.20.0.77")] {
            let (to, _) = own(far);
            let quoted = Build::udp(at(to, 40_000), at(client, 53)).payload(b"query");
            for sent in [
                Build::tcp(at(client, 51_000), at(to, 22), SYN, 7, 0),
                Build::tcp(at(client, 22), at(to, 40_000), SYN_ACK, 9, 8),
                Build::udp(at(client, 123), at(to, 123)).payload(&[7; 48]),
                Build::other(client, to, 47).payload(&[7; 30]),
                Build::icmp_error(client, to, 3, 3, &quoted),
            ] {
                reaches_kernel(&mut lab, far, &sent, PuntReason::Host);
            }
        }
    }
}

#[test]
fn s111_what_is_ours_never_reaches_the_kernel() {
    for layout in LAYOUTS {
        let mut lab = lab(layout);
        let ping = |to| Build::echo_request(PHONE, to, 1, 1).payload(&[7; 32]);
        lab.answers(ROUTER, ping(E), Build::echo_reply(E, PHONE, 1, 1).payload(&[7; 32]));
        lab.answers(ROUTER, ping(V), Build::echo_reply(V, PHONE, 1, 1).payload(&[7; 32]));
        let invite = |to| Build::udp(at(PHONE, 5060), at(to, 5060)).payload(b"INVITE");
        lab.forwards(ROUTER, invite(V), HOST_A, invite(A));
        // Answers to probes, and what says that one failed.
        let probe = Build::udp(at(G, 50_000), at(A, 5060)).payload(b"OPTIONS");
        for sent in [
            Build::udp(at(A, 5060), at(G, 50_000)).payload(b"SIP/2.0 200 OK"),
            Build::tcp(at(A, 5060), at(G, 50_001), SYN_ACK, 5, 6),
            Build::icmp_error(A, G, 3, 3, &probe),
        ] {
            let (out, moved) = lab.send(HOST_A, &sent);
            assert_eq!(
                (out.len(), moved),
                (0, Moved { received: 1, punted: vec![PuntReason::Local], ..Moved::default() })
            );
        }
        // A virtual address is none of the kernel's, and neither is an error about somebody else's packet.
        let closed = Build::udp(at(PHONE, 5080), at(V, 5999)).payload(b"x");
        lab.rejects(ROUTER, closed.clone(), DropReason::NotListening, Build::icmp_error(V, PHONE, 3, 3, &closed));
        lab.drops(ROUTER, Build::icmp_error(PHONE, E, 3, 3, &invite(PEER)), DropReason::NoFlowForError);
        assert_eq!(lab.rig.for_kernel(), []);
    }
}

#[test]
fn s111_without_a_device_a_self_ip_refuses_as_before() {
    let mut lab = lab(Layout::TwoArm);
    lab.rig.intent.interfaces[0].host = None;
    lab.rig.publish();
    let datagram = Build::udp(at(PHONE, 123), at(E, 123)).payload(&[7; 48]);
    lab.rejects(ROUTER, datagram.clone(), DropReason::NotListening, Build::icmp_error(E, PHONE, 3, 3, &datagram));
    reaches_kernel(&mut lab, HOST_A, &Build::udp(at(A, 123), at(G, 123)).payload(&[7; 48]), PuntReason::Host);
}

#[test]
fn s111_a_datagram_in_fragments_reaches_the_kernel_whole() {
    for layout in LAYOUTS {
        let mut lab = lab(layout);
        let sent = Build::udp(at(PHONE, 123), at(E, 123)).id(7).payload(&[7; 2_800]);
        let pieces = lab.pieces(ROUTER, &sent, 1_000);
        let before = lab.rig.counters();
        let (out, _) = lab.send_all(ROUTER, &pieces);
        let moved = Moved::between(&before, &lab.rig.counters());
        assert_eq!((out.len(), moved.punted), (0, vec![PuntReason::Host; pieces.len()]));
        assert_eq!(lab.rig.for_kernel(), [(CLIENTS, untagged(&lab, ROUTER, &sent))]);
    }
}

#[test]
fn s111_a_checksum_that_was_left_to_a_network_card_is_finished() {
    for layout in LAYOUTS {
        let mut lab = lab(layout);
        let sent = Build::tcp(at(PHONE, 51_000), at(E, 22), SYN, 7, 0);
        let whole = lab.arriving(ROUTER, &sent);
        let at = usize::from(Packet::parse(&whole).unwrap().l4) + 16;
        let mut left = whole.clone();
        // Of the pseudo-header alone: 172.16.5.5, 192.0.2.2, TCP, 20 bytes.
        let pseudo = [0xac10_u32, 0x0505, 0xc000, 0x0202, 6, 20].iter().sum::<u32>();
        let pseudo = (pseudo & 0xffff) + (pseudo >> 16);
        left[at..at + 2].copy_from_slice(&(pseudo as u16).to_be_bytes());
        let (_, moved) = lab.raw(ROUTER, &left);
        assert_eq!(moved.punted, [PuntReason::Host]);
        assert_eq!(lab.rig.for_kernel(), [(CLIENTS, untagged_bytes(&whole))]);
        left[at] ^= 0x55;
        reaches_kernel_as(&mut lab, ROUTER, &left, PuntReason::Host);
    }
}

#[test]
fn s112_routing_daemons_hear_their_neighbours_and_groups_of_the_link() {
    for layout in LAYOUTS {
        let mut lab = lab(layout);
        for sent in [
            Build::tcp(at(R, 50_000), at(E, 179), SYN, 7, 0),
            Build::tcp(at(R, 179), at(E, 40_000), SYN_ACK, 7, 8),
            Build::udp(at(R, 50_000), at(E, 3_784)).ttl(255).payload(&[7; 24]),
            Build::udp(at(R, 50_000), at(E, 4_784)).ttl(254).payload(&[7; 24]),
            Build::other(R, E, 89).ttl(1).payload(&[7; 44]),
            Build::other(R, E, 112).ttl(255).payload(&[7; 12]),
        ] {
            reaches_kernel(&mut lab, ROUTER, &sent, PuntReason::HostRouting);
        }
        for (to, protocol) in [("224.0.0.5", 89), ("224.0.0.18", 112), ("224.0.0.9", 17)] {
            let last = to.rsplit('.').next().unwrap().parse().unwrap();
            let sent = Build::other(R, to, protocol)
                .ttl(1)
                .payload(&[0, 1, 0, 2, 0, 28, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
            let mut frame = lab.arriving(ROUTER, &sent);
            frame[..6].copy_from_slice(&[1, 0, 0x5e, 0, 0, last]);
            reaches_kernel_as(&mut lab, ROUTER, &frame, PuntReason::HostRouting);
        }
        // Beyond the link's groups nobody is asked.
        let mut frame = lab.arriving(ROUTER, &Build::udp(at(R, 1), at("239.1.1.1", 2)).payload(b"x"));
        frame[..6].copy_from_slice(&[1, 0, 0x5e, 1, 1, 1]);
        lab.ignores_frame(ROUTER, &frame, IgnoreReason::Multicast);
        assert_eq!(lab.rig.for_kernel(), []);
    }
}

#[test]
fn s112_the_kernel_learns_its_neighbours_and_never_answers_for_us() {
    for layout in LAYOUTS {
        let mut lab = lab(layout);
        let stranger = Mac([2, 0, 0, 0, 0, 77]);
        let tagged = |lab: &Lab, build: Build| match lab.arriving(HOST_A, &Build::udp(at(A, 1), at(G, 1))) {
            frame if frame[12..14] == [0x81, 0] && layout != Layout::PriorityTags => build.vlan(200),
            _ => build,
        };
        let ours = lab.arriving(HOST_A, &Build::udp(at(A, 1), at(G, 1)))[..6].try_into().map(Mac).unwrap();
        let copied = |lab: &mut Lab, build: Build, punted: &[PuntReason], ignored: &[IgnoreReason]| {
            let frame = tagged(lab, build).bytes();
            let (out, moved) = lab.raw(HOST_A, &frame);
            let mut punted = punted.to_vec();
            punted.push(PuntReason::HostArp);
            assert_eq!((&moved.punted, &moved.ignored[..], moved.received), (&punted, ignored, 1));
            assert_eq!(lab.rig.for_kernel(), [(SERVERS, untagged_bytes(&frame))]);
            out
        };
        // Asked for a self-IP by who is known, and by who is not: we answer the one, management the other.
        let known = Build::arp_request(Mac([2, 0, 0, 0, 0, 11]), A, G);
        let out = copied(&mut lab, known, &[], &[]);
        assert_eq!(out.len(), 1);
        let answer = Build::arp_reply(ours, G, Mac([2, 0, 0, 0, 0, 11]), A);
        assert_same(
            &out[0].1,
            &match &out[0].1[12..14] {
                [0x81, 0] => answer.vlan(200).bytes(),
                _ => answer.bytes(),
            },
        );
        assert_eq!(copied(&mut lab, Build::arp_request(stranger, "10.20.0.77", G), &[PuntReason::ArpRequest], &[]), []);
        let reply = Build::arp_reply(stranger, "10.20.0.77", ours, G);
        assert_eq!(copied(&mut lab, reply, &[PuntReason::ArpReply], &[]), []);
        let announcement = Build::arp_request(stranger, "10.20.0.77", "10.20.0.77");
        assert_eq!(copied(&mut lab, announcement, &[], &[IgnoreReason::Arp]), []);
        // Of a virtual address, of others, and what bears our own MAC, the kernel hears nothing.
        for build in [
            Build::arp_request(Mac([2, 0, 0, 0, 0, 11]), A, V),
            Build::arp_request(stranger, "10.20.0.77", "10.20.0.78"),
            Build::arp_request(ours, G, G),
        ] {
            let frame = tagged(&lab, build).bytes();
            lab.raw(HOST_A, &frame);
            assert_eq!(lab.rig.for_kernel(), []);
        }
    }
}

#[test]
fn s112_a_members_echo_reply_is_for_probes_and_for_the_kernels_pings() {
    let mut lab = lab(Layout::TaggedServers);
    let reply = Build::echo_reply(A, G, 60_000, 1).payload(&[7; 32]);
    let (out, moved) = lab.send(HOST_A, &reply);
    assert_eq!((out.len(), moved.received, moved.punted), (0, 1, vec![PuntReason::Local, PuntReason::HostEcho]));
    assert_eq!(lab.rig.for_kernel(), [(SERVERS, untagged(&lab, HOST_A, &reply))]);
    // Whoever else answers, answers the kernel.
    reaches_kernel(&mut lab, ROUTER, &Build::echo_reply(PHONE, E, 60_000, 1).payload(&[7; 32]), PuntReason::Host);
}

#[test]
fn s113_what_the_kernel_sends_leaves_as_it_is_with_the_tag_of_its_interface() {
    for layout in LAYOUTS {
        let mut lab = lab(layout);
        for (far, interface, dst) in [(ROUTER, CLIENTS, R), (HOST_A, SERVERS, A)] {
            let (src, _) = own(far);
            for build in [
                Build::tcp(at(src, 22), at(dst, 51_000), DATA, 7, 8).payload(b"SSH-2.0"),
                Build::udp(at(src, 5060), at(dst, 5060)).ttl(1).payload(b"not translated, whatever its port"),
                Build::other(src, "224.0.0.5", 89).ttl(1).payload(&[7; 44]),
            ] {
                sends(&mut lab, far, interface, &build);
            }
        }
        // VRRP's own MAC passes, and ARP is as long as the link wants it.
        let vrrp = Build::other(E, "224.0.0.18", 112).ttl(255).payload(&[7; 24]);
        let frame = vrrp.macs(Mac([0, 0, 0x5e, 0, 1, 10]), Mac([1, 0, 0x5e, 0, 0, 18])).bytes();
        let out = lab.rig.from_kernel(CLIENTS, &frame);
        assert_eq!(out.len(), 1);
        assert_eq!(untagged_bytes(&out[0].1), frame);
        let arp = &Build::arp_request(MAC_INNER, G, A).bytes()[..42];
        let out = lab.rig.from_kernel(SERVERS, arp);
        assert_eq!((out.len(), out[0].1.len() >= 60, &untagged_bytes(&out[0].1)[..42]), (1, true, arp));
        assert_eq!(lab.rig.counters().imbalance(), 0);
    }
}

#[track_caller]
fn sends(lab: &mut Lab, far: Far, interface: InterfaceId, build: &Build) {
    let before = lab.rig.counters();
    let expected = lab.leaving(far, build);
    let out = lab.rig.from_kernel(interface, &untagged_bytes(&expected));
    let moved = Moved::between(&before, &lab.rig.counters());
    assert_eq!(moved, Moved { transmitted: 1, ..Moved::default() });
    assert_eq!(lab.rig.counters().originated, before.originated + 1);
    assert_eq!(out, [(lab.port(far), expected)]);
    assert_eq!(lab.rig.counters().flows, 0, "the kernel's packets make no flow");
}

#[test]
fn s113_what_has_no_interface_any_more_is_counted() {
    let mut lab = lab(Layout::TwoArm);
    let frame = lab.leaving(ROUTER, &Build::udp(at(E, 1), at(R, 2)).payload(b"late"));
    let before = lab.rig.counters();
    assert_eq!(lab.rig.from_kernel(InterfaceId(9), &frame), []);
    assert_eq!(Moved::between(&before, &lab.rig.counters()).dropped, [DropReason::HostGone]);
}

/// A router that is the master no more has advertised what leaves when its appliance runs again: whoever hears it yields (RFC 9568 6.4.3).
#[test]
fn s178_what_the_kernel_sent_while_nothing_ran_does_not_leave_and_what_it_sends_from_then_on_does() {
    let mut lab = lab(Layout::TwoArm);
    let advertisement = |id: u8| {
        let vrrp = Build::other(E, "224.0.0.18", 112).ttl(255).payload(&[id; 24]);
        vrrp.macs(Mac([0, 0, 0x5e, 0, 1, 10]), Mac([1, 0, 0x5e, 0, 0, 18])).bytes()
    };
    let left = |lab: &mut Lab| lab.rig.settle().iter().map(|(_, frame)| frame[40]).collect::<Vec<u8>>();
    let before = lab.rig.counters();
    let mut queue = |id, ago| lab.rig.queue_from_kernel(CLIENTS, &advertisement(id), Duration::from_millis(ago));
    (0..100).for_each(|_| queue(1, 9_000));
    [(2, 251), (3, 250), (4, 0)].into_iter().for_each(|(id, ago)| queue(id, ago));
    assert_eq!(left(&mut lab), [3, 4]);
    let dropped = |lab: &Lab| lab.rig.counters().drops(DropReason::HostStale) - before.drops(DropReason::HostStale);
    assert_eq!(dropped(&lab), 101);
    assert_eq!(lab.rig.counters().originated, before.originated + 103);
    // The worker alone did not run.
    lab.rig.queue_from_kernel(CLIENTS, &advertisement(5), Duration::ZERO);
    lab.rig.now += Duration::from_millis(251);
    lab.rig.queue_from_kernel(CLIENTS, &advertisement(6), Duration::ZERO);
    assert_eq!(left(&mut lab), [6]);
    assert_eq!(dropped(&lab), 102);
}

#[test]
fn s114_a_flood_takes_nothing_from_routing_from_probes_or_from_traffic() {
    let mut lab = lab(Layout::TwoArm);
    lab.rig.intent.limits.host_packets_per_second = 100;
    lab.rig.publish();
    let flood = Build::tcp(at(PHONE, 51_000), at(E, 22), SYN, 7, 0);
    let before = lab.rig.counters();
    let mut handed = 0;
    for _ in 0..500 {
        lab.send(ROUTER, &flood);
        handed += lab.rig.for_kernel().len();
    }
    let counters = lab.rig.counters();
    let workers = lab.rig.workers.len() as u64;
    assert_eq!(counters.punts(PuntReason::Host), handed as u64);
    assert!((100..=100 * workers).contains(&counters.punts(PuntReason::Host)), "{handed}");
    assert_eq!(counters.drops(DropReason::HostLimited) - before.drops(DropReason::HostLimited), 500 - handed as u64);
    // Everything else is as before.
    reaches_kernel(&mut lab, ROUTER, &Build::tcp(at(R, 50_000), at(E, 179), SYN, 7, 0), PuntReason::HostRouting);
    let (_, moved) = lab.send(HOST_A, &Build::udp(at(A, 5060), at(G, 50_000)).payload(b"SIP/2.0 200 OK"));
    assert_eq!(moved.punted, [PuntReason::Local]);
    let invite = |to| Build::udp(at(PHONE, 5060), at(to, 5060)).payload(b"INVITE");
    lab.forwards(ROUTER, invite(V), HOST_A, invite(A));
    // A flood at BGP's own port comes from beyond the link, and takes nothing from neighbours.
    let far = Build::tcp(at(PHONE, 51_000), at(E, 179), SYN, 7, 0);
    (0..500).for_each(|_| drop(lab.send(ROUTER, &far)));
    lab.rig.for_kernel();
    let counters = lab.rig.counters();
    assert!(counters.drops(DropReason::HostRoutingFarLimited) > 0);
    assert_eq!(counters.punts(PuntReason::HostRoutingFar) + counters.drops(DropReason::HostRoutingFarLimited), 500);
    reaches_kernel(&mut lab, ROUTER, &Build::tcp(at(R, 50_001), at(E, 179), SYN, 7, 0), PuntReason::HostRouting);
    // A server on its own link likewise, though it is nearer than anybody.
    let near = Build::tcp(at(A, 51_000), at(G, 179), SYN, 7, 0);
    (0..500).for_each(|_| drop(lab.send(HOST_A, &near)));
    lab.rig.for_kernel();
    let counters = lab.rig.counters();
    assert!(counters.punts(PuntReason::HostRouting) >= 25 && counters.drops(DropReason::HostRoutingLimited) > 0);
    assert_eq!(counters.punts(PuntReason::HostRouting) + counters.drops(DropReason::HostRoutingLimited), 502);
    reaches_kernel(&mut lab, ROUTER, &Build::tcp(at(R, 50_002), at(E, 179), SYN, 7, 0), PuntReason::HostRouting);
    // And of the routers' class likewise, to its own end.
    let hello = Build::other(R, E, 89).ttl(1).payload(&[7; 44]);
    (0..500).for_each(|_| drop(lab.send(ROUTER, &hello)));
    let counters = lab.rig.counters();
    assert_eq!(counters.punts(PuntReason::HostRouting) + counters.drops(DropReason::HostRoutingLimited), 1_003);
    lab.rig.wait(Duration::from_secs(1));
    lab.rig.for_kernel();
    reaches_kernel(&mut lab, ROUTER, &flood, PuntReason::Host);
}

#[test]
fn s114_a_kernel_that_does_not_read_costs_its_own_frames_and_no_others() {
    let mut lab = lab(Layout::TwoArm);
    let sent = Build::udp(at(PHONE, 123), at(E, 123)).payload(&[7; 48]);
    // The ring of each worker holds 256.
    (0..1_000).for_each(|_| drop(lab.send(ROUTER, &sent)));
    let counters = lab.rig.counters();
    assert_eq!(counters.punts(PuntReason::Host) + counters.drops(DropReason::HostFull), 1_000);
    assert!(counters.drops(DropReason::HostFull) > 0 && counters.punts(PuntReason::Host) >= 256);
    let invite = |to| Build::udp(at(PHONE, 5060), at(to, 5060)).payload(b"INVITE");
    lab.forwards(ROUTER, invite(V), HOST_A, invite(A));
    lab.rig.abandon_hosts();
    lab.drops(ROUTER, sent, DropReason::HostGone);
    // The copies that ARP makes end as well.
    let hop = NextHop { interface: SERVERS, address: addr("10.20.0.11") };
    assert!(lab.rig.adjacency.contains_key(&hop));
    let frame = Build::arp_request(Mac([2, 0, 0, 0, 0, 11]), A, G).bytes();
    let (out, moved) = lab.raw(HOST_A, &frame);
    assert_eq!((out.len(), moved.dropped), (1, vec![DropReason::HostGone]));
}
