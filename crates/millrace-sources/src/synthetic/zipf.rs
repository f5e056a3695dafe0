//! Ranks by Zipf's law, one draw each.
//!
//! The usual samplers reject draws, so the number of draws varies. Here ranks are put into buckets: the first 64 ranks have
//! one each; the others share buckets whose width is a 64th of their ranks, and in which ranks are equally likely. The alias
//! method finds a bucket with a table lookup and a comparison, whatever the number of ranks. The probability of a bucket is
//! exact to the last bit of the draw, that of a rank within 1% times the exponent.

use super::random::Draw;

/// Ranks from here on share buckets a 64th as wide as they are high.
const SINGLE: u64 = 64;

/// Ranks counted from 0; the probability of rank k is proportional to 1 / (k + 1)^exponent.
pub struct Zipf {
    slots: Vec<Slot>,
}

/// A slot of the alias table, all of which are equally likely.
struct Slot {
    /// Below this, the slot stands for its own bucket, else for the other.
    threshold: u32,
    own: Bucket,
    other: Bucket,
}

/// Some consecutive ranks.
#[derive(Clone, Copy)]
struct Bucket {
    first: u64,
    width: u32,
}

impl Zipf {
    /// Ranks below `count`.
    pub fn new(count: u64, exponent: f64) -> Self {
        let buckets = buckets(count);
        let weights: Vec<f64> = buckets.iter().map(|bucket| bucket.weight(exponent)).collect();
        Self { slots: alias_table(&buckets, &weights) }
    }

    /// The rank a draw falls on.
    #[inline]
    pub fn rank(&self, draw: Draw) -> u64 {
        let (within, draw) = draw.split(1 << 32);
        let (slot, draw) = draw.split(self.slots.len() as u64);
        let slot = &self.slots[slot as usize];
        let bucket = if draw.below(1 << 32) < u64::from(slot.threshold) { slot.own } else { slot.other };
        bucket.first + ((within * u64::from(bucket.width)) >> 32)
    }
}

/// The expected number of distinct ranks below `count` among `draws` draws.
pub fn expected_distinct(draws: f64, count: u64, exponent: f64) -> f64 {
    let buckets = buckets(count);
    let weights = buckets.iter().map(|bucket| bucket.weight(exponent));
    let total: f64 = weights.clone().sum();
    let met = |(bucket, weight): (&Bucket, f64)| {
        let ranks = f64::from(bucket.width);
        ranks * -(-draws * weight / total / ranks).exp_m1()
    };
    buckets.iter().zip(weights).map(met).sum::<f64>().max(1.0)
}

impl Bucket {
    /// The sum of the ranks' weights; beyond the first ranks it is an integral, which differs by less than a
    /// hundred-thousandth.
    fn weight(self, exponent: f64) -> f64 {
        let power = |rank: f64| rank.powf(-exponent);
        if self.first < SINGLE {
            return power(self.first as f64 + 1.0);
        }
        let (low, high) = (self.first as f64 + 0.5, (self.first + u64::from(self.width)) as f64 + 0.5);
        // Simpson's rule, since a bucket is narrow enough for it.
        (high - low) / 6.0 * (power(low) + 4.0 * power((low + high) / 2.0) + power(high))
    }
}

fn buckets(count: u64) -> Vec<Bucket> {
    let after = |bucket: &Bucket| {
        let first = bucket.first + u64::from(bucket.width);
        let width = (first / SINGLE).clamp(1, u64::from(u32::MAX)).min(count - first) as u32;
        (width > 0).then_some(Bucket { first, width })
    };
    std::iter::successors(Some(Bucket { first: 0, width: 1 }), after).collect()
}

/// Vose's construction: each slot is filled up to the mean weight by a heavier one.
fn alias_table(buckets: &[Bucket], weights: &[f64]) -> Vec<Slot> {
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    let mut rest: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
    let (mut light, mut heavy): (Vec<usize>, Vec<usize>) =
        (0..rest.len()).partition(|&slot| rest[slot] < 1.0);
    let mut slots: Vec<Slot> =
        buckets.iter().map(|&own| Slot { threshold: u32::MAX, own, other: own }).collect();
    while let (Some(small), Some(&large)) = (light.pop(), heavy.last()) {
        slots[small].threshold = (rest[small] * f64::from(u32::MAX)) as u32;
        slots[small].other = buckets[large];
        rest[large] -= 1.0 - rest[small];
        if rest[large] < 1.0 {
            heavy.pop();
            light.push(large);
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::super::random::Stream;
    use super::*;

    #[test]
    fn ranks_follow_the_law() {
        const DRAWS: u64 = 1_000_000;
        for (count, exponent) in [(1_u64, 1.0), (2, 0.5), (1_000, 1.2), (5_000_000, 0.8), (10_000, 0.0)] {
            let zipf = Zipf::new(count, exponent);
            // Ranks up to 4, then in groups that double.
            let groups: Vec<(u64, u64)> = std::iter::successors(Some((0_u64, 1_u64)), |&(_, end)| {
                (end < count).then_some((end, if end < 4 { end + 1 } else { (2 * end).min(count) }))
            })
            .collect();
            let weight = |ranks: &(u64, u64)| -> f64 {
                (ranks.0..ranks.1).map(|rank| (rank as f64 + 1.0).powf(-exponent)).sum()
            };
            let total: f64 = groups.iter().map(weight).sum();
            let mut found = vec![0_u64; groups.len()];
            for draw in (Stream { seed: 1, column: 0 }).rows(&(0..DRAWS)) {
                let rank = zipf.rank(draw);
                assert!(rank < count);
                found[groups.partition_point(|&(_, end)| end <= rank)] += 1;
            }
            let chi_square: f64 = groups
                .iter()
                .zip(&found)
                .map(|(group, &found)| {
                    let expected = DRAWS as f64 * weight(group) / total;
                    (found as f64 - expected).powi(2) / expected
                })
                .sum();
            // About as large as the number of groups, at most 25; 60 has a probability below 0.0001.
            assert!(chi_square < 60.0, "{count} ranks, exponent {exponent}: {chi_square} {found:?}");
        }
    }

    #[test]
    fn memory_hardly_grows_with_the_ranks() {
        assert!(Zipf::new(1_000_000_000, 1.0).slots.len() < 1_500);
    }
}
