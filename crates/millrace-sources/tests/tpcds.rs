//! The tables of TPC-DS: the same rows in any split, and their number.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use millrace_sources::kit::Design;
use millrace_sources::registry::{self, Definition};
use millrace_sources::tpcds::{FAMILY, KIT};
use millrace_sources::{Source, scale};
use proptest::prelude::*;
use serde_json::json;
use std::ops::Range;

fn sources() -> Vec<&'static Definition> {
    registry::all().filter(|definition| definition.family == FAMILY).collect()
}

fn open(definition: &Definition, sf: f64) -> Box<dyn Source> {
    definition.open(json!({ "sf": sf })).unwrap()
}

fn all_columns(source: &dyn Source) -> Vec<usize> {
    (0..source.schema().fields().len()).collect()
}

/// Some units at the beginning, in the middle and at the end, and an empty range.
fn samples(source: &dyn Source) -> Vec<Range<u64>> {
    let units = source.units();
    let middle = units / 2;
    let some = [0..units.min(40), middle..(middle + 40).min(units), units.saturating_sub(40)..units];
    let none = [0..0, middle..middle, units..units];
    [some, none].concat()
}

#[test]
fn there_are_24_tables_and_the_version() {
    assert_eq!(KIT.tables.len(), 24);
    let others: Vec<_> = sources()
        .into_iter()
        .filter(|definition| KIT.tables.iter().all(|table| table.name != definition.name))
        .map(|definition| definition.name)
        .collect();
    assert_eq!(others, ["dbgen_version"]);
}

#[test]
fn tables_have_as_many_rows_as_the_specification_says() {
    // Clause 3.2, at scale factor 1.
    let rows = |name: &str| open(registry::find(name).unwrap(), 1.0);
    for (name, expected) in [
        ("tpcds.customer", 100_000),
        ("customer_address", 50_000),
        ("customer_demographics", 1_920_800),
        ("date_dim", 73_049),
        ("household_demographics", 7_200),
        ("inventory", 11_745_000),
        ("item", 18_000),
        ("promotion", 300),
        ("time_dim", 86_400),
        ("store_sales", 2_880_404),
        ("store_returns", 287_514),
        ("catalog_sales", 1_441_548),
        ("catalog_returns", 144_067),
        ("web_sales", 719_384),
        ("web_returns", 71_763),
    ] {
        let source = rows(name);
        assert_eq!(source.rows(0..source.units()), expected, "{name}");
    }
}

#[test]
fn as_many_rows_are_made_as_are_counted_and_columns_do_not_depend_on_each_other() {
    for definition in sources() {
        let source = open(definition, 0.1);
        let columns = all_columns(source.as_ref());
        for units in samples(source.as_ref()) {
            let whole = source.batch(units.clone(), &columns).unwrap();
            assert_eq!(source.rows(units.clone()), whole.num_rows() as u64, "{} {units:?}", definition.name);
            let none = source.batch(units.clone(), &[]).unwrap();
            assert_eq!(none.num_rows(), whole.num_rows(), "{} {units:?}", definition.name);
            let last = columns.len() - 1;
            let two = source.batch(units.clone(), &[last, 0]).unwrap();
            assert_eq!(two.column(0), whole.column(last), "{} {units:?}", definition.name);
            assert_eq!(two.column(1), whole.column(0), "{} {units:?}", definition.name);
        }
    }
}

#[test]
fn every_scale_factor_works_from_the_smallest_to_the_largest() {
    for sf in [*KIT.scales.start(), 0.01, 0.5, 1.5, 300.0, scale::LARGEST] {
        for definition in sources() {
            let source = open(definition, sf);
            for units in samples(source.as_ref()) {
                let made = source.batch(units.clone(), &all_columns(source.as_ref())).unwrap();
                assert_eq!(source.rows(units), made.num_rows() as u64, "{} at {sf}", definition.name);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_split_makes_the_same_rows(
        table in 0..25usize, start in 0.0..1.0f64, cuts in prop::collection::vec(0..90u64, 1..6),
    ) {
        let definition = sources()[table];
        let source = open(definition, 0.05);
        let columns = all_columns(source.as_ref());
        let start = (source.units() as f64 * start) as u64;
        let end = (start + 90).min(source.units());
        let mut cuts: Vec<u64> = cuts.into_iter().map(|cut| (start + cut).min(end)).collect();
        cuts.extend([start, end]);
        cuts.sort_unstable();
        let whole = source.batch(start..end, &columns).unwrap();
        let parts: Vec<RecordBatch> =
            cuts.windows(2).map(|cut| source.batch(cut[0]..cut[1], &columns).unwrap()).collect();
        prop_assert_eq!(concat_batches(&source.schema(), &parts).unwrap(), whole);
    }
}

fn count(table: &Design, sf: f64) -> u64 {
    let source = KIT.open(KIT.source(table), sf).unwrap();
    source.rows(0..source.units())
}

#[test]
fn the_scale_factor_follows_from_the_number_of_customers() {
    for sf in [0.01, 0.1, 1.0, 2.0, 10.0, 100.0, 1000.0] {
        let customers = KIT.tables.iter().find(|table| table.name == KIT.scale_table).unwrap();
        assert_eq!((KIT.scale_of)(count(customers, sf)), sf);
    }
}
