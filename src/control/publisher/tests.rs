//! Which epochs go out when, which come back, and what follows them.

use super::*;
use crate::control::harness;
use crate::policy::adjacency::Adjacency;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn snapshot(epoch: Epoch) -> Snapshot {
    let intent = harness::two_arm();
    Snapshot::compile(&intent, &harness::health_of(&intent), &Adjacency::default(), &harness::MACS, epoch)
}

fn is_due(publisher: &Publisher, now: Instant) -> bool {
    publisher.next_deadline().is_some_and(|due| due <= now)
}

fn send(publisher: &mut Publisher, now: Instant) -> Vec<Arc<Snapshot>> {
    assert!(matches!(publisher.take_work(now), Some(Work::Compile)));
    let made = snapshot(publisher.next_epoch());
    publisher.publish(made, now).map(|(_, snapshot)| snapshot).collect()
}

#[test]
fn an_epoch_is_complete_when_the_last_worker_says_so() {
    let mut publisher = Publisher::new(2, at(0));
    let first = send(&mut publisher, at(0));
    assert_eq!((first.len(), is_due(&publisher, at(100))), (2, false));
    assert_eq!(publisher.on_installed(WorkerId(1), Epoch(1), at(3), None), None);
    assert_eq!(publisher.installed(), Epoch(0));
    let completed = publisher.on_installed(WorkerId(0), Epoch(1), at(5), None);
    assert_eq!(completed, Some((Epoch(1), at(5))));
    let took = Duration::from_millis(5);
    assert_eq!(publisher.latency(), Latency { epochs: 1, latest: took, longest: took });
    assert_eq!(publisher.on_installed(WorkerId(9), Epoch(1), at(5), None), None, "no such worker");
}

#[test]
fn changes_that_come_fast_share_an_epoch_and_few_are_under_way() {
    let mut publisher = Publisher::new(1, at(0));
    let mut sent = vec![send(&mut publisher, at(0))];
    for _ in 0..IN_FLIGHT + 3 {
        publisher.changed(at(1));
        if is_due(&publisher, at(1)) {
            sent.push(send(&mut publisher, at(1)));
        }
    }
    assert_eq!((sent.len(), publisher.epoch_of_changes()), (IN_FLIGHT, Epoch(IN_FLIGHT as u64 + 1)));
    publisher.on_installed(WorkerId(0), Epoch(1), at(2), None);
    assert!(is_due(&publisher, at(2)));
}

#[test]
fn what_nobody_waits_for_is_coalesced() {
    let mut publisher = Publisher::new(1, at(0));
    send(&mut publisher, at(0));
    publisher.changed_soon(at(10));
    assert_eq!((is_due(&publisher, at(10)), publisher.next_deadline()), (false, Some(at(30))));
    publisher.changed(at(15));
    assert!(is_due(&publisher, at(15)));
}

#[test]
fn what_strangers_bring_about_is_paced() {
    let mut publisher = Publisher::new(1, at(0));
    send(&mut publisher, at(0));
    publisher.changed_paced(PACE, at(500));
    assert!(is_due(&publisher, at(500)), "nothing was published for long");
    send(&mut publisher, at(500));
    (501..590).for_each(|millis| publisher.changed_paced(PACE, at(millis)));
    assert_eq!(publisher.next_deadline(), Some(at(600)));
    publisher.changed(at(550));
    assert!(is_due(&publisher, at(550)), "others do not wait for them");
}

#[test]
fn every_snapshot_is_returned() {
    let mut publisher = Publisher::new(2, at(0));
    let mut workers: Vec<Option<Arc<Snapshot>>> = vec![None, None];
    for round in 0..20 {
        publisher.changed(at(round));
        let sent = send(&mut publisher, at(round));
        let weak = Arc::downgrade(&sent[0]);
        for (worker, snapshot) in sent.into_iter().enumerate() {
            let (epoch, old) = (snapshot.epoch, workers[worker].replace(snapshot));
            publisher.on_installed(WorkerId(worker as u16), epoch, at(round), old);
        }
        assert_eq!((publisher.outstanding(), publisher.held.len()), (1, 0), "only the latest is out");
        assert_eq!(weak.strong_count(), 3);
    }
    for (worker, snapshot) in workers.into_iter().enumerate() {
        publisher.on_installed(WorkerId(worker as u16), Epoch(20), at(99), snapshot);
    }
    assert_eq!(publisher.outstanding(), 0);
    assert_eq!(publisher.latest.as_ref().map(Arc::strong_count), Some(1));
}

/// Every worker installs what was sent, and returns what it had.
fn install(publisher: &mut Publisher, worker: &mut Option<Arc<Snapshot>>, sent: Vec<Arc<Snapshot>>, now: Instant) {
    for snapshot in sent {
        let (epoch, old) = (snapshot.epoch, worker.replace(snapshot));
        publisher.on_installed(WorkerId(0), epoch, now, old);
    }
}

/// What is due is made by following, and sent; says of which pools the spare one was behind.
fn follow(publisher: &mut Publisher, now: Instant) -> (Vec<PoolId>, Vec<Arc<Snapshot>>) {
    let intent = harness::two_arm();
    let Some(Work::Follow(spare, latest, pools)) = publisher.take_work(now) else { panic!("nothing to follow") };
    assert_eq!(Epoch(latest.0 + 1), publisher.next_epoch());
    let behind = spare.behind.iter().copied().collect();
    let made = spare.follow(latest, pools, &intent, &harness::health_of(&intent), &Adjacency::default());
    (behind, publisher.publish(made, now).map(|(_, snapshot)| snapshot).collect())
}

#[test]
fn where_only_health_has_changed_a_spare_snapshot_follows() {
    let (mut publisher, mut worker) = (Publisher::new(1, at(0)), None);
    let sent = send(&mut publisher, at(0));
    install(&mut publisher, &mut worker, sent, at(1));
    publisher.prepare();
    for (round, pool) in [3, 4, 5].map(PoolId).into_iter().enumerate() {
        publisher.changed_health([pool], at(2));
        assert_eq!((publisher.next_deadline(), publisher.epoch_of_changes()), (Some(at(2)), publisher.next_epoch()));
        let (behind, sent) = follow(&mut publisher, at(2));
        // The first is a copy; then come those that the worker has returned.
        assert_eq!(behind, if round == 0 { vec![] } else { vec![PoolId(2 + round as u16)] });
        assert!(sent[0].changed_pools().unwrap().iter().eq(&[pool]));
        install(&mut publisher, &mut worker, sent, at(3));
        assert_eq!((publisher.outstanding(), publisher.next_deadline()), (1, None));
    }
}

#[test]
fn a_spare_snapshot_is_none_once_anything_else_has_changed() {
    let (mut publisher, mut worker) = (Publisher::new(1, at(0)), None);
    let sent = send(&mut publisher, at(0));
    install(&mut publisher, &mut worker, sent, at(1));
    publisher.prepare();
    publisher.changed_at_leisure(at(2));
    publisher.changed_health([PoolId(1)], at(2));
    let (_, sent) = follow(&mut publisher, at(2));
    assert_eq!(publisher.next_deadline(), Some(at(2) + PACE), "the rest is not forgotten");
    install(&mut publisher, &mut worker, sent, at(3));
    publisher.changed_health([PoolId(1)], at(102));
    let sent = send(&mut publisher, at(102));
    assert_eq!(publisher.next_deadline(), None, "health is part of it");
    assert!(publisher.spare.is_none());
    install(&mut publisher, &mut worker, sent, at(103));
    assert!(publisher.spare.is_none(), "what came back is of another adjacency");
    publisher.changed_health([PoolId(1)], at(104));
    assert_eq!(follow(&mut publisher, at(104)).0, [], "a copy of the latest");
}
