//! What a kit says about its tables, compared with the generated rows.

use arrow::array::{Array, ArrayRef};
use arrow::row::{OwnedRow, RowConverter, SortField};
use millrace_sources::kit::{self, Kit};
use millrace_sources::registry::{self, Definition};
use std::collections::HashSet;

const SF: f64 = 0.01;

/// Has two million rows at any scale factor, and is all combinations of its values.
const LARGEST: &str = "customer_demographics";

/// The rows of some columns, without those that have a null.
fn rows(kit: &Kit, source: &Definition, names: &[&str]) -> Vec<OwnedRow> {
    let source = kit.open(source, SF).unwrap();
    let indexes: Vec<_> = names.iter().map(|name| source.schema().index_of(name).unwrap()).collect();
    let batch = source.batch(0..source.units(), &indexes).unwrap();
    let fields = batch.columns().iter().map(|array: &ArrayRef| SortField::new(array.data_type().clone()));
    let rows = RowConverter::new(fields.collect()).unwrap().convert_columns(batch.columns()).unwrap();
    let is_whole = |row: &usize| batch.columns().iter().all(|array| array.is_valid(*row));
    (0..batch.num_rows()).filter(is_whole).map(|row| rows.row(row).owned()).collect()
}

/// Checks all tables of a kit; gives how many foreign keys there were.
fn check(kit: &Kit) -> usize {
    let mut references = 0;
    for table in kit.tables.iter().filter(|table| table.name != LARGEST) {
        let source = kit.source(table);
        let key = rows(kit, source, table.primary_key);
        let different: HashSet<_> = key.iter().collect();
        let made = kit.open(source, SF).unwrap();
        assert_eq!(different.len() as u64, made.rows(0..made.units()), "key of {}", table.name);
        for reference in kit.references(table).iter().filter(|key| key.source != LARGEST) {
            let referenced = registry::find(&format!("{}.{}", kit.family, reference.source)).unwrap();
            let keys = rows(kit, referenced, reference.key);
            let different: HashSet<_> = keys.iter().collect();
            assert_eq!(different.len(), keys.len(), "{reference:?}");
            let orphan =
                rows(kit, source, reference.columns).into_iter().find(|row| !different.contains(row));
            assert_eq!(orphan, None, "{reference:?} of {}", table.name);
            references += 1;
        }
    }
    references
}

#[test]
fn each_row_has_the_one_it_refers_to_and_a_key_of_its_own() {
    let checked: Vec<_> = kit::all().map(|kit| (kit.family, check(kit))).collect();
    assert_eq!(checked, [("tpch", 8), ("tpcds", 96)]);
}
