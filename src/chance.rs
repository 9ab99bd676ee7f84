//! Numbers that look like chance and follow from a seed.
//!
//! Owns SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014). Draws no seed itself, and is
//! no secret to whoever knows that.

/// The fractional part of the golden ratio: odd, with its bits well mixed.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The `nth` number that `seed` gives, from 1 on: the same on every machine.
pub fn number(seed: u64, nth: u64) -> u64 {
    let mut z = seed.wrapping_add(STEP.wrapping_mul(nth));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the authors' program prints for the seed 1234567.
    #[test]
    fn numbers_are_those_of_the_paper() {
        let first = [1, 2, 3].map(|nth| number(1_234_567, nth));
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }
}
