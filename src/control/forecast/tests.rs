//! Made-up histories, one second at a time, and what may be concluded from them.

use super::*;
use crate::monitor::random::Random;

/// What is in use at each second.
type History = fn(u64) -> usize;

const CAPACITY: usize = 64_510;

fn at(second: u64) -> Instant {
    Instant::from_millis(second * 1_000)
}

/// The outlook after each second of a history.
type Outlook = (Forecast, Option<Duration>);

fn outlooks(seconds: u64, used: impl Fn(u64) -> usize) -> Vec<Outlook> {
    let mut trend = Trend::default();
    let second = |second| {
        trend.sample(used(second), at(second));
        trend.outlook(used(second), CAPACITY)
    };
    (0..seconds).map(second).collect()
}

fn in_seconds(outlook: Outlook) -> f64 {
    match outlook {
        (Forecast::Growing, Some(span)) => span.as_secs_f64(),
        other => panic!("{other:?}"),
    }
}

/// Noise of up to `most` either way, the same in every run.
fn jitter(second: u64, most: u64) -> i64 {
    Random::new(second).below(2 * most + 1) as i64 - most as i64
}

fn noisy(second: u64, level: f64, most: u64) -> usize {
    usize::try_from(level as i64 + jitter(second, most)).unwrap_or(0)
}

/// What comes and goes and does not grow. Each must never be taken for growth.
#[test]
fn what_does_not_grow_is_steady_at_every_moment() {
    let rows: [(&str, History); 8] = [
        ("constant", |_| 500),
        ("a few ports more or less", |second| noisy(second, 10.0, 8)),
        ("jitter of a tenth", |second| noisy(second, 5_000.0, 500)),
        ("jitter of a half", |second| noisy(second, 20_000.0, 10_000)),
        ("a saw of 40 seconds", |second| 1_000 + (second % 40) as usize * 50),
        ("a saw of two minutes", |second| 1_000 + (second % 120) as usize * 50),
        ("a saw of four minutes that falls slowly", |second| 30_000 - (second % 240) as usize * 50),
        ("a step up, once", |second| if second < 900 { 1_000 } else { 1_400 }),
    ];
    for (about, history) in rows {
        let outlooks = outlooks(3_600, history);
        assert!(outlooks[..55].iter().all(|outlook| *outlook == (Forecast::Unknown, None)), "{about}");
        // A saw shows itself as one when it has turned.
        let turned = outlooks.iter().enumerate().skip(480);
        let growing = turned.filter(|(_, outlook)| outlook.0 == Forecast::Growing).map(|(second, _)| second);
        assert_eq!(growing.collect::<Vec<_>>(), [0; 0], "{about}");
        assert_eq!(outlooks.last(), Some(&(Forecast::Steady, None)), "{about}");
    }
}

/// Callers who come and go by chance, 10 a second for 100 seconds each on average: their number wanders like real load.
#[test]
fn the_wandering_of_real_load_is_not_growth() {
    let mut wrong = 0;
    for seed in 0..6 {
        let mut random = Random::new(seed);
        let (mut trend, mut used) = (Trend::default(), 1_000_usize);
        for second in 0..3_600 {
            let born = (0..20).filter(|_| random.below(2) == 0).count();
            let died = (0..used).filter(|_| random.below(100) == 0).count();
            used = used + born - died;
            trend.sample(used, at(second));
            wrong += usize::from(trend.outlook(used, CAPACITY).0 == Forecast::Growing);
        }
    }
    assert!(wrong * 100 < 6 * 3_600, "{wrong} seconds of 21,600");
}

#[test]
fn steady_growth_is_foretold_to_the_second() {
    let outlooks = outlooks(3_000, |second| 4_510 + 20 * second as usize);
    for (second, outlook) in outlooks.into_iter().enumerate().skip(120) {
        let truth = (3_000 - second) as f64;
        assert!((in_seconds(outlook) - truth).abs() < 1.0 + truth / 100.0, "{second}: {outlook:?}");
    }
}

#[test]
fn growth_is_seen_through_noise() {
    let outlooks = outlooks(3_000, |second| noisy(second, 4_510.0 + 10.0 * second as f64, 1_000));
    for (second, outlook) in outlooks.into_iter().enumerate().skip(600) {
        let truth = (6_000 - second) as f64;
        assert!((in_seconds(outlook) / truth - 1.0).abs() < 0.25, "{second}: {outlook:?} for {truth}");
    }
}

/// An attack, or a runaway client: the ten quiet minutes before it do not hide it.
#[test]
fn a_sudden_burst_is_foretold_within_a_minute() {
    let outlooks = outlooks(900, |second| 1_000 + second.saturating_sub(600) as usize * 100);
    for (second, outlook) in outlooks.into_iter().enumerate().skip(660) {
        let truth = 635.1 - (second - 600) as f64;
        let told = in_seconds(outlook);
        assert!(told > truth * 0.9 && told < truth * 2.2, "{second}: {told} for {truth}");
    }
}

#[test]
fn growth_that_has_stopped_is_soon_forgotten() {
    let outlooks = outlooks(2_000, |second| 1_000 + second.min(1_000) as usize * 20);
    in_seconds(outlooks[1_000]);
    assert!(outlooks[1_300..].iter().all(|outlook| *outlook == (Forecast::Steady, None)), "{:?}", outlooks[1_300]);
}

#[test]
fn what_falls_or_is_not_used_is_never_full_and_what_leaks_slowly_is_steady() {
    let rows: [(&str, History, Outlook); 4] = [
        ("not used", |_| 0, (Forecast::Never, None)),
        ("falls", |second| 50_000 - 10 * second as usize, (Forecast::Never, None)),
        ("a port in a minute", |second| 1_000 + second as usize / 60, (Forecast::Steady, None)),
        ("full", |_| CAPACITY, (Forecast::Exhausted, Some(Duration::ZERO))),
    ];
    for (about, history, expected) in rows {
        assert_eq!(outlooks(1_200, history).last(), Some(&expected), "{about}");
    }
    assert_eq!(
        Trend::default().outlook(9, 9),
        (Forecast::Exhausted, Some(Duration::ZERO)),
        "full is full, from the first moment"
    );
}

#[test]
fn the_peak_is_kept_and_the_record_is_bounded_through_a_gap() {
    let mut trend = Trend::default();
    for second in 0..86_400 {
        trend.sample(if second == 3 { 777 } else { 5 }, at(second));
    }
    assert_eq!((trend.peak(), trend.points.len()), (777, MOST));
    // The management core stood still for an hour; what it sees then begins anew, it is no burst.
    trend.sample(20_000, at(90_000));
    assert_eq!(trend.outlook(20_000, CAPACITY), (Forecast::Unknown, None));
    assert_eq!((trend.peak(), trend.points.len()), (20_000, 1));
}
