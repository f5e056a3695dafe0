//! Cutting a source into batches.

use crate::Source;
use std::ops::Range;

/// How a source's units are cut into batches, each of about the same number of rows.
///
/// A plan follows from the source and the batch size alone, so a run that stopped is continued by
/// making its plan again and taking the batches that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPlan {
    units: u64,
    units_per_batch: u64,
}

impl BatchPlan {
    /// Cuts `source` into batches of about `batch_rows` rows: exactly so many where a unit is a row,
    /// the nearest number of whole units (at least one) where it is not.
    pub fn new(source: &dyn Source, batch_rows: u64) -> Self {
        let units_per_batch = (batch_rows as f64 / source.rows_per_unit()).round().max(1.0) as u64;
        Self { units: source.units(), units_per_batch }
    }

    /// The number of batches.
    pub fn batches(&self) -> u64 {
        self.units.div_ceil(self.units_per_batch)
    }

    /// The units of a batch, counted from 1; empty outside the plan.
    pub fn batch(&self, batch: u64) -> Range<u64> {
        let start = batch.saturating_sub(1).saturating_mul(self.units_per_batch).min(self.units);
        let end = if batch == 0 { start } else { start.saturating_add(self.units_per_batch) };
        start..end.min(self.units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;
    use serde_json::json;

    #[test]
    fn batches_join_to_the_whole() {
        for (name, batch_rows, batches) in
            [("orders", 4_000, 4), ("lineitem", 4_000, 15), ("partsupp", 1_000, 8), ("region", 1, 5)]
        {
            let source = registry::open(name, json!({"sf": 0.01})).unwrap();
            let plan = BatchPlan::new(source.as_ref(), batch_rows);
            assert_eq!(plan.batches(), batches, "{name}");
            let mut next = 0;
            for batch in 1..=plan.batches() {
                let units = plan.batch(batch);
                assert_eq!(units.start, next);
                assert!(!units.is_empty());
                next = units.end;
            }
            assert_eq!(next, source.units());
            assert!(plan.batch(0).is_empty());
            assert!(plan.batch(plan.batches() + 1).is_empty());
        }
    }

    #[test]
    fn a_batch_of_one_row_is_still_a_unit() {
        let source = registry::open("lineitem", json!({"sf": 0.01})).unwrap();
        assert_eq!(BatchPlan::new(source.as_ref(), 1).batch(1), 0..1);
    }
}
