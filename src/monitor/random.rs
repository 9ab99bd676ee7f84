//! Random numbers from a seed: the same seed gives the same run.
//!
//! Owns a keyed counter: the seed and how many numbers were drawn, hashed. One number does not give away the next, so
//! that who sees a probe cannot foretell the following one's branch or port. Not for keys.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;

#[derive(Clone, Debug)]
pub struct Random {
    seed: u64,
    drawn: u64,
}

impl Random {
    /// The generator that `seed` names.
    pub const fn new(seed: u64) -> Random {
        Random { seed, drawn: 0 }
    }

    pub fn draw(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher.write_u64(self.drawn);
        hasher.finish()
    }

    /// A number below `limit`; 0 when `limit` is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        // The high half of a product is as even as the draw is, without a division.
        ((u128::from(self.draw()) * u128::from(limit)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_a_run() {
        let (mut a, mut b, mut c) = (Random::new(7), Random::new(7), Random::new(8));
        let runs: Vec<Vec<u64>> =
            [&mut a, &mut b, &mut c].map(|random| (0..8).map(|_| random.draw()).collect()).to_vec();
        assert_eq!(runs[0], runs[1]);
        assert_ne!(runs[0], runs[2]);
    }

    #[test]
    fn numbers_stay_below_their_limit_and_reach_both_halves() {
        let mut random = Random::new(1);
        let drawn: Vec<u64> = (0..200).map(|_| random.below(10)).collect();
        assert!(drawn.iter().all(|&number| number < 10));
        assert!(drawn.iter().any(|&number| number < 2) && drawn.iter().any(|&number| number > 7));
        assert_eq!(random.below(0), 0);
    }
}
