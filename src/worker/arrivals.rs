//! Whether frames arrive at the worker that decides about them.
//!
//! Owns [`Arrivals`]: for each port, the frames a worker received there that belong to one worker or another, and those of
//! them it handed off. The two show whether a NIC does what it was asked for. Published once a burst, and never by a
//! worker that is alone.

use crate::policy::intent::PortId;
use crossbeam::utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ports that are told apart; frames of those beyond are not counted here.
const PORTS: usize = 16;

/// Written by one worker, read by management at any time.
#[derive(Default)]
pub struct Arrivals {
    cells: CachePadded<[[AtomicU64; 2]; PORTS]>,
}

/// What arrived at one port, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// All that belong to one worker or another.
    pub frames: u64,
    /// Those that another worker decides about.
    pub elsewhere: u64,
}

impl Arrivals {
    pub(super) fn add(&self, port: PortId, burst: Arrived) {
        let Some(cells) = self.cells.get(port.index()) else { return };
        for (cell, more) in cells.iter().zip([burst.frames, burst.elsewhere]) {
            // Nobody else writes: no need for one indivisible step.
            cell.store(cell.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        }
    }

    /// At this port since the start.
    pub fn at(&self, port: PortId) -> Arrived {
        let Some(cells) = self.cells.get(port.index()) else { return Arrived::default() };
        let [frames, elsewhere] = [&cells[0], &cells[1]].map(|cell| cell.load(Ordering::Relaxed));
        Arrived { frames, elsewhere }
    }
}

impl std::iter::Sum for Arrived {
    fn sum<I: Iterator<Item = Arrived>>(each: I) -> Arrived {
        each.fold(Arrived::default(), |sum, more| Arrived {
            frames: sum.frames + more.frames,
            elsewhere: sum.elsewhere + more.elsewhere,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_has_its_own_sums() {
        let arrivals = Arrivals::default();
        arrivals.add(PortId(0), Arrived { frames: 64, elsewhere: 32 });
        arrivals.add(PortId(0), Arrived { frames: 3, elsewhere: 0 });
        arrivals.add(PortId(15), Arrived { frames: 1, elsewhere: 1 });
        arrivals.add(PortId(16), Arrived { frames: 1, elsewhere: 1 });
        let at = |port| arrivals.at(PortId(port));
        assert_eq!(at(0), Arrived { frames: 67, elsewhere: 32 });
        assert_eq!([at(1), at(16)], [Arrived::default(); 2]);
        assert_eq!([at(0), at(15)].into_iter().sum::<Arrived>(), Arrived { frames: 68, elsewhere: 33 });
    }
}
