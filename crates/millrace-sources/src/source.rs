//! The one abstraction between those who make data and those who use it.

use crate::Error;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use std::ops::Range;

/// About so many rows make a good batch: large enough to pay for itself, small enough for the cache,
/// and quick enough (a few milliseconds) for interrupts to be noticed between two of them.
const ROWS_PER_BATCH: f64 = 8192.0;

/// Data as a pure function of a range of units.
///
/// A unit is what drives the source: one order for `lineitem`, one part for `partsupp`, one row
/// elsewhere. Units are numbered from 0.
pub trait Source: Send + Sync {
    /// All columns, in order.
    fn schema(&self) -> SchemaRef;

    /// The number of units of the whole.
    fn units(&self) -> u64;

    /// The mean number of rows a unit makes.
    fn rows_per_unit(&self) -> f64 {
        1.0
    }

    /// The exact number of rows in `units`, without making them. May take time in proportion to the
    /// range where units differ in their number of rows.
    fn rows(&self, units: Range<u64>) -> u64;

    /// The number of rows in `units`, within 0.1% for a whole table, in less than about 10 ms.
    fn estimated_rows(&self, units: Range<u64>) -> u64 {
        self.rows(units)
    }

    /// Whether making these columns needs the text pool, which each process builds once (see
    /// [`crate::tpch::build_text_pool`]).
    fn needs_text_pool(&self, _columns: &[usize]) -> bool {
        false
    }

    /// The rows of `units`, with just the columns asked for, in the order asked for. A batch without
    /// columns still has its number of rows.
    ///
    /// Holds the whole range in memory: see [`Source::batches`] for a range of any length.
    fn batch(&self, units: Range<u64>, columns: &[usize]) -> Result<RecordBatch, Error>;
}

impl dyn Source {
    /// The rows of `units` as a stream of batches of about 8,192 rows each.
    pub fn batches(self: Box<Self>, units: Range<u64>, columns: Vec<usize>) -> Batches {
        let units_per_batch = ((ROWS_PER_BATCH / self.rows_per_unit()) as u64).max(1);
        Batches { source: self, units, columns, units_per_batch }
    }
}

/// A range of a source as a stream of batches; memory is that of one batch.
pub struct Batches {
    source: Box<dyn Source>,
    units: Range<u64>,
    columns: Vec<usize>,
    units_per_batch: u64,
}

impl Batches {
    /// Whether making the batches needs the text pool.
    pub fn needs_text_pool(&self) -> bool {
        self.source.needs_text_pool(&self.columns)
    }

    /// Goes on with other units when those it makes are at their end.
    pub fn go_on_with(&mut self, units: Range<u64>) {
        debug_assert!(self.units.is_empty());
        self.units = units;
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.units.is_empty() {
            return None;
        }
        let start = self.units.start;
        self.units.start = start.saturating_add(self.units_per_batch).min(self.units.end);
        Some(self.source.batch(start..self.units.start, &self.columns))
    }
}
