//! The whole appliance in one thread, from one seed: workers, controller, a pair of members made of bytes, a router with
//! peers behind it, loss on the wire, members that die and come back, an operator. The clock jumps.
//!
//! A failing run prints its seed; `SIMULATION_SEED=n cargo test --test simulation` replays it alone, and
//! `SIMULATION_SEEDS=n` runs seeds 1 to n.

use fairlead::admin::Request;
use fairlead::admin::request::AdminState;
use fairlead::admin::rows::MemberState;
use std::time::Duration;
use testbench::world::{File, World};

/// Probes every 200 ms, of which two must fail; hosts that answer peers; a router that lets no member's own address pass.
fn world(seed: u64, workers: usize) -> World {
    let mut world = World::new(&File::two_arm().probing(200, 2), workers, seed);
    world.router.strict = true;
    world.members.iter_mut().for_each(|member| member.talks = true);
    world
}

/// Runs `story` for a few seeds and one, two and three workers.
fn for_seeds(story: impl Fn(&mut World)) {
    let said = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match said("SIMULATION_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=said("SIMULATION_SEEDS").unwrap_or(4),
    };
    for seed in seeds {
        for workers in 1..=3 {
            let mut world = world(seed, workers);
            let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                story(&mut world);
                world.farewell();
            }));
            if let Err(fault) = told {
                eprintln!("SIMULATION_SEED={seed}, {workers} workers, at {:?}", world.now());
                std::panic::resume_unwind(fault);
            }
        }
    }
}

#[test]
fn probes_make_the_member_that_answers_active() {
    for_seeds(|world| {
        world.run(Duration::from_secs(3));
        assert_eq!(world.active(), Some("sip-a".into()));
        assert_eq!(world.state("sip-b"), MemberState::Down);
        world.talk(20);
        assert_eq!(world.served(), (20, 0), "every request went to sip-a");
    });
}

#[test]
fn nothing_reaches_a_member_before_a_probe_has_decided() {
    for_seeds(|world| {
        world.members[0].retire();
        world.talk(5);
        world.run(Duration::from_secs(2));
        world.talk(5);
        assert_eq!(world.served(), (0, 0));
        world.members[1].serve();
        world.run(Duration::from_secs(3));
        assert_eq!(world.active(), Some("sip-b".into()));
    });
}

#[test]
fn every_peer_follows_the_pair_through_switchovers() {
    for_seeds(|world| {
        world.run(Duration::from_secs(3));
        for round in 0..4 {
            let (old, new) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
            world.talk(10);
            world.members[old].retire();
            world.members[old].powered = !world.chance(2);
            world.run(Duration::from_millis(150));
            world.members[new].serve();
            world.run(Duration::from_secs(2));
            let before = world.members[old].requests;
            world.talk(50);
            assert_eq!(world.members[old].requests, before, "nothing goes to the old member");
            world.members[old].powered = true;
        }
        let record = world.last_switchover();
        let took = record.installed.unwrap() - record.last_good_answer.unwrap_or(record.detected);
        assert!(took < 2_000_000, "{record:?}");
    });
}

#[test]
fn a_standby_that_speaks_first_gets_its_answers() {
    for_seeds(|world| {
        world.run(Duration::from_secs(3));
        world.members[0].powered = false;
        world.members[1].serve();
        world.member_calls(1, 7);
        world.peer_answers(7);
        assert_eq!(world.members[1].answers, 1, "the answer reached sip-b before any probe had");
        world.run(Duration::from_secs(2));
        assert_eq!(world.active(), Some("sip-b".into()));
    });
}

#[test]
fn two_that_answer_change_nothing() {
    for_seeds(|world| {
        world.run(Duration::from_secs(3));
        world.members[1].serve();
        world.run(Duration::from_secs(5));
        assert_eq!(world.active(), Some("sip-a".into()));
        world.talk(30);
        assert_eq!(world.served(), (30, 0));
        assert!(world.alarms().iter().any(|alarm| alarm.contains("answer")), "{:?}", world.alarms());
    });
}

#[test]
fn loss_of_one_probe_in_ten_moves_nobody() {
    for_seeds(|world| {
        world.run(Duration::from_secs(3));
        world.loss_percent = 5;
        world.run(Duration::from_secs(4));
        world.loss_percent = 0;
        world.run(Duration::from_secs(2));
        assert!(world.active().is_some(), "the pair serves again when the wire is whole");
    });
}

#[test]
fn the_operator_has_the_last_word() {
    for_seeds(|world| {
        world.run(Duration::from_secs(3));
        world.members[1].serve();
        world.run(Duration::from_secs(2));
        let (pool, sip_b) = (|| "pair-1".to_owned(), || "sip-b".to_owned());
        world.ask(Request::PoolForce { pool: pool(), member: sip_b() }).unwrap();
        assert_eq!(world.active(), Some("sip-b".into()));
        world.ask(Request::PoolAuto { pool: pool() }).unwrap();
        assert_eq!(world.active(), Some("sip-b".into()), "giving the choice back moves nobody");
        world.ask(Request::MemberSet { member: sip_b(), admin: AdminState::Offline }).unwrap();
        world.run(Duration::from_secs(1));
        assert_eq!(world.active(), Some("sip-a".into()));
        let refused = world.ask(Request::PoolForce { pool: pool(), member: "nobody".to_owned() });
        assert!(refused.unwrap_err().contains("nobody"));
    });
}
