//! What a worker measures of itself, turn by turn, with the clock in the test's hand.

use fairlead::time::Duration;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use fairlead::worker::{Command, Event, Latency, Work, WorkerId};
use testbench::rig::{MAC_OUTER, MAC_R, Memory, OUTER, Rig, TestPorts, V, addr, two_arm};

fn request(port: u16) -> Vec<u8> {
    let phone = Endpoint::new(addr("172.16.5.5"), port);
    Build::udp(phone, Endpoint::new(addr(V), 5060)).macs(MAC_R, MAC_OUTER).payload(b"OPTIONS").bytes()
}

/// One turn of a worker that takes `us` microseconds, noted as the loop of the field notes it.
fn turn(rig: &mut Rig<Memory>, worker: usize, us: u64) -> Work {
    let ended = rig.now + Duration::from_micros(us);
    let work = rig.workers[worker].turn(rig.now);
    rig.workers[worker].note_turn(work, rig.now, ended);
    rig.now = ended;
    work
}

/// What each worker has measured until now.
fn measured(rig: &mut Rig<Memory>) -> Vec<Latency> {
    rig.command(|| Command::Latency(Box::default()));
    let mut reports: Vec<(WorkerId, Latency)> = Vec::new();
    for event in rig.events.drain(..) {
        if let Event::Latency { worker, latency } = event {
            reports.push((worker, *latency));
        }
    }
    reports.sort_by_key(|(worker, _)| *worker);
    reports.into_iter().map(|(_, latency)| latency).collect()
}

fn near(measured: u64, us: u64) -> bool {
    (us * 1_000..=us * 1_010).contains(&measured)
}

#[test]
fn frames_are_recorded_with_the_turn_that_sent_them() {
    let mut rig = Rig::new(Memory::default(), two_arm(), 1);
    (0..9).for_each(|at| rig.ports.inject(OUTER, &request(40_000 + at)));
    assert_eq!(turn(&mut rig, 0, 7), Work::Busy(9));
    let idle = rig.now;
    assert_eq!(turn(&mut rig, 0, 3_000), Work::Idle);
    rig.ports.inject(OUTER, &request(40_000));
    turn(&mut rig, 0, 50);
    // It is dropped here: it was never sent, so it has no forwarding latency.
    rig.ports.inject(OUTER, &request(40_000)[..20]);
    turn(&mut rig, 0, 60);
    let latency = measured(&mut rig).remove(0);
    assert_eq!((latency.forwarding.count(), latency.forwarding.sum()), (10, 9 * 7_000 + 50_000));
    assert!(near(latency.forwarding.at_quantile(0.9), 7) && near(latency.forwarding.longest(), 50));
    assert_eq!((latency.turns.count(), latency.turns.sum()), (3, 117_000));
    assert_eq!((latency.stalls, latency.longest, latency.longest_at), (1, Duration::from_millis(3), idle));

    turn(&mut rig, 0, 10);
    let again = measured(&mut rig).remove(0);
    assert_eq!((again.forwarding.count(), again.stalls, again.longest), (0, 0, Duration::from_micros(10)));
}

#[test]
fn frames_that_are_handed_over_are_recorded_from_where_they_were_received() {
    let mut rig = Rig::new(Memory::default(), two_arm(), 2);
    (0..40).for_each(|at| rig.ports.inject(OUTER, &request(40_000 + at)));
    let busy = (0..2).filter(|&worker| matches!(turn(&mut rig, worker, 7), Work::Busy(_))).collect::<Vec<_>>();
    for worker in 0..2 {
        turn(&mut rig, worker, 5);
    }
    let forwarding: Vec<_> = measured(&mut rig).into_iter().map(|latency| latency.forwarding).collect();
    let handed = rig.counters().handed_off;
    let own = 40 - handed;
    assert_eq!(busy, [0, 1], "the first received all, the second what is its own");
    assert!((5..35).contains(&handed), "{handed} of 40");
    assert_eq!((forwarding[0].count(), forwarding[0].sum()), (own, own * 7_000));
    assert_eq!((forwarding[1].count(), forwarding[1].sum()), (handed, handed * 14_000), "both turns");
}

#[test]
fn what_counts_as_a_stall_is_what_the_file_says() {
    let mut rig = Rig::new(Memory::default(), two_arm(), 1);
    let worker = rig.workers.remove(0).stalled_after(Duration::from_millis(20));
    rig.workers.push(worker);
    turn(&mut rig, 0, 20_000);
    turn(&mut rig, 0, 20_001);
    assert_eq!(measured(&mut rig)[0].stalls, 1);
}
