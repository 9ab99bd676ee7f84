//! How spans of time are spread, in little memory that never grows.
//!
//! Owns [`Histogram`]: from 2^16 to 2^36 units, each told apart to one sixteenth; what is shorter counts as the shortest, what is longer as
//! the longest. Exactly known are their number, sum, shortest and longest.

/// Parts of a doubling; a power of two.
const PARTS: u64 = 16;
/// The shortest, as a power of two.
const FIRST: u32 = 16;
/// Doublings.
const DOUBLINGS: usize = 20;
const CELLS: usize = DOUBLINGS * PARTS as usize;

/// How often spans of each length were seen, in a unit that the caller chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    cells: [u32; CELLS],
    count: u64,
    sum: u64,
    shortest: u64,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { cells: [0; CELLS], count: 0, sum: 0, shortest: u64::MAX, longest: 0 }
    }
}

impl Histogram {
    /// One was seen.
    pub fn record(&mut self, span: u64) {
        let cell = &mut self.cells[place(span)];
        *cell = cell.saturating_add(1);
        self.count += 1;
        self.sum = self.sum.saturating_add(span);
        self.shortest = self.shortest.min(span);
        self.longest = self.longest.max(span);
    }

    /// Adds those of `other`.
    pub fn add(&mut self, other: &Histogram) {
        self.cells.iter_mut().zip(&other.cells).for_each(|(cell, more)| *cell = cell.saturating_add(*more));
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.shortest = self.shortest.min(other.shortest);
        self.longest = self.longest.max(other.longest);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The shortest; 0 when there was none.
    pub fn shortest(&self) -> u64 {
        self.shortest.min(self.longest)
    }

    /// The longest; 0 when there was none.
    pub fn longest(&self) -> u64 {
        self.longest
    }

    /// What `parts` in `of` of them did not exceed, at most one sixteenth too long; 0 when there was none.
    pub fn up_to(&self, parts: u64, of: u64) -> u64 {
        self.cell_of(parts, of).map_or(0, |cell| end(cell).clamp(self.shortest(), self.longest))
    }

    /// The same, at most one sixteenth too short.
    pub fn at_least(&self, parts: u64, of: u64) -> u64 {
        self.cell_of(parts, of).map_or(0, |cell| begin(cell).clamp(self.shortest(), self.longest))
    }

    /// How many did not exceed `span`, or exceeded it by at most one sixteenth.
    pub fn within(&self, span: u64) -> u64 {
        let last = place(span);
        self.cells[..=last].iter().map(|cell| u64::from(*cell)).sum()
    }

    /// The cell of the one that `parts` in `of` do not exceed.
    fn cell_of(&self, parts: u64, of: u64) -> Option<usize> {
        let cells: u64 = self.cells.iter().map(|cell| u64::from(*cell)).sum();
        let wanted = (u128::from(cells) * u128::from(parts)).div_ceil(u128::from(of.max(1))).max(1) as u64;
        let mut seen = 0;
        self.cells.iter().position(|cell| {
            seen += u64::from(*cell);
            seen >= wanted
        })
    }
}

/// The cell of a span.
fn place(span: u64) -> usize {
    let bits = span.max(1).ilog2();
    match bits.checked_sub(FIRST) {
        None => 0,
        Some(doubling) => {
            let part = (span >> (bits - PARTS.ilog2())) - PARTS;
            (doubling as usize * PARTS as usize + part as usize).min(CELLS - 1)
        }
    }
}

/// The first span of a cell; of the first one, zero.
fn begin(cell: usize) -> u64 {
    let (doubling, part) = (cell as u64 / PARTS, cell as u64 % PARTS);
    if cell == 0 { 0 } else { (PARTS + part) << (u64::from(FIRST - PARTS.ilog2()) + doubling) }
}

/// The last span of a cell; of the last one, whatever is longer.
fn end(cell: usize) -> u64 {
    if cell == CELLS - 1 { u64::MAX } else { begin(cell + 1) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(spans: impl IntoIterator<Item = u64>) -> Histogram {
        let mut all = Histogram::default();
        spans.into_iter().for_each(|span| all.record(span));
        all
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded_to_a_sixteenth() {
        let unit = 1_000_000;
        let spans = of((1..=1_000).map(|at| at * unit));
        assert_eq!((spans.count(), spans.sum()), (1_000, 500_500 * unit));
        assert_eq!((spans.shortest(), spans.longest()), (unit, 1_000 * unit));
        for (parts, at) in [(50, 500), (90, 900), (99, 990), (100, 1_000)] {
            let (exact, sixteenth) = (at * unit, at * unit / 16);
            assert!(
                (exact..=exact + sixteenth).contains(&spans.up_to(parts, 100)),
                "{parts}: {}",
                spans.up_to(parts, 100)
            );
            assert!((exact - sixteenth..=exact).contains(&spans.at_least(parts, 100)), "{parts}");
        }
        let within = spans.within(100 * unit);
        assert!((100..=106).contains(&within), "{within}");
        assert_eq!(spans.within(u64::MAX), 1_000);
    }

    #[test]
    fn equal_spans_read_exactly() {
        let spans = of([312_000_000; 9]);
        assert_eq!([spans.up_to(1, 2), spans.at_least(1, 2), spans.longest()], [312_000_000; 3]);
    }

    #[test]
    fn what_is_beyond_the_bounds_is_counted_at_them() {
        let spans = of([0, 1, u64::MAX]);
        assert_eq!((spans.count(), spans.sum(), spans.shortest(), spans.longest()), (3, u64::MAX, 0, u64::MAX));
        assert_eq!((spans.within(1), spans.up_to(1, 1)), (2, u64::MAX));
        let none = Histogram::default();
        assert_eq!([none.up_to(1, 2), none.at_least(99, 100), none.shortest(), none.longest(), none.within(9)], [0; 5]);
    }

    #[test]
    fn cells_touch_and_each_holds_what_belongs_to_it() {
        for cell in 0..CELLS {
            assert_eq!((place(begin(cell)), place(end(cell))), (cell, cell), "{cell}");
        }
    }

    #[test]
    fn two_together_are_what_one_would_have_recorded() {
        let (all, [mut one, other]) = (
            of((1..500).map(|at| at * at * 1_000)),
            [0, 1].map(|odd| of((1..500).filter(|at| at % 2 == odd).map(|at| at * at * 1_000))),
        );
        one.add(&other);
        assert_eq!(one, all);
        one.add(&Histogram::default());
        assert_eq!(one, all);
    }
}
