//! The one abstraction between code that makes data and code that uses it.

use crate::{ColumnStatistics, Error};
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use std::ops::Range;
use std::sync::Arc;

/// The first batch has about this many rows, and each one after it four times as many as the one before, so that a reader
/// of a few rows does not wait for many.
const ROWS_PER_FIRST_BATCH: f64 = 16.0;

/// A good batch has about this many rows: enough that its overhead does not matter, few enough for the cache, and so few
/// (a few milliseconds' work) that interrupts are noticed soon enough between two batches.
const ROWS_PER_BATCH: f64 = 8192.0;
/// Parts of a full batch, which are dealt to threads one by one.
const DEALT_IN: u64 = 4;

/// Data as a pure function of a range of units.
///
/// A unit is what the source makes rows from: one order for `lineitem`, one part for `partsupp`, one row elsewhere. Units
/// are numbered from 0.
pub trait Source: Send + Sync {
    /// All columns, in order.
    fn schema(&self) -> SchemaRef;

    /// The number of units of the whole.
    fn units(&self) -> u64;

    /// The mean number of rows a unit makes.
    fn rows_per_unit(&self) -> f64 {
        1.0
    }

    /// The exact number of rows in `units`, without making them. If units differ in their number of rows, this may take time
    /// in proportion to the range.
    fn rows(&self, units: Range<u64>) -> u64;

    /// The number of rows in `units`, within 0.1% for a whole table, in less than about 10 ms.
    fn estimated_rows(&self, units: Range<u64>) -> u64 {
        self.rows(units)
    }

    /// What is known about a column's values in `units` without making them; by default nothing.
    fn statistics(&self, _column: usize, _units: Range<u64>) -> ColumnStatistics {
        ColumnStatistics::default()
    }

    /// What a process does once before it makes many rows of these columns.
    fn preparation(&self, _columns: &[usize]) -> Option<&'static dyn Preparation> {
        None
    }

    /// The rows of `units`, with just the columns asked for, in the order asked for. A batch without
    /// columns still has its number of rows.
    ///
    /// Holds the whole range in memory: see [`Source::batches`] for a range of any length.
    fn batch(&self, units: Range<u64>, columns: &[usize]) -> Result<RecordBatch, Error>;
}

/// Work that each process does once, for all sources that share it. If it is not done, each batch does the part that it
/// needs.
pub trait Preparation: Sync {
    /// Whether nothing is left to do.
    fn is_done(&self) -> bool;

    /// Does the work, with this number of threads.
    fn run(&self, threads: usize);

    /// How many rows without columns are read in the time that the work takes.
    fn cost_in_rows(&self) -> f64;
}

/// A foreign key: columns that refer, in each row, to the key of another source of the family with the same options.
#[derive(Debug, Clone, Copy)]
pub struct Reference {
    /// The columns, in the order of the key's.
    pub columns: &'static [&'static str],
    /// The name of the other source.
    pub source: &'static str,
    /// The columns of its key, whose values no two of its rows share.
    pub key: &'static [&'static str],
}

impl dyn Source {
    /// The rows of `units` as a stream of batches: a small one first, then larger ones up to about 8,192
    /// rows each.
    pub fn batches(self: Box<Self>, units: Range<u64>, columns: Vec<usize>) -> Batches {
        Batches::growing(self.into(), units, columns)
    }

    /// As [`batches`](#method.batches), for a caller that wants all rows: each batch has the full size.
    pub fn full_batches(self: Arc<Self>, units: Range<u64>, columns: Vec<usize>) -> Batches {
        let batches = Batches::growing(self, units, columns);
        Batches { units_per_batch: batches.most_units, ..batches }
    }

    /// The rows of `units` in batches of about 2,048 rows, dealt in turn to some `hands`, which can make them at the same
    /// time, so that the first is there soon and few rows wait. There are no more hands than batches, and none if there is
    /// only one batch, which more threads would not make sooner.
    pub fn dealt_batches(
        self: Arc<Self>,
        units: Range<u64>,
        columns: Vec<usize>,
        hands: usize,
    ) -> Vec<Batches> {
        let batches = self.full_batches(units, columns);
        let most_units = (batches.most_units / DEALT_IN).max(1);
        let hands = match (batches.units.end - batches.units.start).div_ceil(most_units) {
            0 | 1 => 0,
            dealt => dealt.min(hands as u64),
        };
        let hand = |nth| {
            let start = batches.units.start.saturating_add(most_units * nth).min(batches.units.end);
            let units = start..batches.units.end;
            Batches { units, units_per_batch: most_units, most_units, stride: hands, ..batches.clone() }
        };
        (0..hands).map(hand).collect()
    }
}

/// A library's schema, with strings laid end to end instead of its string views. Those take longer to make, and pay off only
/// where strings are passed on without being read.
pub(crate) fn with_plain_strings(theirs: &SchemaRef) -> SchemaRef {
    let plain = |field: &FieldRef| match field.data_type() {
        DataType::Utf8View => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)),
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new(theirs.fields().iter().map(plain).collect::<Vec<_>>()))
}

/// A batch of the columns asked for, each made by its name.
pub(crate) fn project(
    source_name: &'static str,
    schema: &SchemaRef,
    columns: &[usize],
    rows: u64,
    column: impl Fn(&str) -> ArrayRef,
) -> Result<RecordBatch, Error> {
    if let Some(&column) = columns.iter().find(|&&column| column >= schema.fields().len()) {
        return Err(Error::Column { source_name, column });
    }
    let arrays = columns.iter().map(|&index| column(schema.field(index).name())).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows as usize));
    Ok(RecordBatch::try_new_with_options(schema.project(columns)?.into(), arrays, &options)?)
}

/// A range of a source as a stream of batches; memory is that of one batch.
#[derive(Clone)]
pub struct Batches {
    source: Arc<dyn Source>,
    units: Range<u64>,
    columns: Vec<usize>,
    /// The size of the next batch, and the largest size.
    units_per_batch: u64,
    most_units: u64,
    /// Makes every `stride`-th batch; other threads make the others.
    stride: u64,
}

impl Batches {
    /// A small batch first, then larger ones.
    fn growing(source: Arc<dyn Source>, units: Range<u64>, columns: Vec<usize>) -> Self {
        let in_units = |rows: f64| ((rows / source.rows_per_unit()) as u64).max(1);
        let (units_per_batch, most_units) = (in_units(ROWS_PER_FIRST_BATCH), in_units(ROWS_PER_BATCH));
        Self { source, units, columns, units_per_batch, most_units, stride: 1 }
    }

    /// The preparation that should be done before the next batch is made: it is not done yet, and the batch is so large that
    /// its part of it would take longer than a few milliseconds.
    pub fn due_preparation(&self) -> Option<&'static dyn Preparation> {
        let units = self.units_per_batch.min(self.units.end - self.units.start);
        if units as f64 * self.source.rows_per_unit() <= 4.0 * ROWS_PER_FIRST_BATCH {
            return None;
        }
        self.source.preparation(&self.columns).filter(|preparation| !preparation.is_done())
    }

    /// Continues with other units, after those that it has made.
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
        let Range { start, end } = self.units;
        let stop = start.saturating_add(self.units_per_batch).min(end);
        self.units.start = start.saturating_add(self.units_per_batch * self.stride).min(end);
        self.units_per_batch = (self.units_per_batch * 4).min(self.most_units);
        Some(self.source.batch(start..stop, &self.columns))
    }
}
