//! Every table compared with `tpchgen-arrow`, which is proven equal to dbgen.

use arrow::array::RecordBatch;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatchReader;
use millrace_sources::{Part, Source, registry, tpch};
use proptest::prelude::*;
use serde_json::json;
use tpchgen::generators::*;
use tpchgen_arrow::*;

/// The rows `tpchgen-arrow` makes for a part of a table.
fn theirs(table: &str, sf: f64, part: i32, parts: i32) -> Box<dyn RecordBatchReader> {
    match table {
        "region" => Box::new(RegionArrow::new(RegionGenerator::new(sf, part, parts))),
        "nation" => Box::new(NationArrow::new(NationGenerator::new(sf, part, parts))),
        "part" => Box::new(PartArrow::new(PartGenerator::new(sf, part, parts))),
        "supplier" => Box::new(SupplierArrow::new(SupplierGenerator::new(sf, part, parts))),
        "partsupp" => Box::new(PartSuppArrow::new(PartSuppGenerator::new(sf, part, parts))),
        "customer" => Box::new(CustomerArrow::new(CustomerGenerator::new(sf, part, parts))),
        "orders" => Box::new(OrderArrow::new(OrderGenerator::new(sf, part, parts))),
        "lineitem" => Box::new(LineItemArrow::new(LineItemGenerator::new(sf, part, parts))),
        _ => unreachable!("{table}"),
    }
}

fn whole(batches: impl Iterator<Item = RecordBatch>, source: &dyn Source) -> RecordBatch {
    let schema = source.schema();
    concat_batches(&schema, &batches.map(|batch| converted(&batch, &schema)).collect::<Vec<_>>()).unwrap()
}

/// Their batch with our representation of strings.
fn converted(batch: &RecordBatch, schema: &SchemaRef) -> RecordBatch {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()).unwrap()).collect();
    RecordBatch::try_new(SchemaRef::clone(schema), columns).unwrap()
}

fn all_columns(source: &dyn Source) -> Vec<usize> {
    (0..source.schema().fields().len()).collect()
}

fn open(table: &str, sf: f64) -> Box<dyn Source> {
    registry::open(table, json!({ "sf": sf })).unwrap()
}

#[test]
fn whole_tables_are_equal() {
    for table in tpch::tables() {
        for sf in [0.001, 0.0137, 0.1] {
            let source = open(table, sf);
            let columns = all_columns(source.as_ref());
            let expected = whole(theirs(table, sf, 1, 1).map(Result::unwrap), source.as_ref());
            assert_eq!(source.rows(0..source.units()), expected.num_rows() as u64, "{table} {sf}");
            let units = 0..source.units();
            let made = whole(open(table, sf).batches(units, columns).map(Result::unwrap), source.as_ref());
            assert_eq!(made, expected, "{table} at scale factor {sf}");
        }
    }
}

/// At scale factors too large to make whole, parts of a few rows anywhere in the table are equal.
#[test]
fn parts_of_large_tables_are_equal() {
    for table in tpch::tables().filter(|table| !["region", "nation"].contains(table)) {
        for sf in [1.0, 100.0, 10_000.0] {
            let source = open(table, sf);
            let parts = (source.units() / 50) as i32;
            for part in [1, 2, parts / 3, parts - 1] {
                let units = Part::new(part.into(), parts.into()).unwrap().units(source.units());
                let made = source.batch(units, &all_columns(source.as_ref())).unwrap();
                let expected = whole(theirs(table, sf, part, parts).map(Result::unwrap), source.as_ref());
                assert_eq!(made, expected, "{table} at scale factor {sf}, part {part} of {parts}");
            }
        }
    }
}

/// From scale factor 30,000 dbgen's keys depend on where its part begins: we make each row as the
/// first of a part.
#[test]
fn rows_of_the_largest_tables_are_those_a_part_begins_with() {
    for table in ["orders", "lineitem"] {
        let source = open(table, 30_000.0);
        let parts = 1_000_000_000;
        for part in [1, 77_777, 999_999_999] {
            let units = Part::new(part.into(), parts.into()).unwrap().units(source.units());
            let made = source.batch(units.start..units.start + 1, &all_columns(source.as_ref())).unwrap();
            let expected = theirs(table, 30_000.0, part, parts).next().unwrap().unwrap();
            let expected = converted(&expected.slice(0, made.num_rows()), &source.schema());
            assert_eq!(made, expected, "{table}, part {part}");
        }
    }
}

#[test]
fn row_counts_are_dbgens() {
    // The specification's counts at scale factor 1, and dbgen's of lineitem.
    for (table, rows) in [
        ("region", 5),
        ("nation", 25),
        ("part", 200_000),
        ("supplier", 10_000),
        ("partsupp", 800_000),
        ("customer", 150_000),
        ("orders", 1_500_000),
        ("lineitem", 6_001_215),
    ] {
        let source = open(table, 1.0);
        assert_eq!(source.rows(0..source.units()), rows, "{table}");
    }
    let source = open("lineitem", 10.0);
    assert_eq!(source.rows(0..source.units()), 59_986_052);
}

#[test]
fn lineitem_is_estimated_within_a_thousandth() {
    for sf in [0.0001, 0.001, 0.7, 1.0, 1.34, 2.0, 3.0, 5.0, 7.5, 10.0, 30.0] {
        let source = open("lineitem", sf);
        let units = 0..source.units();
        let (estimated, exact) = (source.estimated_rows(units.clone()), source.rows(units));
        let error = (estimated as f64 / exact as f64 - 1.0).abs();
        assert!(error < 0.001, "scale factor {sf}: {estimated} for {exact}");
    }
}

#[test]
fn only_comments_need_the_text_pool() {
    for table in tpch::tables() {
        let source = open(table, 1.0);
        for (column, field) in source.schema().fields().iter().enumerate() {
            assert_eq!(
                source.preparation(&[column]).is_some(),
                field.name().ends_with("_comment"),
                "{field}"
            );
        }
    }
}

proptest! {
    /// Any range, cut anywhere, and any columns in any order give those rows and those columns.
    #[test]
    fn any_range_and_columns_are_a_slice_of_the_whole(
        table in proptest::sample::select(tpch::tables().collect::<Vec<_>>()),
        cuts in proptest::collection::vec(0.0..1.0f64, 3),
        order in proptest::collection::vec(0usize..16, 0..6),
    ) {
        let source = open(table, 0.001);
        let units = source.units();
        let mut cuts: Vec<u64> = cuts.iter().map(|cut| (cut * units as f64) as u64).collect();
        cuts.sort_unstable();
        let columns: Vec<usize> = order.iter().map(|c| c % source.schema().fields().len()).collect();
        let all = source.batch(0..units, &all_columns(source.as_ref())).unwrap();
        let skipped = source.rows(0..cuts[0]) as usize;
        let pieces = [
            source.batch(cuts[0]..cuts[1], &columns).unwrap(),
            source.batch(cuts[1]..cuts[2], &columns).unwrap(),
        ];
        let rows = pieces.iter().map(RecordBatch::num_rows).sum();
        prop_assert_eq!(rows as u64, source.rows(cuts[0]..cuts[2]));
        let joined = concat_batches(&pieces[0].schema(), &pieces).unwrap();
        prop_assert_eq!(joined, all.slice(skipped, rows).project(&columns).unwrap());
    }
}
