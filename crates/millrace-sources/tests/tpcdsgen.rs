//! The large tables of TPC-DS, whose columns are made one by one, compared with `tpcdsgen-arrow`, which makes all at once.

use arrow::array::RecordBatch;
use millrace_sources::{Source, registry};
use proptest::prelude::*;
use serde_json::json;
use std::ops::Range;
use tpcdsgen::config::{CompatMode, SessionBuilder};
use tpcdsgen_arrow::*;

const TABLES: [&str; 7] = [
    "inventory",
    "store_sales",
    "store_returns",
    "catalog_sales",
    "catalog_returns",
    "web_sales",
    "web_returns",
];

/// The rows that `tpcdsgen-arrow` makes of some units.
fn theirs(table: &str, sf: f64, units: Range<u64>) -> RecordBatch {
    let session =
        SessionBuilder::new().with_scale_factor(sf).with_compat_mode(CompatMode::C).build().unwrap();
    macro_rules! batch {
        ($table:ident) => {
            $table::new(session)
                .with_source_row_range(units.start + 1, units.end)
                .with_batch_size(usize::MAX)
                .next()
                .map_or_else(|| RecordBatch::new_empty($table::schema_ref()), Result::unwrap)
        };
    }
    match table {
        "inventory" => batch!(InventoryArrow),
        "store_sales" => batch!(StoreSalesArrow),
        "store_returns" => batch!(StoreReturnsArrow),
        "catalog_sales" => batch!(CatalogSalesArrow),
        "catalog_returns" => batch!(CatalogReturnsArrow),
        "web_sales" => batch!(WebSalesArrow),
        "web_returns" => batch!(WebReturnsArrow),
        _ => unreachable!("{table}"),
    }
}

fn open(table: &str, sf: f64) -> Box<dyn Source> {
    registry::open(&format!("tpcds.{table}"), json!({ "sf": sf })).unwrap()
}

/// About a thousand rows' units, beginning at this share of the table.
fn units(source: &dyn Source, from: f64) -> Range<u64> {
    let start = (source.units() as f64 * from) as u64;
    start..source.units().min(start + (1_000.0 / source.rows_per_unit()) as u64)
}

#[test]
fn whole_tables_are_equal() {
    for table in TABLES {
        let source = open(table, 0.01);
        let columns: Vec<usize> = (0..source.schema().fields().len()).collect();
        let made = source.batch(0..source.units(), &columns).unwrap();
        assert!(made == theirs(table, 0.01, 0..source.units()), "{table}");
    }
}

#[test]
fn each_column_alone_and_all_together_are_equal() {
    for table in TABLES {
        for (sf, from) in
            [(0.001, 0.0), (0.1, 0.5), (1.0, 0.999), (1.0, 0.25), (1_000.0, 0.75), (100_000.0, 0.0)]
        {
            let source = open(table, sf);
            let units = units(source.as_ref(), from);
            let expected = theirs(table, sf, units.clone());
            assert_ne!(expected.num_rows(), 0);
            let columns: Vec<usize> = (0..expected.num_columns()).collect();
            let all = source.batch(units.clone(), &columns).unwrap();
            assert_eq!(all, expected, "{table} at scale factor {sf}, {units:?}");
            for column in columns {
                let alone = source.batch(units.clone(), &[column]).unwrap();
                let expected = expected.project(&[column]).unwrap();
                assert_eq!(alone, expected, "{table} at scale factor {sf}, {units:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_columns_of_any_units_are_equal(
        table in prop::sample::select(&TABLES[..]),
        sf in prop::sample::select(&[0.01, 1.0, 100.0][..]),
        from in 0.0..1.0f64,
        count in 0..100u64,
        order in prop::collection::vec(0..34usize, 1..9),
    ) {
        let source = open(table, sf);
        let start = units(source.as_ref(), from).start;
        let units = start..(start + count).min(source.units());
        let columns: Vec<usize> =
            order.iter().map(|column| column % source.schema().fields().len()).collect();
        let made = source.batch(units.clone(), &columns).unwrap();
        prop_assert_eq!(made, theirs(table, sf, units).project(&columns).unwrap());
    }
}
