//! What a reading of the code with fresh eyes found wrong, each as the packets that showed it.

use super::*;
use fairlead::time::Duration;
use fairlead::wire::build::Build;

#[test]
fn claim_of_a_silent_standby_ends() {
    let mut lab = Lab::new(Layout::TwoArm);
    let peer = at(PEER, 5060);
    let of = |src| Build::udp(at(src, 5060), peer).payload(b"x");
    let ask = |dst| Build::udp(peer, at(dst, 5060)).payload(b"y");
    let (out, _) = lab.send(HOST_B, &of(B));
    assert_eq!(out.len(), 1);
    let mut to_b = 0;
    for _ in 0..60 {
        lab.rig.wait(Duration::from_secs(30));
        let (out, _) = lab.send(ROUTER, &ask(V));
        to_b += u32::from(out[0].1[5] == 12);
    }
    assert!(to_b < 11, "{to_b} of 60 packets, one each 30 s, went to the standby that spoke once");
}

#[test]
fn client_is_reset_although_the_member_spoke_first() {
    let mut lab = Lab::new(Layout::TwoArm);
    let client = at(PHONE, 40001);
    lab.connect(client, 5060, HOST_A);
    let seg = Build::tcp(at(A, 5060), client, DATA, 9001, 1001).payload(b"abc");
    let frame = lab.arriving(HOST_A, &seg);
    let port = lab.port(HOST_A);
    lab.rig.bench.inject(port, &frame);
    let out = lab.rig.switch_over(Some(MEMBER_B), true);
    let to_client = out.iter().filter(|(port, _)| *port == OUTER).count();
    assert!(to_client > 0, "{} frames out, none to the client", out.len());
}

#[test]
fn answers_of_the_exclusion_group_leave_no_flows_for_hours() {
    let mut lab = Lab::new(Layout::TwoArm);
    for port in 30000..30050 {
        lab.send(HOST_A, &Build::udp(at(A, port), at(CONFIG, 53)).payload(b"q"));
        lab.send(ROUTER, &Build::udp(at(CONFIG, 53), at(A, port)).payload(b"a"));
    }
    lab.rig.wait(Duration::from_secs(3600));
    assert_eq!(lab.rig.tally().flows, 0, "after an hour");
}

#[test]
fn visitors_fill_the_table_for_everybody() {
    let mut lab = Lab::with(|intent| intent.limits.flows_per_worker = 64);
    for port in 1000..1400 {
        lab.send(ROUTER, &Build::udp(at(VISITOR, port), at(A, 161)).payload(b"q"));
    }
    lab.rig.wait(Duration::from_secs(3600));
    let (out, _) = lab.send(ROUTER, &Build::tcp(at(PHONE, 40001), at(V, 5060), SYN, 5, 0));
    assert_eq!(out.len(), 1, "a call after an hour: {:?}", lab.rig.told());
}

#[test]
fn no_port_unreachable_towards_a_member() {
    let mut lab = Lab::new(Layout::TwoArm);
    let (out, _) = lab.send(HOST_A, &Build::udp(at(A, 5060), at(V, 9999)).payload(b"q"));
    assert_eq!(out.len(), 0, "T-17");
}

#[test]
fn icmp_errors_of_strangers_are_not_punted() {
    let mut lab = Lab::new(Layout::TwoArm);
    let quoted = Build::udp(at(G, 50000), at(A, 5060)).payload(b"q");
    let before = lab.rig.tally().punted.sum();
    lab.send(ROUTER, &Build::icmp_error(PHONE, G, 3, 3, &quoted));
    assert_eq!(lab.rig.tally().punted.sum(), before, "a stranger ends a probe");
}

#[test]
fn hairpin_to_a_second_address_of_the_pool_is_answered() {
    let mut failed = Vec::new();
    for last in 101..121 {
        let second = format!("10.20.0.{last}");
        let mut lab = Lab::with(|intent| {
            let mut server = virtual_server("sip-2", &second, 0);
            server.listen.retain(|listen| listen.port == 5061);
            intent.virtual_servers[0].listen.retain(|listen| listen.port == 5060);
            intent.virtual_servers.push(server);
        });
        let (out, _) = lab.send(HOST_B, &Build::tcp(at(B, 41000), at(&second, 5061), SYN, 5, 0));
        assert_eq!(out.len(), 1);
        let port = source_port(&out[0].1);
        let (out, _) = lab.send(HOST_A, &Build::tcp(at(A, 5061), at(V, port), SYN_ACK, 7, 6));
        if out.len() != 1 { failed.push((last, lab.rig.told())); }
    }
    assert!(failed.is_empty(), "{} of 20: {:?}", failed.len(), failed[0]);
}

#[test]
fn bytes_behind_the_datagram_are_not_carried_over_the_mtu() {
    let mut lab = Lab::with(|intent| intent.interfaces[1].mtu = 600);
    let mut frame = lab.arriving(ROUTER, &Build::udp(at(PHONE, 5060), at(V, 5060)).payload(b"x"));
    frame.resize(1400, 0);
    let (out, _) = lab.raw(ROUTER, &frame);
    assert!(out[0].1.len() <= 614, "{} bytes left on a link of mtu 600", out[0].1.len());
}
