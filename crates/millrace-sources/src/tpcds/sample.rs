//! What is known about columns, from a sample of a few thousand rows, made once for each table and scale factor.
//!
//! dsdgen draws most columns from word lists with weights, from calendars and from other columns, so formulas for all of
//! them would be a second generator. The estimates are those of ANALYZE. If neighbouring rows are alike, as the lines of an
//! order are, a sample of ranges says too little about the number of distinct values; for keys it is calculated.

use crate::{ColumnStatistics, Distinct, Source, expected_distinct};
use arrow::array::{Array, ArrayRef, AsArray, Int32Array, UInt32Array};
use arrow::compute::{SortOptions, concat, partition, sort, take};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// About this many rows, from ranges of units spread evenly over the table, one row of each unit.
const ROWS: u64 = 3_000;
/// Units of a range. Beginning in the middle of sales costs as much as making a hundred of their rows.
const ORDERS_PER_RANGE: u64 = 60;
const ROWS_PER_RANGE: u64 = 4;

/// As many values as the server keeps by default (`default_statistics_target`).
const MOST_VALUES: usize = 100;

/// Samples kept: of all tables at two scale factors.
const MOST_SAMPLES: usize = 50;

type Key = (&'static str, u64);

static SAMPLES: LazyLock<Mutex<HashMap<Key, Arc<[ColumnStatistics]>>>> = LazyLock::new(Mutex::default);

/// The statistics of a column of a table at a scale factor.
pub fn statistics(source: &dyn Source, table: &'static str, sf: f64, column: usize) -> ColumnStatistics {
    let mut samples = SAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
    if samples.len() >= MOST_SAMPLES {
        samples.clear();
    }
    let sample = samples.entry((table, sf.to_bits())).or_insert_with(|| of_all_columns(source));
    sample.get(column).cloned().unwrap_or_default()
}

/// The same for a column with this many distinct values.
pub fn with_distinct(sampled: ColumnStatistics, distinct: Distinct) -> ColumnStatistics {
    // Common values tell the number by themselves.
    if sampled.common.is_some() { sampled } else { ColumnStatistics { distinct, ..sampled } }
}

/// The same for a column of days, if each day between the first and the last has rows.
pub fn of_days(sampled: ColumnStatistics, rows: f64) -> ColumnStatistics {
    let days =
        sampled.bounds.as_ref().and_then(|bounds| bounds.as_primitive_opt::<Int32Type>()).and_then(|days| {
            let days = days.values();
            Some(f64::from(days.last()? - days.first()? + 1))
        });
    match days {
        Some(days) => with_distinct(sampled, Distinct::Number(expected_distinct(rows, days))),
        None => sampled,
    }
}

/// The same for a key of consecutive numbers, in a range of units.
pub fn of_key(sampled: ColumnStatistics, units: &Range<u64>) -> ColumnStatistics {
    let first = sampled.bounds.as_ref().and_then(|bounds| bounds.as_primitive_opt::<Int32Type>());
    let Some(&first) = first.and_then(|keys| keys.values().first()) else {
        return with_distinct(sampled, Distinct::Share(1.0));
    };
    let ends = [units.start, units.end - 1].map(|unit| first + unit as i32);
    ColumnStatistics::unique().within(Arc::new(Int32Array::from_iter_values(ends)))
}

fn of_all_columns(source: &dyn Source) -> Arc<[ColumnStatistics]> {
    let columns: Vec<usize> = (0..source.schema().fields().len()).collect();
    let lines = (source.rows_per_unit().round() as usize).max(1);
    let units_per_range = if source.rows_per_unit() == 1.0 { ROWS_PER_RANGE } else { ORDERS_PER_RANGE };
    let ranges = ranges(source.units(), units_per_range).into_iter();
    let made: Result<Vec<_>, _> = ranges.map(|units| source.batch(units, &columns)).collect();
    let Ok(batches) = made else { return Arc::default() };
    let rows = source.estimated_rows(0..source.units()) as f64;
    let of_column = |column: usize| {
        let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(column).as_ref()).collect();
        let sampled = concat(&parts).and_then(|values| every(lines, &values));
        sampled.ok().and_then(|values| of_values(&values, rows)).unwrap_or_default()
    };
    columns.into_iter().map(of_column).collect()
}

/// Which units are sampled; all, if the table has few.
fn ranges(units: u64, units_per_range: u64) -> Vec<Range<u64>> {
    if units <= 2 * ROWS {
        return std::iter::once(0..units).collect();
    }
    let count = ROWS / units_per_range;
    let range = |number| {
        let start = (units - units_per_range) * number / (count - 1);
        start..start + units_per_range
    };
    (0..count).map(range).collect()
}

/// The first of every `lines` values: about one of each unit.
fn every(lines: usize, values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let places: UInt32Array = (0..values.len()).step_by(lines).map(|place| place as u32).collect();
    take(values, &places, None)
}

/// Estimates from some values of a column the statistics of all `rows` of the table.
fn of_values(values: &ArrayRef, rows: f64) -> Option<ColumnStatistics> {
    let sampled = values.len() as f64;
    let nulls = values.null_count();
    let sorted = sort(values, Some(SortOptions { descending: false, nulls_first: false })).ok()?;
    let sorted = sorted.slice(0, values.len() - nulls);
    let null_fraction = nulls as f64 / sampled.max(1.0);
    if sorted.is_empty() {
        return Some(ColumnStatistics { null_fraction, ..ColumnStatistics::default() });
    }
    let groups = partition(&[ArrayRef::clone(&sorted)]).ok()?.ranges();
    let known = if is_complete(&groups, sampled, rows) && groups.len() <= MOST_VALUES {
        common(&sorted, groups, sampled)?
    } else {
        ColumnStatistics::of(distinct(&groups, sorted.len() as f64, rows * (1.0 - null_fraction)))
            .within(bounds(&sorted)?)
    };
    let known = match mean_length(&sorted) {
        Some(length) => known.of_length(length),
        None => known,
    };
    Some(ColumnStatistics { null_fraction, ..known })
}

/// Whether the sample seems to have all distinct values: it has all rows, or each value more than once.
fn is_complete(groups: &[Range<usize>], sampled: f64, rows: f64) -> bool {
    sampled >= rows || groups.iter().all(|group| group.len() > 1)
}

fn common(sorted: &ArrayRef, mut groups: Vec<Range<usize>>, sampled: f64) -> Option<ColumnStatistics> {
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let firsts: UInt32Array = groups.iter().map(|group| group.start as u32).collect();
    let shares = groups.iter().map(|group| group.len() as f64 / sampled).collect();
    Some(ColumnStatistics::weighted(take(sorted, &firsts, None).ok()?, shares))
}

/// The estimator of Haas and Stokes, as ANALYZE uses it.
fn distinct(groups: &[Range<usize>], sampled: f64, rows: f64) -> Distinct {
    let once = groups.iter().filter(|group| group.len() == 1).count() as f64;
    let found = groups.len() as f64;
    if once >= sampled {
        return Distinct::Share(1.0);
    }
    let number = sampled * found / (sampled - once + once * sampled / rows.max(1.0));
    // A number that grows with the table, if it is more than a tenth of it.
    if number > rows / 10.0 { Distinct::Share((number / rows).min(1.0)) } else { Distinct::Number(number) }
}

fn bounds(sorted: &ArrayRef) -> Option<ArrayRef> {
    let (last, steps) = (sorted.len() - 1, (sorted.len() - 1).clamp(1, MOST_VALUES));
    let places: UInt32Array = (0..=steps).map(|step| (last * step / steps) as u32).collect();
    take(sorted, &places, None).ok()
}

fn mean_length(sorted: &ArrayRef) -> Option<f64> {
    let strings = sorted.as_string_opt::<i32>()?;
    let bytes: usize = strings.iter().flatten().map(str::len).sum();
    Some(bytes as f64 / strings.len() as f64)
}
