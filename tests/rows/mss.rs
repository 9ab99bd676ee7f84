//! Scenario 177: the segment size that is offered over an interface is lowered to what the file says.

use super::*;
use fairlead::policy::Intent;
use fairlead::wire::build::Build;
use fairlead::wire::tcp::Flags;

const OFFERS_1460: [u8; 4] = [2, 4, 0x05, 0xb4];
const OFFERS_1360: [u8; 4] = [2, 4, 0x05, 0x50];
const OFFERS_1200: [u8; 4] = [2, 4, 0x04, 0xb0];

fn clients(intent: &mut Intent) {
    intent.interfaces[0].mss = Some(1360);
}

/// From `from` to `to` with these flags, which offers as much.
fn offer(from: (&str, u16), to: (&str, u16), flags: Flags, options: &[u8]) -> Build {
    Build::tcp(at(from.0, from.1), at(to.0, to.1), flags, 100, if flags == SYN { 0 } else { 1 }).tcp_options(options)
}

#[test]
fn s177_a_syn_and_its_answer_offer_no_more_than_the_interface_lets_them() {
    let mut lab = Lab::with(clients);
    let (phone, v, a) = ((PHONE, 40_001), (V, 5060), (A, 5060));
    // In by the interface, and out by it.
    lab.forwards(ROUTER, offer(phone, v, SYN, &OFFERS_1460), HOST_A, offer(phone, a, SYN, &OFFERS_1360));
    lab.forwards(HOST_A, offer(a, phone, SYN_ACK, &OFFERS_1460), ROUTER, offer(v, phone, SYN_ACK, &OFFERS_1360));
    // What is smaller, or not said, stays; so does whatever has no SYN.
    let other = (PHONE, 40_002);
    lab.forwards(ROUTER, offer(other, v, SYN, &OFFERS_1200), HOST_A, offer(other, a, SYN, &OFFERS_1200));
    let third = (PHONE, 40_003);
    lab.forwards(ROUTER, offer(third, v, SYN, &[]), HOST_A, offer(third, a, SYN, &[]));
    lab.forwards(ROUTER, offer(phone, v, ACK, &OFFERS_1460), HOST_A, offer(phone, a, ACK, &OFFERS_1460));
}

/// An option that comes twice is malformed (RFC 9293 3.1 has each once); a receiver may heed either.
#[test]
fn s177_every_size_that_a_syn_offers_is_lowered() {
    let mut lab = Lab::with(clients);
    let rows: [(&[u8], &[u8]); 4] = [
        (&[2, 4, 5, 0xb4, 2, 4, 5, 0xb4], &[2, 4, 5, 0x50, 2, 4, 5, 0x50]),
        (&[2, 4, 4, 0xb0, 1, 2, 4, 35, 40, 1, 1, 1], &[2, 4, 4, 0xb0, 1, 2, 4, 5, 0x50, 1, 1, 1]),
        (&[2, 4, 35, 40, 4, 2, 2, 4, 4, 0xb0, 0, 0], &[2, 4, 5, 0x50, 4, 2, 2, 4, 4, 0xb0, 0, 0]),
        // Nothing is read behind the end, nor where an option is longer than the header.
        (&[2, 4, 35, 40, 0, 2, 4, 35, 40, 2, 40, 0], &[2, 4, 5, 0x50, 0, 2, 4, 35, 40, 2, 40, 0]),
    ];
    for (port, (offered, lowered)) in (40_001..).zip(rows) {
        let (phone, v, a) = ((PHONE, port), (V, 5060), (A, 5060));
        lab.forwards(ROUTER, offer(phone, v, SYN, offered), HOST_A, offer(phone, a, SYN, lowered));
        lab.forwards(HOST_A, offer(a, phone, SYN_ACK, offered), ROUTER, offer(v, phone, SYN_ACK, lowered));
    }
}

#[test]
fn s177_so_do_members_that_call_out_visitors_and_what_is_routed_each_time() {
    let mut lab = Lab::with(clients);
    for port in [41_000, 41_001] {
        let (own, out, peer) = ((A, port), (V, port), (PEER, 5060));
        lab.forwards(HOST_A, offer(own, peer, SYN, &OFFERS_1460), ROUTER, offer(out, peer, SYN, &OFFERS_1360));
        lab.forwards(ROUTER, offer(peer, out, SYN_ACK, &OFFERS_1460), HOST_A, offer(peer, own, SYN_ACK, &OFFERS_1360));
    }
    // To the exclusion group without a flow, and again, when a route might have been kept.
    let (own, config) = ((A, 42_000), (CONFIG, 2020));
    for _ in 0..3 {
        lab.forwards(HOST_A, offer(own, config, SYN, &OFFERS_1460), ROUTER, offer(own, config, SYN, &OFFERS_1360));
        let data = |options: &[u8]| offer(own, config, DATA, options);
        lab.forwards(HOST_A, data(&[1; 4]), ROUTER, data(&[1; 4]));
    }
    let (visitor, own) = ((VISITOR, 50_000), (A, 22));
    for _ in 0..2 {
        lab.forwards(ROUTER, offer(visitor, own, SYN, &OFFERS_1460), HOST_A, offer(visitor, own, SYN, &OFFERS_1360));
        lab.forwards(
            HOST_A,
            offer(own, visitor, SYN_ACK, &OFFERS_1460),
            ROUTER,
            offer(own, visitor, SYN_ACK, &OFFERS_1360),
        );
    }
}

#[test]
fn s177_between_two_interfaces_the_smaller_value_holds_and_a_reload_changes_it() {
    let mut lab = Lab::with(|intent| {
        clients(intent);
        intent.interfaces[1].mss = Some(1200);
    });
    let (phone, v, a) = ((PHONE, 40_001), (V, 5060), (A, 5060));
    lab.forwards(ROUTER, offer(phone, v, SYN, &OFFERS_1460), HOST_A, offer(phone, a, SYN, &OFFERS_1200));
    lab.rig.intent.interfaces.iter_mut().for_each(|interface| interface.mss = None);
    lab.rig.publish();
    let other = (PHONE, 40_002);
    lab.forwards(ROUTER, offer(other, v, SYN, &OFFERS_1460), HOST_A, offer(other, a, SYN, &OFFERS_1460));
}
