//! Counters that never fall.
//!
//! Owns what a port counted before its driver began again from zero: memif does when a peer leaves and the next one
//! connects, and a reset of a NIC may. Touches no device.

/// Several counters of one driver, and what they amount to since the port was opened.
#[derive(Debug)]
pub(super) struct Growing<const N: usize> {
    /// What stood there before the driver last began again.
    before: [u64; N],
    /// What the driver said last.
    last: [u64; N],
}

impl<const N: usize> Default for Growing<N> {
    fn default() -> Growing<N> {
        Growing { before: [0; N], last: [0; N] }
    }
}

impl<const N: usize> Growing<N> {
    /// The driver says `now`; the totals since the port was opened. A counter that is lower than before has begun again.
    pub(super) fn read(&mut self, now: [u64; N]) -> [u64; N] {
        std::array::from_fn(|at| {
            if now[at] < self.last[at] {
                self.before[at] = self.before[at].wrapping_add(self.last[at]);
            }
            self.last[at] = now[at];
            self.before[at].wrapping_add(now[at])
        })
    }

    /// What the driver said last.
    pub(super) fn last(&self) -> [u64; N] {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_begins_again_adds_to_what_it_had_counted() {
        let mut counters = Growing::default();
        assert_eq!(counters.read([80, 7]), [80, 7]);
        assert_eq!(counters.read([0, 7]), [80, 7], "a peer left");
        assert_eq!(counters.read([206, 8]), [286, 8], "the next one sends");
        assert_eq!(counters.read([5, 8]), [291, 8], "and a third");
        assert_eq!(counters.read([5, 9]), [291, 9]);
    }
}
