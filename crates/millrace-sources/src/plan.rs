//! Cutting a source into batches.

use crate::synthetic::random::{Stream, sample};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Range;

/// How the sizes of a run's batches vary, as JSON: a name, or a list of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// All as large as asked for.
    #[default]
    Steady,
    /// A day's traffic, with a batch every six minutes. Small batches have a tenth of the rows asked for, bursts five times
    /// as many. At night all are small; in rush hours (6 to 9, 17 to 20 o'clock) 30% are bursts; in business hours (9 to
    /// 17 o'clock) 15% are small; in the evening 60% are small.
    Diurnal,
    /// One in ten has five times as many rows as asked for.
    Burst,
    /// These numbers of rows, repeated.
    #[serde(untagged)]
    Sizes(Vec<u64>),
}

impl Profile {
    /// The most batches a list may have.
    pub const MAX_SIZES: usize = 10_000;
    /// The most rows a batch of a list may have.
    pub const MAX_ROWS: u64 = 100_000_000;

    /// Reads a profile; `None` if it is neither a name nor a list of 1 to 10,000 sizes of 1 to 100,000,000
    /// rows.
    pub fn read(profile: Value) -> Option<Self> {
        let profile = serde_json::from_value(profile).ok()?;
        let is_valid = match &profile {
            Profile::Sizes(sizes) => {
                (1..=Self::MAX_SIZES).contains(&sizes.len())
                    && sizes.iter().all(|size| (1..=Self::MAX_ROWS).contains(size))
            }
            _ => true,
        };
        is_valid.then_some(profile)
    }

    /// The rows of the batches of one cycle, which repeats.
    fn cycle(&self, batch_rows: u64, seed: u64) -> Vec<f64> {
        let stretches: &[Stretch] = match self {
            Profile::Steady => &[Stretch { batches: 1, usual: 1.0, others: 0, other: 1.0 }],
            Profile::Burst => &[Stretch { batches: 100, usual: 1.0, others: 10, other: 5.0 }],
            Profile::Diurnal => &DAY,
            Profile::Sizes(sizes) => return sizes.iter().map(|&rows| rows as f64).collect(),
        };
        let mut draws = Stream { seed, column: PLAN }.from(0);
        let factors = stretches.iter().flat_map(|stretch| {
            let is_other = sample(&mut draws, stretch.others, stretch.batches);
            is_other.into_iter().map(|other| if other { stretch.other } else { stretch.usual })
        });
        factors.map(|factor| factor * batch_rows as f64).collect()
    }
}

/// The stream that plans are drawn from; no column of a source uses it.
const PLAN: u32 = u32::MAX;

/// Consecutive batches: all of the usual size except some, whose places are drawn.
struct Stretch {
    batches: usize,
    usual: f64,
    others: usize,
    other: f64,
}

/// Ten batches an hour.
const DAY: [Stretch; 5] = [
    Stretch { batches: 60, usual: 0.1, others: 0, other: 0.1 },
    RUSH,
    Stretch { batches: 80, usual: 1.0, others: 12, other: 0.1 },
    RUSH,
    Stretch { batches: 40, usual: 1.0, others: 24, other: 0.1 },
];
const RUSH: Stretch = Stretch { batches: 30, usual: 1.0, others: 9, other: 5.0 };

/// How a source's units are cut into batches.
///
/// A plan depends only on the source, the batch size, the profile and the seed. So a run that stopped is resumed by making
/// its plan again and taking the batches that are missing. It holds the sizes of one cycle, so its memory does not grow
/// with the source, and a division finds any batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchPlan {
    units: u64,
    /// The number of units of a cycle before each of its batches, and at the end that of the whole cycle.
    cycle: Vec<u64>,
}

impl BatchPlan {
    /// Cuts `units` units into batches of `batch_rows` rows, varied by the profile; the seed says where bursts and small
    /// batches are. Batches have exactly that number of rows if a unit is a row, otherwise the nearest number of whole units
    /// (at least one).
    pub fn new(units: u64, rows_per_unit: f64, batch_rows: u64, profile: &Profile, seed: u64) -> Self {
        let mut cycle = vec![0];
        let mut end = 0;
        for rows in profile.cycle(batch_rows, seed) {
            end += (rows / rows_per_unit).round().max(1.0) as u64;
            cycle.push(end);
        }
        Self { units, cycle }
    }

    /// The number of batches.
    pub fn batches(&self) -> u64 {
        let (cycles, rest) = (self.units / self.units_per_cycle(), self.units % self.units_per_cycle());
        cycles * self.batches_per_cycle() + self.cycle.partition_point(|&before| before < rest) as u64
    }

    /// The units of a batch, counted from 1; empty outside the plan.
    pub fn batch(&self, batch: u64) -> Range<u64> {
        let end = self.end(batch);
        self.end(batch.saturating_sub(1)).min(end)..end
    }

    /// The units of all batches up to this one.
    fn end(&self, batch: u64) -> u64 {
        let (cycles, rest) = (batch / self.batches_per_cycle(), batch % self.batches_per_cycle());
        let end = cycles.saturating_mul(self.units_per_cycle()).saturating_add(self.cycle[rest as usize]);
        end.min(self.units)
    }

    fn batches_per_cycle(&self) -> u64 {
        self.cycle.len() as u64 - 1
    }

    fn units_per_cycle(&self) -> u64 {
        self.cycle[self.cycle.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;
    use serde_json::json;

    fn plan(name: &str, options: Value, batch_rows: u64, profile: Value) -> BatchPlan {
        let source = registry::open(name, options).unwrap();
        BatchPlan::new(
            source.units(),
            source.rows_per_unit(),
            batch_rows,
            &Profile::read(profile).unwrap(),
            1,
        )
    }

    fn sizes(plan: &BatchPlan) -> Vec<u64> {
        (1..=plan.batches()).map(|batch| plan.batch(batch)).map(|units| units.end - units.start).collect()
    }

    #[test]
    fn batches_join_to_the_whole() {
        for (name, options, batch_rows, profile, batches) in [
            ("orders", json!({"sf": 0.01}), 4_000, json!("steady"), 4),
            ("lineitem", json!({"sf": 0.01}), 4_000, json!("steady"), 15),
            ("partsupp", json!({"sf": 0.01}), 1_000, json!("steady"), 8),
            ("region", json!({"sf": 0.01}), 1, json!("steady"), 5),
            ("orders", json!({"sf": 0.01}), 4_000, json!([1, 2, 12]), 3_000),
            ("orders", json!({"sf": 0.01}), 4_000, json!([14_000, 500]), 3),
            ("lineitem", json!({"sf": 0.01}), 4_000, json!([1, 60_000]), 2),
            ("cdr", json!({"rows": 2_256_000}), 10_000, json!("diurnal"), 240),
            ("cdr", json!({"rows": 2_256_001}), 10_000, json!("diurnal"), 241),
            ("cdr", json!({"rows": 140_000}), 1_000, json!("burst"), 100),
        ] {
            let plan = plan(name, options, batch_rows, profile.clone());
            assert_eq!(plan.batches(), batches, "{name} {profile}");
            let mut next = 0;
            for batch in 1..=plan.batches() {
                let units = plan.batch(batch);
                assert_eq!(units.start, next);
                assert!(!units.is_empty());
                next = units.end;
            }
            assert_eq!(next, plan.units);
            for outside in [0, plan.batches() + 1, u64::MAX] {
                assert!(plan.batch(outside).is_empty(), "{name} {profile}: {outside}");
            }
        }
    }

    #[test]
    fn a_batch_of_one_row_is_still_a_unit() {
        assert_eq!(plan("lineitem", json!({"sf": 0.01}), 1, json!("steady")).batch(1), 0..1);
        assert_eq!(plan("cdr", json!({"rows": 1_000}), 1, json!("diurnal")).batch(7), 6..7);
    }

    #[test]
    fn a_day_has_its_nights_rush_hours_and_evenings() {
        let sizes = sizes(&plan("cdr", json!({"rows": 45_120_000}), 100_000, json!("diurnal")));
        let count = |hours: Range<usize>, rows: u64| {
            sizes[hours.start * 10..hours.end * 10].iter().filter(|&&size| size == rows).count()
        };
        assert_eq!(count(0..6, 10_000), 60);
        for rush in [6..9, 17..20] {
            assert_eq!((count(rush.clone(), 100_000), count(rush, 500_000)), (21, 9));
        }
        assert_eq!((count(9..17, 100_000), count(9..17, 10_000)), (68, 12));
        assert_eq!((count(20..24, 100_000), count(20..24, 10_000)), (16, 24));
        // The next day is the same.
        assert_eq!(sizes.len(), 480);
        assert_eq!(sizes[..240], sizes[240..]);
    }

    #[test]
    fn the_seed_places_the_bursts() {
        let source = registry::open("cdr", json!({"rows": 1_000_000})).unwrap();
        let plan = |seed| {
            sizes(&BatchPlan::new(source.units(), source.rows_per_unit(), 1_000, &Profile::Burst, seed))
        };
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
        assert_eq!(plan(2)[..100].iter().filter(|&&size| size == 5_000).count(), 10);
    }

    #[test]
    fn any_batch_of_the_largest_run_is_found() {
        let plan =
            plan("cdr", json!({"rows": 10_u64.pow(15), "rows_per_day": 10_u64.pow(10)}), 1, json!("diurnal"));
        let last = plan.batch(plan.batches());
        assert_eq!(last.end, 10_u64.pow(15));
        assert_eq!(plan.batch(plan.batches() - 1).end, last.start);
    }

    #[test]
    fn profiles_come_back_as_they_went_and_wrong_ones_are_refused() {
        for profile in [json!("steady"), json!("diurnal"), json!("burst"), json!([1, 2, 3])] {
            assert_eq!(json!(Profile::read(profile.clone()).unwrap()), profile);
        }
        for wrong in [
            json!("weekly"),
            json!([]),
            json!([0]),
            json!([-1]),
            json!([1.5]),
            json!([1e9]),
            json!(3),
            json!(null),
        ] {
            assert_eq!(Profile::read(wrong.clone()), None, "{wrong}");
        }
        assert_eq!(Profile::read(json!(vec![1; 10_001])), None);
    }
}
