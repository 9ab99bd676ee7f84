//! Measuring takes no memory.

use super::counting;
use fairlead::time::{Duration, Instant};
use fairlead::worker::{Command, Event, Work};
use testbench::rig::{Memory, Rig, two_arm};

#[test]
fn measuring_takes_no_memory() {
    let mut rig = Rig::new(Memory::default(), two_arm(), 1);
    let worker = &mut rig.workers[0];
    let before = counting::asked();
    for at in 0..100_000_u64 {
        let began = Instant::from_nanos(at * 1_000);
        worker.note_turn(Work::Busy(64), began, began + Duration::from_nanos(at * at));
        worker.note_turn(Work::Idle, began, began + Duration::from_nanos(at));
    }
    assert_eq!(counting::asked(), before);
    drop(std::hint::black_box(Box::new(1_u64)));
    assert!(counting::asked() > before, "the counter counts");
    rig.command(|| Command::Latency(Box::default()));
    let counted = rig.events.iter().find_map(|event| match event {
        Event::Latency { latency, .. } => Some(latency.turns.count()),
        _ => None,
    });
    assert_eq!(counted, Some(100_000));
}
