//! Scenario 50: the exclusion group changes while traffic flows.

use crate::with_a_active;
use fairlead::admin::rows::Origin;
use fairlead::admin::{Data, Request};
use fairlead::wire::build::Build;
use testbench::bench::frames::*;
use testbench::bench::{Bench, Connection, File};

/// Both ways of a datagram between sip-a and a peer.
#[track_caller]
fn datagrams(bench: &mut Bench, peer: &str, translated: &str) {
    for (own, far) in [(5060, 5060), (42_000, 53)] {
        let there = |src: &str| Build::udp(at(src, own), at(peer, far)).payload(b"there");
        bench.forwards(HOST_A, there(A), ROUTER, there(translated));
        let back = |dst: &str| Build::udp(at(peer, far), at(dst, own)).payload(b"back");
        bench.forwards(ROUTER, back(translated), HOST_A, back(A));
    }
}

fn exclude(bench: &mut Bench, add: bool) {
    let (pool, prefix) = ("pair-1".to_owned(), format!("{PEER}/32").parse().unwrap());
    let request = if add { Request::ExcludeAdd { pool, prefix } } else { Request::ExcludeRemove { pool, prefix } };
    let Ok(Data::Excluded(rows)) = bench.ask(request) else { panic!("the exclusion group is listed") };
    let excluded = rows.iter().any(|row| row.prefix == prefix && row.origin != Origin::Removed);
    assert_eq!(excluded, add);
}

#[test]
fn s50_an_exclusion_added_live_is_for_new_flows_and_old_connections_keep_the_vip() {
    with_a_active(&File::two_arm(), |bench| {
        let mut translated = Connection::outward(bench, HOST_A, 41_000, at(PEER, 5060)).open(bench);
        let mut translated_b = Connection::outward(bench, HOST_B, 41_001, at(PEER, 5060)).open(bench);
        exclude(bench, true);
        translated.exchange(bench);
        translated_b.exchange(bench);
        let mut plain = Connection::plain(bench, HOST_A, 41_002, at(PEER, 5060)).open(bench);
        let mut plain_b = Connection::plain(bench, HOST_B, 41_003, at(PEER, 5060)).open(bench);
        datagrams(bench, PEER, A);
        for connection in [&mut translated, &mut translated_b, &mut plain, &mut plain_b] {
            connection.exchange(bench);
        }
        bench.rest(secs(300));
        bench.look();
        translated.exchange(bench);
        plain.exchange(bench);
        translated.close(bench);
        bench.rest(secs(300));
        bench.look();
        let mut again = Connection::plain(bench, HOST_A, 41_000, at(PEER, 5060));
        again.next = (900_000, 800_000);
        again.open(bench).exchange(bench);
        translated_b.exchange(bench);
        Connection::outward(bench, HOST_A, 41_010, at(VISITOR, 5060)).open(bench).exchange(bench);
    });
}

#[test]
fn s50_an_exclusion_removed_live_is_the_reverse() {
    let file = File::two_arm().with("\"172.16.1.20/32\"", "\"172.16.1.20/32\", \"172.16.9.9/32\"");
    with_a_active(&file, |bench| {
        let mut plain = Connection::plain(bench, HOST_A, 41_000, at(PEER, 5060)).open(bench);
        datagrams(bench, PEER, A);
        exclude(bench, false);
        plain.exchange(bench);
        let mut translated = Connection::outward(bench, HOST_A, 41_001, at(PEER, 5060)).open(bench);
        translated.exchange(bench);
        for (own, far) in [(5060, 5061), (43_000, 53)] {
            let there = |src: &str| Build::udp(at(src, own), at(PEER, far)).payload(b"there");
            bench.forwards(HOST_A, there(A), ROUTER, there(V));
        }
        plain.exchange(bench);
        plain.close(bench);
        translated.exchange(bench);
        exclude(bench, true);
        translated.exchange(bench);
        Connection::plain(bench, HOST_A, 41_005, at(PEER, 5060)).open(bench).exchange(bench);
    });
}

#[test]
fn s50_sip_over_udp_follows_the_exclusion_at_once() {
    with_a_active(&File::two_arm(), |bench| {
        for round in 0..3 {
            let (served, other) = (at(PEER, 5060), at(PEER, 6000 + round));
            bench.forwards(HOST_A, call(A, served), ROUTER, call(V, served));
            bench.forwards(ROUTER, request(served, V), HOST_A, request(served, A));
            exclude(bench, true);
            bench.forwards(HOST_A, call(A, other), ROUTER, call(A, other));
            exclude(bench, false);
            bench.forwards(HOST_A, call(A, other), ROUTER, call(V, other));
            bench.forwards(HOST_A, call(A, served), ROUTER, call(V, served));
        }
    });
}

#[test]
fn s50_a_far_host_of_the_prefix_is_excluded_and_its_neighbour_is_not() {
    with_a_active(&File::two_arm(), |bench| {
        exclude(bench, true);
        let neighbour = "172.16.9.10";
        datagrams(bench, neighbour, V);
        datagrams(bench, PEER, A);
        let ping = |src: &str| Build::echo_request(src, PEER, 9, 1).payload(b"ping");
        bench.forwards(HOST_B, ping(B), ROUTER, ping(B));
    });
}

#[test]
fn s50_a_file_that_excludes_is_for_new_flows_too() {
    with_a_active(&File::two_arm(), |bench| {
        let mut translated = Connection::outward(bench, HOST_A, 41_000, at(PEER, 5060)).open(bench);
        bench.lead.file = File::two_arm().with("\"172.16.1.20/32\"", "\"172.16.1.20/32\", \"172.16.9.0/24\"");
        bench.ask(Request::reload()).expect("the file is good");
        translated.exchange(bench);
        let mut plain = Connection::plain(bench, HOST_A, 41_001, at(PEER, 5060)).open(bench);
        bench.lead.file = File::two_arm();
        bench.ask(Request::reload()).expect("the file is good");
        translated.exchange(bench);
        plain.exchange(bench);
        Connection::outward(bench, HOST_A, 41_002, at(PEER, 5060)).open(bench).exchange(bench);
    });
}
