//! What sources say about their columns, compared with the columns that they make.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::row::{OwnedRow, RowConverter, SortField};
use millrace_sources::{ColumnStatistics, Distinct, Part, Source, registry, tpch};
use serde_json::json;
use std::ops::Range;

/// The values of a column, sorted.
struct Made {
    values: Vec<OwnedRow>,
    converter: RowConverter,
    array: ArrayRef,
}

impl Made {
    fn new(source: &dyn Source, column: usize, units: Range<u64>) -> Self {
        let array = source.batch(units, &[column]).unwrap().column(0).clone();
        let converter = RowConverter::new(vec![SortField::new(array.data_type().clone())]).unwrap();
        let mut made = Self { values: Vec::new(), converter, array };
        made.values = made.ordered(&made.array);
        made.values.sort();
        made
    }

    fn ordered(&self, array: &ArrayRef) -> Vec<OwnedRow> {
        assert_eq!(array.data_type(), self.array.data_type());
        let rows = self.converter.convert_columns(std::slice::from_ref(array)).unwrap();
        rows.iter().map(|row| row.owned()).collect()
    }

    /// The share of the values for which a comparison with `value` holds; these come first.
    fn share(&self, holds: impl Fn(&OwnedRow) -> bool) -> f64 {
        self.values.partition_point(holds) as f64 / self.values.len() as f64
    }
}

/// Checks what is said about a column; `what` names it.
fn check(what: &str, made: &Made, said: &ColumnStatistics) {
    let rows = made.values.len() as f64;
    assert_eq!(said.null_fraction, made.array.null_count() as f64 / rows, "{what}: nulls");

    let distinct = 1.0 + made.values.windows(2).filter(|pair| pair[0] != pair[1]).count() as f64;
    let expected =
        said.distinct.among(rows).unwrap_or_else(|| panic!("{what}: distinct values are not known"));
    let factor = expected / distinct;
    assert!((0.75..1.35).contains(&factor), "{what}: {distinct} distinct values, said to be {expected}");

    if let Some(common) = &said.common {
        let values = made.ordered(&common.values);
        let total: f64 = common.shares.iter().sum();
        assert!((total - 1.0).abs() < 1e-9, "{what}: shares sum to {total}");
        for (value, &share) in values.iter().zip(&common.shares) {
            let got = made.share(|other| other <= value) - made.share(|other| other < value);
            let noise = 5.0 * (share / rows).sqrt();
            assert!((got - share).abs() < noise, "{what}: a value has a share of {got}, said to be {share}");
        }
    }

    if let Some(bounds) = &said.bounds {
        let bounds = made.ordered(bounds);
        assert!(bounds.is_sorted(), "{what}: bounds are not in order");
        assert!(bounds.first() <= made.values.first(), "{what}: values below the bounds");
        assert!(bounds.last() >= made.values.last(), "{what}: values above the bounds");
        let shares = (bounds.len() - 1) as f64;
        // Where bounds are a sample, its noise.
        let tolerance = if bounds.len() > 100 { 0.12 } else { 0.03 };
        for (index, bound) in bounds.iter().enumerate() {
            let (below, up_to) = (made.share(|value| value < bound), made.share(|value| value <= bound));
            let share = (index as f64 / shares).clamp(below, up_to);
            let error = (index as f64 / shares - share).abs();
            assert!(error < tolerance + 2.0 / rows.sqrt(), "{what}: bound {index} is {error} off");
        }
    }

    if let Some(strings) = made.array.as_string_opt::<i32>() {
        let mean = strings.values().len() as f64 / rows;
        if let Some(said) = said.mean_length {
            let noise = 3.0 / rows.sqrt();
            assert!(
                (said / mean - 1.0).abs() < 0.01 + noise,
                "{what}: mean length {mean}, said to be {said}"
            );
        } else {
            assert!(said.common.is_some() || said.bounds.is_some(), "{what}: the length is not known");
        }
    }
}

#[test]
fn columns_are_as_they_are_said_to_be() {
    for table in tpch::tables() {
        for (sf, part, parts) in [(0.01, 1, 1), (0.05, 1, 1), (0.1, 2, 7), (2.0, 9, 400)] {
            let source = registry::open(table, json!({ "sf": sf })).unwrap();
            let units = Part::new(part, parts).unwrap().units(source.units());
            // What is said about regions is right only for all nations.
            if units.end - units.start < 25 && parts > 1 {
                continue;
            }
            for (column, field) in source.schema().fields().iter().enumerate() {
                let what = format!("{} at {sf}, part {part} of {parts}", field.name());
                let made = Made::new(source.as_ref(), column, units.clone());
                check(&what, &made, &source.statistics(column, units.clone()));
            }
        }
    }
}

#[test]
fn nothing_is_known_of_columns_that_are_not_there() {
    let source = registry::open("orders", json!({})).unwrap();
    for (column, units) in [(9, 0..10), (0, 5..5)] {
        assert_eq!(source.statistics(column, units).distinct, Distinct::Unknown);
    }
}

/// The number of distinct values of a column, and the share of nulls.
fn counted(made: &Made) -> (f64, f64) {
    let values = made.values.len() as f64;
    let distinct = 1 + made.values.windows(2).filter(|pair| pair[0] != pair[1]).count();
    (distinct as f64, made.array.null_count() as f64 / values)
}

#[test]
fn columns_of_streams_are_as_they_are_said_to_be() {
    for (name, unknown) in [("cdr", vec!["billing_amount"]), ("iot", vec!["value"])] {
        for (rows, units) in [(100_000, 0..100_000), (10_000_000, 2_000_000..2_050_000), (100, 0..100)] {
            let source = registry::open(name, json!({ "rows": rows })).unwrap();
            for (column, field) in source.schema().fields().iter().enumerate() {
                let what = format!("{} in {units:?}", field.name());
                let said = source.statistics(column, units.clone());
                let made = Made::new(source.as_ref(), column, units.clone());
                let (distinct, nulls) = counted(&made);
                let rows = made.values.len() as f64;
                assert!((said.null_fraction - nulls).abs() < 3.0 / rows.sqrt(), "{what}: nulls {nulls}");
                let Some(expected) = said.distinct.among(rows) else {
                    assert!(unknown.contains(&field.name().as_str()), "{what}: not known");
                    continue;
                };
                let ratio = expected / distinct;
                assert!(
                    (0.75..1.35).contains(&ratio) || (expected - distinct).abs() <= 12.0,
                    "{what}: {distinct} distinct values, said to be {expected}"
                );
            }
        }
    }
}
