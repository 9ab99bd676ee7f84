//! When something that fills up will be full, at the rate at which it grew in the last minutes.
//!
//! Owns a bounded record of how full one thing was and what may be concluded from it. Sans-I/O: what is in use comes in once
//! a second, the time is an argument. Knows nothing of ports or addresses: `port_use` does. Read first:
//! [`Trend::outlook`].

use crate::admin::rows::Forecast;
use crate::time::{Duration, Instant};
use std::collections::VecDeque;

/// From one point of the record to the next.
pub const STEP: Duration = Duration::from_secs(5);
/// Points kept: ten minutes.
pub const MOST: usize = 120;
/// With fewer points, a minute, nothing is concluded.
pub const LEAST: usize = 12;
/// After a gap as long as this between samples, the record starts over.
pub const GAP: Duration = Duration::from_secs(60);
/// What is further off than this is not foretold from ten minutes.
pub const HORIZON: Duration = Duration::from_secs(7 * 86_400);

/// Growth is believed when a straight line explains this part of all movement (the coefficient of determination). A whole
/// period of a sine comes to 0.61, a single step to 0.75 at most, growth that began half way to 0.8, noise to nearly
/// nothing.
const EXPLAINED: f64 = 0.78;
/// And when it is beyond this many times the square root of what is in use: users who come and go independently of each
/// other make the number fluctuate by that root.
const FLUCTUATION: f64 = 4.0;
/// A recent burst is believed when it grew by this many times of what the time before it moved: what rises and falls
/// again and again never does.
const OUTGROWN: f64 = 2.0;
/// Lengths of the bursts looked for, in points. Together they leave no age of a burst out.
const BURSTS: [usize; 3] = [LEAST, 2 * LEAST, 5 * LEAST];

/// How full one thing was in the last ten minutes.
#[derive(Clone, Debug, Default)]
pub struct Trend {
    points: VecDeque<Point>,
    peak: usize,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    at: Instant,
    used: f64,
}

impl Trend {
    /// So much is in use now. To be called about once a second.
    pub fn sample(&mut self, used: usize, now: Instant) {
        self.peak = self.peak.max(used);
        match self.points.back().map(|last| now.since(last.at)) {
            Some(since) if since < STEP => return,
            Some(since) if since >= GAP => self.points.clear(),
            _ => {}
        }
        if self.points.len() == MOST {
            self.points.pop_front();
        }
        self.points.push_back(Point { at: now, used: used as f64 });
    }

    /// That of something of which none was in use from the one moment to the other.
    pub fn of_nothing(from: Instant, until: Instant) -> Trend {
        let mut trend = Trend::default();
        let mut at =
            from.max(Instant::from_nanos(until.nanos().saturating_sub((STEP * MOST as u32).as_nanos() as u64)));
        while at <= until {
            trend.sample(0, at);
            at += STEP;
        }
        trend
    }

    /// The most that was ever in use at a sample.
    pub fn peak(&self) -> usize {
        self.peak
    }

    /// What is to be expected when `used` of `capacity` are in use now, and when it is full if it will be: at the rate of its
    /// growth, unless that takes longer than [`HORIZON`].
    pub fn outlook(&self, used: usize, capacity: usize) -> (Forecast, Option<Duration>) {
        let free = capacity.saturating_sub(used);
        let points: Vec<Point> = self.points.iter().copied().collect();
        match () {
            () if free == 0 => (Forecast::Exhausted, Some(Duration::ZERO)),
            () if points.len() < LEAST => (Forecast::Unknown, None),
            () if used == 0 || Line::through(&points).falls() => (Forecast::Never, None),
            () => match growth(&points).map(|rate| free as f64 / rate) {
                Some(seconds) if seconds <= HORIZON.as_secs_f64() => {
                    (Forecast::Growing, Some(Duration::from_secs_f64(seconds)))
                }
                _ => (Forecast::Steady, None),
            },
        }
    }
}

/// How fast it grows, a second, if it does: over all that is known, or in a recent burst that outgrows what was before.
fn growth(points: &[Point]) -> Option<f64> {
    let (whole, half) = (Line::through(points), Line::through(&points[points.len() / 2..]));
    // What has stopped growing is steady, though the line through all of it still rises.
    let lasting = (whole.rises() && half.slope >= whole.slope / 4.0).then_some(whole.slope);
    let burst = |length: usize| {
        let (before, recent) = points.split_at(points.len().checked_sub(length).filter(|before| *before >= length)?);
        let line = Line::through(recent);
        (line.rises() && line.growth() >= OUTGROWN * spread(before)).then_some(line.slope)
    };
    BURSTS.into_iter().filter_map(burst).chain(lasting).reduce(f64::max)
}

/// From the least to the most.
fn spread(points: &[Point]) -> f64 {
    let (least, most) =
        points.iter().fold((f64::MAX, f64::MIN), |(least, most), point| (least.min(point.used), most.max(point.used)));
    (most - least).max(0.0)
}

/// The straight line of least squares through some points.
struct Line {
    /// A second.
    slope: f64,
    /// From the first point to the last, in seconds.
    span: f64,
    /// The part of all movement that it explains, 0 to 1.
    explained: f64,
    mean: f64,
}

impl Line {
    fn through(points: &[Point]) -> Line {
        let count = points.len().max(1) as f64;
        let start = points.first().map_or(Instant::ZERO, |point| point.at);
        let second = |point: &Point| point.at.since(start).as_secs_f64();
        let middle = points.iter().map(second).sum::<f64>() / count;
        let mean = points.iter().map(|point| point.used).sum::<f64>() / count;
        let (mut time, mut both, mut use_) = (0.0, 0.0, 0.0);
        for point in points {
            let (dt, du) = (second(point) - middle, point.used - mean);
            (time, both, use_) = (time + dt * dt, both + dt * du, use_ + du * du);
        }
        let slope = if time > 0.0 { both / time } else { 0.0 };
        let explained = if use_ > 0.0 { slope * both / use_ } else { 0.0 };
        Line { slope, span: points.last().map_or(0.0, second), explained, mean }
    }

    fn growth(&self) -> f64 {
        self.slope * self.span
    }

    fn rises(&self) -> bool {
        self.slope > 0.0 && self.moves()
    }

    fn falls(&self) -> bool {
        self.slope < 0.0 && self.moves()
    }

    fn moves(&self) -> bool {
        self.explained >= EXPLAINED && self.growth().abs() >= FLUCTUATION * self.mean.sqrt()
    }
}

#[cfg(test)]
mod tests;
