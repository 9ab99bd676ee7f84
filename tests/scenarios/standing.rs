//! Scenario 38: what groups C and D have open with a member goes on through everything in which its host lives.

use crate::told_with_a_active;
use fairlead::admin::request::AdminState;
use testbench::world::frames::*;
use testbench::world::{Connection, File, INNER, Service, World};

/// What groups C and D have open with sip-a, and with sip-b.
struct Standing(Vec<Connection>);

impl Standing {
    #[track_caller]
    fn begin(world: &mut World) -> Standing {
        let mut all = Vec::new();
        for member in [HOST_A, HOST_B] {
            all.push(Connection::plain(world, member, 42_000, at(CONFIG, 2020)).open(world));
            all.push(Connection::visit(world, at(VISITOR, 50_000), member, 7000).open(world));
        }
        Standing(all)
    }

    #[track_caller]
    fn goes_on(&mut self, world: &mut World) {
        let meanwhile = world.look();
        for connection in &mut self.0 {
            assert!(!meanwhile.iter().any(|seen| connection.owns(seen)), "nothing is made up for {connection:?}");
            connection.goes_on(world);
        }
    }
}

/// Runs `story` while C and D are connected to both members; nothing happens to them.
fn unbroken(file: &File, story: impl Fn(&mut World)) {
    told_with_a_active(file, |world| {
        let mut standing = Standing::begin(world);
        standing.goes_on(world);
        story(world);
        standing.goes_on(world);
        world.run(secs(3));
        standing.goes_on(world);
        world.rest(secs(40));
        standing.goes_on(world);
    });
}

#[test]
fn s38_c_and_d_are_unbroken_by_a_switchover_there_and_back() {
    unbroken(&File::two_arm(), |world| {
        world.members[0].retire();
        world.members[1].serve();
        world.until(secs(5), |world| world.active().as_deref() == Some("sip-b"));
        world.members[1].retire();
        world.members[0].serve();
        world.until(secs(5), |world| world.active().as_deref() == Some("sip-a"));
    });
}

#[test]
fn s38_c_and_d_are_unbroken_when_the_server_hangs_and_nobody_is_active() {
    unbroken(&File::two_arm(), |world| {
        world.members[0].udp = Service::Swallows;
        world.until(secs(5), |world| world.active().is_none());
    });
}

#[test]
fn s38_c_and_d_are_unbroken_by_a_split_brain_and_the_operator() {
    unbroken(&File::two_arm(), |world| {
        world.members[1].serve();
        world.run(secs(2));
        world.force("sip-b");
        world.run(secs(1));
        world.auto();
        world.set("sip-b", AdminState::Draining);
        world.run(secs(1));
        world.set("sip-a", AdminState::Offline);
        world.run(secs(1));
        world.set("sip-b", AdminState::Enabled);
        world.run(secs(1));
        world.set("sip-a", AdminState::Enabled);
        world.run(secs(1));
    });
}

#[test]
fn s38_c_and_d_are_unbroken_while_service_connections_are_reset() {
    unbroken(&File::two_arm(), |world| {
        let client = at(PHONE, 40_001);
        let service = Connection::inward(world, client, 5060, HOST_A).open(world);
        world.members[0].udp = Service::Swallows;
        world.members[1].serve();
        world.until(secs(5), |world| world.active().as_deref() == Some("sip-b"));
        world.run(ms(20));
        let seen = world.look();
        let (inner, outer): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| seen.port == INNER);
        assert_eq!((inner.len(), outer.len()), (1, 1), "both ends are told");
        assert_eq!(outer[0].reset(at(V, 5060), client), service.next.1);
        assert_eq!(inner[0].reset(client, at(A, 5060)), service.next.0);
    });
}

#[test]
fn s38_a_connection_of_d_survives_the_restart_of_the_appliance() {
    unbroken(&File::two_arm(), |world| {
        world.restart(ms(300));
        world.until(secs(5), |world| world.active().as_deref() == Some("sip-a"));
    });
}
