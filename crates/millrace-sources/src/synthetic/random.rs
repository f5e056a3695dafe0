//! Random numbers that belong to a row.
//!
//! Each random column has a stream of its own ([`Stream`]), and each row owns one draw of 64 bits in it.
//! So a row's draws are one jump away (`advance`), and a column that nobody reads costs nothing. A value that needs more
//! than one number splits its draw ([`Draw::split`]).

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};
use std::ops::Range;

/// Draws that a stream's own seed takes.
const DRAWS_PER_SEED: u128 = 4;

/// The stream of one column of a table with this seed.
///
/// Streams begin at states drawn from the seed, because PCG generators with neighbouring states are correlated, while states
/// drawn at random from its 2¹²⁸ are not.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    pub seed: u64,
    pub column: u32,
}

impl Stream {
    /// The draws from one on, one after the other.
    pub fn from(self, draw: u64) -> impl Iterator<Item = Draw> {
        let mut seeds = Pcg64::seed_from_u64(self.seed);
        seeds.advance(DRAWS_PER_SEED * u128::from(self.column));
        let mut generator = Pcg64::from_rng(&mut seeds);
        generator.advance(u128::from(draw));
        std::iter::repeat_with(move || Draw(generator.next_u64()))
    }

    /// The draw of each row.
    pub fn rows(self, rows: &Range<u64>) -> impl Iterator<Item = Draw> + use<> {
        self.from(rows.start).take((rows.end - rows.start) as usize)
    }
}

/// 64 random bits.
#[derive(Debug, Clone, Copy)]
pub struct Draw(u64);

impl Draw {
    /// Bits scrambled from a key, for values that are not in the order of the rows.
    pub fn of_key(key: u64) -> Self {
        Self(scramble(key))
    }

    /// A number from 0 up to but not including `count`.
    #[inline]
    pub fn below(self, count: u64) -> u64 {
        self.split(count).0
    }

    /// As [`Draw::below`], and the rest of the draw: 64 bits less those that the number took.
    #[inline]
    pub fn split(self, count: u64) -> (u64, Draw) {
        let product = u128::from(self.0) * u128::from(count);
        ((product >> 64) as u64, Draw(product as u64))
    }

    /// Whether an event with this probability, in percent, happens.
    #[inline]
    pub fn percent(self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A number of mean 0 and variance 1, bell-shaped and never beyond 3.5: the sum of four even ones.
    #[inline]
    pub fn bell(self) -> f64 {
        let quarter = |number: u32| f64::from((self.0 >> (16 * number)) as u16);
        // Four even numbers from 0 to 1 have mean 2 and variance 1/3.
        let sum = quarter(0) + quarter(1) + quarter(2) + quarter(3);
        (sum / 65_535.0 - 2.0) * 1.732_050_807_568_877_2
    }
}

/// A one-to-one map of the 64-bit numbers onto themselves that leaves no pattern (the finalizer of
/// SplitMix64).
#[inline]
pub fn scramble(key: u64) -> u64 {
    let key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ (key >> 31)
}

/// Which of `total` things are in a sample of `count` of them, by exactly `count` draws (Floyd's algorithm).
pub fn sample(draws: &mut impl Iterator<Item = Draw>, count: usize, total: usize) -> Vec<bool> {
    let mut sampled = vec![false; total];
    for (last, draw) in (total - count..total).zip(draws) {
        let number = draw.below(last as u64 + 1) as usize;
        let chosen = if sampled[number] { last } else { number };
        sampled[chosen] = true;
    }
    sampled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_row_is_reached_by_one_jump() {
        let stream = Stream { seed: 7, column: 3 };
        let all: Vec<u64> = stream.rows(&(0..1_000)).map(|draw| draw.0).collect();
        for start in [0, 1, 499, 999] {
            let some: Vec<u64> = stream.rows(&(start..1_000)).map(|draw| draw.0).collect();
            assert_eq!(some, all[start as usize..]);
        }
    }

    #[test]
    fn streams_and_seeds_are_not_correlated() {
        let bits = |seed, column| -> Vec<u64> {
            Stream { seed, column }.rows(&(0..1_000)).map(|draw| draw.0).collect()
        };
        let one = bits(1, 1);
        for other in [bits(1, 2), bits(2, 1), bits(0, 1), bits(u64::MAX, 1)] {
            let equal: u32 = one.iter().zip(&other).map(|(a, b)| (!(a ^ b)).count_ones()).sum();
            // 64,000 bits, of which half are equal: standard deviation 126.
            assert!((31_300..32_700).contains(&equal), "{equal}");
        }
    }

    #[test]
    fn a_sample_has_its_size_and_no_favourites() {
        let mut draws = Stream { seed: 5, column: 0 }.from(0);
        let mut often = [0; 10];
        for _ in 0..10_000 {
            let sampled = sample(&mut draws, 3, 10);
            assert_eq!(sampled.iter().filter(|&&sampled| sampled).count(), 3);
            often.iter_mut().zip(sampled).for_each(|(often, sampled)| *often += i32::from(sampled));
        }
        assert!(often.iter().all(|often| (2_800..3_200).contains(often)), "{often:?}");
        assert_eq!(sample(&mut draws, 4, 4), [true; 4]);
    }

    #[test]
    fn the_bell_has_mean_0_and_variance_1() {
        let values: Vec<f64> = Stream { seed: 1, column: 0 }.rows(&(0..100_000)).map(Draw::bell).collect();
        let mean = values.iter().sum::<f64>() / 1e5;
        let variance = values.iter().map(|value| value * value).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
