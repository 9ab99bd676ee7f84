//! Scenario 50: the exclusion group changes while traffic flows.

use crate::told_with_a_active;
use fairlead::admin::{Data, Request};
use fairlead::wire::build::Build;
use testbench::world::frames::*;
use testbench::world::{Connection, File, World};

/// Both ways of a datagram between sip-a and a peer.
#[track_caller]
fn datagrams(world: &mut World, peer: &str, worn: &str) {
    for (own, far) in [(5060, 5060), (42_000, 53)] {
        let there = |src: &str| Build::udp(at(src, own), at(peer, far)).payload(b"there");
        world.forwards(HOST_A, there(A), ROUTER, there(worn));
        let back = |dst: &str| Build::udp(at(peer, far), at(dst, own)).payload(b"back");
        world.forwards(ROUTER, back(worn), HOST_A, back(A));
    }
}

fn exclude(world: &mut World, add: bool) {
    let (pool, prefix) = ("pair-1".to_owned(), format!("{PEER}/32").parse().unwrap());
    let request = if add { Request::ExcludeAdd { pool, prefix } } else { Request::ExcludeRemove { pool, prefix } };
    let Ok(Data::Excluded(rows)) = world.ask(request) else { panic!("the exclusion is told") };
    assert_eq!(rows.iter().any(|row| row.prefix == prefix), add);
}

#[test]
fn s50_an_exclusion_added_live_is_for_new_flows_and_old_connections_keep_the_vip() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut worn = Connection::outward(world, HOST_A, 41_000, at(PEER, 5060)).open(world);
        let mut worn_b = Connection::outward(world, HOST_B, 41_001, at(PEER, 5060)).open(world);
        exclude(world, true);
        worn.goes_on(world);
        worn_b.goes_on(world);
        let mut plain = Connection::plain(world, HOST_A, 41_002, at(PEER, 5060)).open(world);
        let mut plain_b = Connection::plain(world, HOST_B, 41_003, at(PEER, 5060)).open(world);
        datagrams(world, PEER, A);
        for connection in [&mut worn, &mut worn_b, &mut plain, &mut plain_b] {
            connection.goes_on(world);
        }
        world.rest(secs(300));
        world.look();
        worn.goes_on(world);
        plain.goes_on(world);
        worn.close(world);
        world.rest(secs(300));
        world.look();
        let mut again = Connection::plain(world, HOST_A, 41_000, at(PEER, 5060));
        again.next = (900_000, 800_000);
        again.open(world).goes_on(world);
        worn_b.goes_on(world);
        Connection::outward(world, HOST_A, 41_010, at(VISITOR, 5060)).open(world).goes_on(world);
    });
}

#[test]
fn s50_an_exclusion_removed_live_is_the_reverse() {
    let file = File::two_arm().with("\"172.16.1.20/32\"", "\"172.16.1.20/32\", \"172.16.9.9/32\"");
    told_with_a_active(&file, |world| {
        let mut plain = Connection::plain(world, HOST_A, 41_000, at(PEER, 5060)).open(world);
        datagrams(world, PEER, A);
        exclude(world, false);
        plain.goes_on(world);
        let mut worn = Connection::outward(world, HOST_A, 41_001, at(PEER, 5060)).open(world);
        worn.goes_on(world);
        for (own, far) in [(5060, 5061), (43_000, 53)] {
            let there = |src: &str| Build::udp(at(src, own), at(PEER, far)).payload(b"there");
            world.forwards(HOST_A, there(A), ROUTER, there(V));
        }
        plain.goes_on(world);
        plain.close(world);
        worn.goes_on(world);
        exclude(world, true);
        worn.goes_on(world);
        Connection::plain(world, HOST_A, 41_005, at(PEER, 5060)).open(world).goes_on(world);
    });
}

#[test]
fn s50_sip_over_udp_follows_the_exclusion_at_once() {
    told_with_a_active(&File::two_arm(), |world| {
        for round in 0..3 {
            let (served, other) = (at(PEER, 5060), at(PEER, 6000 + round));
            world.forwards(HOST_A, call(A, served), ROUTER, call(V, served));
            world.forwards(ROUTER, request(served, V), HOST_A, request(served, A));
            exclude(world, true);
            world.forwards(HOST_A, call(A, other), ROUTER, call(A, other));
            exclude(world, false);
            world.forwards(HOST_A, call(A, other), ROUTER, call(V, other));
            world.forwards(HOST_A, call(A, served), ROUTER, call(V, served));
        }
    });
}

#[test]
fn s50_a_far_host_of_the_prefix_is_excluded_and_its_neighbour_is_not() {
    told_with_a_active(&File::two_arm(), |world| {
        exclude(world, true);
        let neighbour = "172.16.9.10";
        datagrams(world, neighbour, V);
        datagrams(world, PEER, A);
        let ping = |src: &str| Build::echo_request(src, PEER, 9, 1).payload(b"ping");
        world.forwards(HOST_B, ping(B), ROUTER, ping(B));
    });
}

#[test]
fn s50_a_file_that_excludes_is_for_new_flows_too() {
    told_with_a_active(&File::two_arm(), |world| {
        let mut worn = Connection::outward(world, HOST_A, 41_000, at(PEER, 5060)).open(world);
        world.lead.file = File::two_arm().with("\"172.16.1.20/32\"", "\"172.16.1.20/32\", \"172.16.9.0/24\"");
        world.ask(Request::Reload {}).expect("the file is good");
        worn.goes_on(world);
        let mut plain = Connection::plain(world, HOST_A, 41_001, at(PEER, 5060)).open(world);
        world.lead.file = File::two_arm();
        world.ask(Request::Reload {}).expect("the file is good");
        worn.goes_on(world);
        plain.goes_on(world);
        Connection::outward(world, HOST_A, 41_002, at(PEER, 5060)).open(world).goes_on(world);
    });
}
