//! The whole appliance in one thread, from one seed: workers, controller, a pair of members made of bytes, a router with
//! peers behind it, loss on the wire, members that die and come back, an operator. The clock jumps.
//!
//! A failing run prints its seed; `SIMULATION_SEED=n cargo test --test simulation` replays it alone, and
//! `SIMULATION_SEEDS=n` runs seeds 1 to n.

use fairlead::admin::Request;
use fairlead::admin::request::AdminState;
use fairlead::admin::rows::MemberState;
use std::time::Duration;
use testbench::bench::{Bench, File};

/// Probes every 200 ms, of which two must fail; hosts that answer peers; a router that lets no member's own address pass.
fn bench(seed: u64, workers: usize) -> Bench {
    let mut bench = Bench::new(&File::two_arm().probing(200, 2), workers, seed);
    bench.router.strict = true;
    bench.members.iter_mut().for_each(|member| member.answers_peers = true);
    bench
}

/// Runs `scenario` for a few seeds and one, two and three workers.
fn for_seeds(scenario: impl Fn(&mut Bench)) {
    let said = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match said("SIMULATION_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=said("SIMULATION_SEEDS").unwrap_or(4),
    };
    for seed in seeds {
        for workers in 1..=3 {
            let mut bench = bench(seed, workers);
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                scenario(&mut bench);
                bench.shut_down();
            }));
            if let Err(fault) = outcome {
                eprintln!("SIMULATION_SEED={seed}, {workers} workers, at {:?}", bench.now());
                std::panic::resume_unwind(fault);
            }
        }
    }
}

#[test]
fn probes_make_the_member_that_answers_active() {
    for_seeds(|bench| {
        bench.run(Duration::from_secs(3));
        assert_eq!(bench.active(), Some("sip-a".into()));
        assert_eq!(bench.state("sip-b"), MemberState::Down);
        bench.exchange(20);
        assert_eq!(bench.served(), (20, 0), "every request went to sip-a");
    });
}

#[test]
fn nothing_reaches_a_member_before_a_probe_has_decided() {
    for_seeds(|bench| {
        bench.members[0].retire();
        bench.exchange(5);
        bench.run(Duration::from_secs(2));
        bench.exchange(5);
        assert_eq!(bench.served(), (0, 0));
        bench.members[1].serve();
        bench.run(Duration::from_secs(3));
        assert_eq!(bench.active(), Some("sip-b".into()));
    });
}

#[test]
fn every_peer_follows_the_pair_through_switchovers() {
    for_seeds(|bench| {
        bench.run(Duration::from_secs(3));
        for round in 0..4 {
            let (old, new) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
            bench.exchange(10);
            bench.members[old].retire();
            bench.members[old].powered = !bench.chance(2);
            bench.run(Duration::from_millis(150));
            bench.members[new].serve();
            bench.run(Duration::from_secs(2));
            let before = bench.members[old].requests;
            bench.exchange(50);
            assert_eq!(bench.members[old].requests, before, "nothing goes to the old member");
            bench.members[old].powered = true;
        }
        let record = bench.last_switchover();
        let took = record.installed.unwrap() - record.last_good_answer.unwrap_or(record.detected);
        assert!(took < 2_000_000, "{record:?}");
    });
}

#[test]
fn a_standby_that_speaks_first_gets_its_answers() {
    for_seeds(|bench| {
        bench.run(Duration::from_secs(3));
        bench.members[0].powered = false;
        bench.members[1].serve();
        bench.member_calls(1, 7);
        bench.peer_answers(7);
        assert_eq!(bench.members[1].answers, 1, "the answer reached sip-b before any probe had");
        bench.run(Duration::from_secs(2));
        assert_eq!(bench.active(), Some("sip-b".into()));
    });
}

#[test]
fn two_that_answer_change_nothing() {
    for_seeds(|bench| {
        bench.run(Duration::from_secs(3));
        bench.members[1].serve();
        bench.run(Duration::from_secs(5));
        assert_eq!(bench.active(), Some("sip-a".into()));
        bench.exchange(30);
        assert_eq!(bench.served(), (30, 0));
        assert!(bench.alarms().iter().any(|alarm| alarm.contains("answer")), "{:?}", bench.alarms());
    });
}

#[test]
fn loss_of_one_probe_in_ten_moves_nobody() {
    for_seeds(|bench| {
        bench.run(Duration::from_secs(3));
        bench.loss_percent = 5;
        bench.run(Duration::from_secs(4));
        bench.loss_percent = 0;
        bench.run(Duration::from_secs(2));
        assert!(bench.active().is_some(), "the pair serves again when the wire is whole");
    });
}

#[test]
fn the_operator_has_the_last_word() {
    for_seeds(|bench| {
        bench.run(Duration::from_secs(3));
        bench.members[1].serve();
        bench.run(Duration::from_secs(2));
        let (pool, sip_b) = (|| "pair-1".to_owned(), || "sip-b".to_owned());
        bench.ask(Request::PoolForce { pool: pool(), member: sip_b() }).unwrap();
        assert_eq!(bench.active(), Some("sip-b".into()));
        bench.ask(Request::PoolAuto { pool: pool() }).unwrap();
        assert_eq!(bench.active(), Some("sip-b".into()), "giving the choice back moves nobody");
        bench.ask(Request::MemberSet { member: sip_b(), admin: AdminState::Offline, yes: true, for_s: None }).unwrap();
        bench.run(Duration::from_secs(1));
        assert_eq!(bench.active(), Some("sip-a".into()));
        let refused = bench.ask(Request::PoolForce { pool: pool(), member: "nobody".to_owned() });
        assert!(refused.unwrap_err().contains("nobody"));
    });
}
