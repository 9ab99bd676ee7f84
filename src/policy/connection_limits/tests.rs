//! What is counted, by one and by many.

use super::*;

const fn at(ms: u64) -> u64 {
    ms * 1_000_000
}

fn limit(most: u32, per_second: u32) -> ConnectionLimit {
    ConnectionLimit::new(NewConnections { most, per_second, half_open: 0 }, NewConnections::default(), Life(0))
}

/// So many of `count` connections that come at once have room; each stands.
fn begun(limit: &ConnectionLimit, count: usize, now: u64) -> usize {
    let begins = |_: &usize| {
        let has_room = limit.room(0, now).is_ok();
        if has_room {
            limit.begin(now);
            limit.add(1);
        }
        has_room
    };
    (0..count).filter(begins).count()
}

#[test]
fn as_many_stand_as_the_limit_says_and_what_ends_makes_room() {
    let limit = limit(3, 0);
    assert_eq!(begun(&limit, 10, at(0)), 3);
    assert_eq!((limit.connections(), limit.room(0, at(0))), (3, Err(Exceeded::Connections)));
    assert_eq!(limit.room(1, at(0)), Ok(()), "one of them ends by it");
    limit.end();
    assert_eq!((begun(&limit, 10, at(0)), limit.connections()), (1, 3));
}

#[test]
fn a_second_of_the_rate_may_come_at_once_and_then_one_by_one() {
    let limit = limit(0, 4);
    assert_eq!(begun(&limit, 10, at(5_000)), 4);
    assert_eq!(limit.room(0, at(5_249)), Err(Exceeded::Rate));
    assert_eq!([5_250, 5_499, 5_500, 5_501].map(|ms| begun(&limit, 10, at(ms))), [1, 0, 1, 0]);
    assert_eq!(begun(&limit, 10, at(60_000)), 4, "what was not used is not saved up");
}

#[test]
fn over_ten_seconds_no_more_begin_than_the_rate_says() {
    for rate in [1, 3, 7, 999, 30_000] {
        let limit = limit(0, rate);
        let taken: usize = (0..100).map(|tenth| begun(&limit, rate as usize / 5 + 1, at(tenth * 100))).sum();
        let (least, most) = (10 * rate as usize, 11 * rate as usize);
        assert!((least..=most + most / 1_000).contains(&taken), "{rate}: {taken}");
    }
}

#[test]
fn what_was_met_last_is_known_and_not_written_for_each() {
    let limit = limit(1, 1);
    assert_eq!(Exceeded::ALL.map(|what| limit.exceeded(what)), [None; 4]);
    limit.add(1);
    assert_eq!(limit.room(0, at(100)), Err(Exceeded::Connections));
    assert_eq!(limit.room(0, at(105)), Err(Exceeded::Connections));
    assert_eq!(limit.exceeded(Exceeded::Connections), Some(at(100)));
    assert_eq!(limit.room(0, at(110)), Err(Exceeded::Connections));
    assert_eq!(limit.exceeded(Exceeded::Connections), Some(at(110)));
    limit.begin(at(200));
    assert_eq!(limit.room(0, at(200)), Err(Exceeded::Rate), "whatever stands");
    assert_eq!(Exceeded::ALL.map(|what| limit.exceeded(what)), [Some(at(110)), Some(at(200)), None, None]);
}

/// Each of several workers may take one connection more at worst: what it has looked at before the others wrote.
#[test]
fn workers_that_begin_at_the_same_time_exceed_a_limit_by_one_each_at_most() {
    const WORKERS: u64 = 4;
    let limit = limit(500, 0);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| begun(&limit, 1_000, at(0)));
        }
    });
    assert!((500..500 + WORKERS).contains(&limit.connections()), "{}", limit.connections());
    (0..limit.connections()).for_each(|_| limit.end());
    assert_eq!(limit.connections(), 0);
}

#[test]
fn what_workers_begin_at_the_same_time_counts_for_the_rate_in_full() {
    let limit = limit(0, 1_000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1_000).for_each(|_| limit.begin(at(0))));
        }
    });
    assert_eq!(limit.room(0, at(0)), Err(Exceeded::Rate));
    // Four seconds' worth, however that came: who comes next waits for two of them only.
    assert_eq!([1, 2].map(|ms| limit.room(0, at(ms))), [Err(Exceeded::Rate), Ok(())]);
}
